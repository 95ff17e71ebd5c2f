"""What a hostile caller can cost: plays attacks against a live service of its own, one after the other.

Run as `python -m bench.attack [NAME ...]`. For each attack it prints the peak memory of the web process and of the
worker above what they held before, the web process's CPU seconds, the longest that `/healthz` and the start page took
for a caller at another address, the most that lay in the temporary folder, and what the attacker was told.
"""

import argparse
import contextlib
import functools
import http.client
import http.server
import io
import json
import random
import secrets
import socket
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.launch.redis_server import free_port
from bench.attacked import MB, OTHER_CALLER, PATIENCE, Site, Watch
from bench.service import serving

LIGHT = "tests.e2e.light:offer"


Answers = Sequence[object]
Attack = Callable[[Site], Answers]


# JSON bodies


def _json(site: Site, path: str, body: bytes) -> str:
    status, answer = site.send("POST", path, body, Content_Type="application/json")
    return f"{status}, {len(answer):,} bytes"


def _many_lists(megabytes: int) -> bytes:
    """A small photo, and beside it very many empty lists."""
    return b'{"image":"eA==","z":[' + b",".join([b"[]"] * (megabytes * MB // 3)) + b"]}"


def json_lists(site: Site) -> Answers:
    """22 MB of empty lists."""
    return [_json(site, "/api/v1/runs", _many_lists(20))]


def json_lists_four(site: Site) -> Answers:
    """The same four times at once."""
    body = _many_lists(20)
    return _at_once(4, lambda _: _json(site, "/api/v1/runs", body))


def json_image(site: Site) -> Answers:
    """The same to a classic API that takes more."""
    return [_json(site, "/image", b'{"Uint8array":"eA==","z":[' + b",".join([b"[]"] * (20 * MB // 3)) + b"]}")]


def json_unknown(site: Site) -> Answers:
    """A million members that the API does not know."""
    members = ",".join(f'"{n}":1' for n in range(1_000_000))
    return [_json(site, "/api/v1/runs", f'{{"image":"eA==",{members}}}'.encode())]


def json_drawing(site: Site) -> Answers:
    """Strokes of a drawing with as many faults as fit."""
    body = b'{"strokes":[' + b",".join([b"[]"] * 600_000) + b"]}"
    return [_json(site, "/api/v1/drawings", body)]


# Renders and exports


def _large(seed: int) -> bytes:
    """A photo of 36 megapixels."""
    small = np.random.default_rng(seed).integers(0, 255, (100, 100, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(small).resize((6000, 6000), Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
    return file.getvalue()


def _ask_and_hang_up(site: Site, path: str) -> str:
    with site.connect() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {site.host}\r\n\r\n".encode())
    return "hung up"


def _quiet(site: Site) -> None:
    """Wait until the web process has nothing to do."""
    watch, last = Watch(site), -1.0
    while (now := watch._cpu()) - last > 0.1:
        last = now
        time.sleep(1)


def exports(site: Site) -> Answers:
    """The cut-outs of three large photos, asked for eight times by one who hangs up at once."""
    ids = [site.done(_large(seed)) for seed in range(3)]
    made = [_ask_and_hang_up(site, f"/runs/{id}/export?format=cutouts&threshold=0.05") for id in ids * 3][:8]
    _quiet(site)
    return made


def renders(site: Site) -> Answers:
    """Twelve pictures of a large photo, each a little different, by one who hangs up at once."""
    id = site.done(_large(7))
    made = [_ask_and_hang_up(site, f"/runs/{id}/image?format=png&threshold=0.5{n:02}") for n in range(12)]
    _quiet(site)
    return made


def renders_read(site: Site) -> Answers:
    """Sixty pictures of a large photo as fast as they come, eight at a time."""
    id = site.done(_large(8))
    return _at_once(60, lambda n: site.send("GET", f"/runs/{id}/image?threshold=0.4{n:02}")[0], threads=8)


# Small files, large cost


def _post(site: Site, data: bytes, kind: str = "application/octet-stream") -> str:
    return str(site.send("POST", "/api/v1/runs?wait=20", data, Content_Type=kind)[0])


@functools.cache
def animated_webp() -> bytes:
    """Two frames of 6300 x 6300 pixels in some kilobytes."""
    frames = [Image.new("RGB", (6300, 6300), colour) for colour in ((200, 30, 30), (30, 30, 200))]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], quality=10, method=0)
    return file.getvalue()


def filled_jpeg(filler: bytes, size: int = 15 * MB) -> bytes:
    """A small JPEG with so many bytes of filler behind its first marker."""
    file = io.BytesIO()
    Image.new("RGB", (64, 64), secrets.choice(range(256))).save(file, "JPEG")
    data = file.getvalue()
    return data[:2] + filler * (size // len(filler)) + data[2:]


def webp(site: Site) -> Answers:
    """An animated WebP."""
    return [_post(site, animated_webp())]


def jpeg_fill(site: Site) -> Answers:
    """A JPEG of fill bytes."""
    return [_post(site, filled_jpeg(b"\xff"))]


def jpeg_segments(site: Site) -> Answers:
    """A JPEG of empty segments."""
    return [_post(site, filled_jpeg(b"\xff\xe1\x00\x02"))]


def zipped(site: Site) -> Answers:
    """A ZIP of eight such JPEGs, each with some bytes that do not compress."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(8):
            filler = (b"\xff", b"\xff\xe1\x00\x02")[n % 2]
            archive.writestr(f"{n}.jpg", filled_jpeg(filler) + random.Random(n).randbytes(100_000))
    return [_form(site, "/", {"photos.zip": file.getvalue()})]


def _form(site: Site, path: str, files: dict[str, bytes], **fields: str) -> object:
    """The status of a page's form, sent with a token."""
    connection = http.client.HTTPConnection(site.host, site.port, timeout=PATIENCE)
    connection.request("GET", "/")
    answer = connection.getresponse()
    page, cookie = answer.read().decode(), (answer.getheader("Set-Cookie") or "").partition(";")[0]
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    parts = [f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()]
    body = "".join(parts).encode()
    body += f'--x\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token}\r\n'.encode()
    for name, data in files.items():
        head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Cookie": cookie, "Accept": "application/json"}
    try:
        connection.request("POST", path, body + b"--x--\r\n", headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


# Starvation from one address


def _hold(site: Site, count: int, sent: bytes, seconds: float) -> Answers:
    """Keep so many connections open on which this was sent, and open each again when it is closed."""
    ends, answers = time.monotonic() + seconds, Counter[str]()
    lock = threading.Lock()

    def hold(_: int) -> None:
        while (left := ends - time.monotonic()) > 0:
            first = ""
            with contextlib.suppress(OSError), site.connect() as connection:
                connection.settimeout(left)
                connection.sendall(sent)
                while piece := connection.recv(4096):
                    first = first or piece.partition(b"\r\n")[0].decode()
            with lock:
                answers[first or "closed"] += 1
            time.sleep(0.2)

    _at_once(count, hold, threads=count)
    return [f"{answer} x {times}" for answer, times in answers.most_common(3)]


def half_heads(site: Site) -> Answers:
    """40 heads that are never finished, again and again."""
    return _hold(site, 40, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-", 20)


def silent(site: Site) -> Answers:
    """600 connections on which nothing is sent."""
    return _hold(site, 600, b"", 12)


def stalled_uploads(site: Site) -> Answers:
    """32 uploads that stop in the middle."""
    head = b"POST /api/v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\nContent-Length: 99999\r\n\r\n"
    return _hold(site, 32, head + b"x" * 1000, 40)


def waiting(site: Site) -> Answers:
    """Event streams and requests that wait, and what others who wait are told."""
    run = [_slow_run(site) for _ in range(16)][-1]
    stream = f"GET /api/v1/runs/{run}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    held = []
    for _ in range(12):
        connection = site.connect()
        connection.sendall(stream)
        held.append(connection)
    waits = [threading.Thread(target=_slow_run, args=(site, "?wait=20")) for _ in range(12)]
    for thread in waits:
        thread.start()
    time.sleep(2)
    told = []
    for method, path, body in (
        ("GET", f"/api/v1/runs/{run}/events", None),
        ("POST", "/classify", _noise(400)),
    ):
        connection = http.client.HTTPConnection(
            site.host, site.port, timeout=PATIENCE, source_address=(OTHER_CALLER, 0)
        )
        connection.request(method, path, body, {"Content-Type": "image/jpeg"})
        told.append(f"another {method} {path.rpartition('/')[2]}: {connection.getresponse().status}")
        connection.close()
    for thread in waits:
        thread.join()
    for connection in held:
        connection.close()
    return told


def _noise(width: int) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(secrets.randbits(32)).integers(0, 255, (240, width, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=60)
    return file.getvalue()


def _slow_run(site: Site, query: str = "") -> str:
    """The id of a run that takes a while: the light analyzers are slow for this width."""
    answer = site.send("POST", f"/api/v1/runs{query}", _noise(333), Content_Type="image/jpeg")[1]
    return str(json.loads(answer)["id"])


# Rates, lists, webhooks


def guesses(site: Site) -> Answers:
    """700 guesses of ADMIN_KEY."""
    statuses = _at_once(700, lambda n: site.send("POST", "/log", b"", Authorization=f"Bearer guess{n}")[0], threads=8)
    return [f"{status} x {count}" for status, count in Counter(statuses).most_common()]


def class_names(site: Site) -> Answers:
    """A class name of 2 MB, and 200,000 names."""
    answers = []
    for classes in (["x" * 2 * MB], [f"n{n}" for n in range(200_000)]):
        body = json.dumps({"image": "eA==", "classes": classes}).encode()
        answers.append(_json(site, "/api/v1/runs", body))
    return answers


def webhooks(site: Site) -> Answers:
    """40 webhooks to a receiver that never answers, and one to another: how long that takes."""
    arrived = threading.Event()

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            arrived.set()

        def log_message(self, *_: Any) -> None:
            pass

    def announce(receiver: str) -> None:
        address = f"http://{receiver}:{site.receiver}/"
        site.send("POST", f"/api/v1/runs?webhook={address}", _noise(200), Content_Type="image/jpeg")

    silent_one = socket.create_server((OTHER_CALLER, site.receiver))
    other = http.server.ThreadingHTTPServer(("127.0.0.3", site.receiver), Receiver)
    with silent_one, other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        for _ in range(40):
            announce(OTHER_CALLER)
        began = time.monotonic()
        announce("127.0.0.3")
        came = arrived.wait(90)
        other.shutdown()
    return [f"another's webhook after {time.monotonic() - began:.1f} s" if came else "another's webhook never came"]


def _at_once(count: int, ask: Callable[[int], Any], threads: int = 0) -> list[Any]:
    """The results of `ask(0)` to `ask(count - 1)`, in threads."""
    results: list[Any] = [None] * count
    numbers, lock = iter(range(count)), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            results[number] = ask(number)

    workers = [threading.Thread(target=work) for _ in range(threads or count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


ATTACKS: tuple[Attack, ...] = (
    *(json_lists, json_lists_four, json_image, json_unknown, json_drawing),
    *(exports, renders, renders_read),
    *(webp, jpeg_fill, jpeg_segments, zipped),
    *(half_heads, silent, stalled_uploads, waiting),
    *(guesses, class_names, webhooks),
)
COLUMNS = ("seconds", "web MB", "worker MB", "CPU s", "healthz s", "page s", "temporary MB")


def play(site: Site, attack: Attack) -> None:
    """Play one attack and print its line."""
    watch = Watch(site)
    with watch.watching() as numbers:
        answers = attack(site)
    cells = "".join(f"{numbers[name]:>13.{2 if name.endswith(' s') else 0}f}" for name in COLUMNS)
    told = Counter(map(str, answers))
    print(
        f"{attack.__name__:<17}{cells}  {'; '.join(f'{t} x {n}' if n > 1 else t for t, n in told.items())}", flush=True
    )


def main() -> None:
    """Play the attacks that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench.attack", description=__doc__.partition("\n")[0])
    known = [attack.__name__ for attack in ATTACKS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    wanted = parser.parse_args().names
    if unknown := set(wanted) - set(known):
        parser.error(f"there is no {', '.join(unknown)}")
    print(f"{'attack':<17}{''.join(f'{name:>13}' for name in COLUMNS)}  what the attacker was told", flush=True)
    animated_webp()  # Before anything is measured: making it keeps this process busy.
    receiver = free_port()
    allowed = f"{OTHER_CALLER}:{receiver},127.0.0.3:{receiver}"
    settings = {"ADMIN_KEY": secrets.token_hex(16), "WEBHOOK_ALLOWED_NETWORKS": allowed}
    with tempfile.TemporaryDirectory() as folder:
        for attack in ATTACKS:
            if wanted and attack.__name__ not in wanted:
                continue
            # Each with a service of its own: none pays for another, and no limit is used up.
            data = Path(folder) / attack.__name__
            with serving(data, "--analyzers", LIGHT, **settings) as (address, launcher):
                host, _, port = address.removeprefix("http://").partition(":")
                play(Site(host, int(port), launcher, data, receiver), attack)


if __name__ == "__main__":
    main()
