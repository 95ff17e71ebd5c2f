"""Changed uploads and made-up requests against a live service of its own, for a while; seeds are printed.

Run as `python -m bench.fuzz --minutes 30 [--seed N]`. Every upload is made from its seed alone. Whatever is sent, an
answer must come, be no error of the service (503 with Retry-After counts as an answer), and leave the processes alive.
`schemathesis` attacks the API by its OpenAPI file beside it, with seeds of its own.
"""

import argparse
import base64
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from app.config.settings import ROOT
from bench.attack import LIGHT, animated_webp
from bench.attacked import Site, Watch
from bench.service import serving

SETTINGS = {
    "RATE_LIMIT": "",
    "RENDER_LIMIT": "",
    "QUEUE_MAX": "100000",
    "RETENTION_DAYS": "0.01",
    "UPLOAD_TIMEOUT": "5",
}
SENDERS = 2
MAX_SEED_FILE = 300_000  # bytes, so that many are tried
NUMBERS = (b"\0", b"\xff", b"\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x80\0\0\0")


def corpus() -> list[bytes]:
    """Photos of every kind that the repository has, and archives of them."""
    folders = (ROOT / "tests" / "fixtures" / "photos", ROOT / "test_images", ROOT / "tests" / "fixtures")
    files = [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]
    found = [path.read_bytes() for path in files if path.stat().st_size < MAX_SEED_FILE and path.suffix != ".py"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for place, data in enumerate(found[:6]):
            target.writestr(f"folder/{place}.jpg", data)
    return [*found, archive.getvalue(), animated_webp()]


def changed(data: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """A file with a few faults: bytes changed, cut out, doubled, or taken from another file."""
    file = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = rng.randrange(min(len(file), rng.choice((64, 1024, len(file))))) if file else 0
        length = rng.choice((1, 4, 64, 4096))
        match rng.randrange(6):
            case 0:
                file[place : place + 1] = rng.randbytes(1)
            case 1:
                file[place : place + 4] = rng.choice(NUMBERS)
            case 2:
                del file[place : place + length]
            case 3:
                file[place:place] = file[place : place + length] * rng.choice((1, 2, 100))
            case 4:
                other = rng.choice(others)
                start = rng.randrange(len(other))
                file[place : place + length] = other[start : start + length]
            case 5:
                del file[rng.randrange(len(file) + 1) :]
    return bytes(file)


def request(seed: int, files: list[bytes]) -> tuple[str, bytes, str]:
    """Address, body and media type of the upload that a seed makes."""
    rng = random.Random(seed)
    data = changed(rng.choice(files), rng, files)
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + data + b"\r\n--x--\r\n"
    text = json.dumps({"image": base64.b64encode(data).decode()}).encode()
    listed = json.dumps({"name": "a.jpg", "Uint8array": base64.b64encode(data).decode()}).encode()
    kinds: list[tuple[str, bytes, str]] = [
        ("/api/v1/runs", data, "application/octet-stream"),
        ("/api/v1/runs", form, "multipart/form-data; boundary=x"),
        ("/api/v1/runs", changed(form, rng, files), "multipart/form-data; boundary=x"),
        ("/api/v1/runs", text, "application/json"),
        ("/api/v1/runs", changed(text, rng, files), "application/json"),
        ("/api/v1/drawings", data, "image/png"),
        ("/classify?wait=1", data, "image/jpeg"),
        ("/image", listed, "application/json"),
    ]
    return rng.choice(kinds)


def send(site: Site, seed: int, files: list[bytes]) -> str:
    """The status of an upload, or what is wrong with it."""
    address, body, kind = request(seed, files)
    status, answer = site.send("POST", address, body, timeout=90, Content_Type=kind)
    wrong = status == 0 or (status >= 500 and status != 503 and b"analysis-failed" not in answer)
    return f"WRONG {status} at {address} with seed {seed}: {answer[:200]!r}" if wrong else str(status)


def run(site: Site, files: list[bytes], until: float, first_seed: int) -> Counter[str]:
    """Send uploads from several threads until then; counts of what came back, where it is wrong with its seed."""
    seen, lock = Counter[str](), threading.Lock()
    seeds = iter(range(first_seed, first_seed + 10**9))

    def work() -> None:
        while time.monotonic() < until:
            with lock:
                seed = next(seeds)
            outcome = send(site, seed, files)
            if outcome.startswith("WRONG"):
                print(outcome, flush=True)
            with lock:
                seen[outcome] += 1

    _together([work] * SENDERS)
    print(f"uploads with seeds {first_seed} to {next(seeds) - 1}: {dict(seen.most_common())}", flush=True)
    return seen


def attack_api(site: Site, until: float, first_seed: int) -> list[int]:
    """Run schemathesis with one seed after the other until then; the seeds that found something."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "run"]
    command += [f"http://{site.host}:{site.port}/api/v1/openapi.json", "--checks", "not_a_server_error"]
    command += ["--max-examples", "40", "--request-timeout", "90", "--exclude-operation-id", "getEvents"]
    found, seed = [], first_seed
    while time.monotonic() < until:
        left = str(max(1, int(until - time.monotonic())))
        done = subprocess.run(
            [*command, "--seed", str(seed), "--max-time", left], capture_output=True, text=True, cwd=ROOT, check=False
        )
        print(f"schemathesis with seed {seed}: {'nothing' if done.returncode == 0 else 'found'}", flush=True)
        if done.returncode:
            print(done.stdout[-4000:], done.stderr[-1000:], flush=True)
            found.append(seed)
        seed += 1
    return found


def _together(functions: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Fuzz for as long as the command line says; exit with 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    print(f"first seed {options.seed}", flush=True)
    os.nice(10)
    files = corpus()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with serving(data, "--analyzers", LIGHT, **SETTINGS) as (address, launcher):
            host, _, port = address.removeprefix("http://").partition(":")
            site = Site(host, int(port), launcher, data, 0)
            watch = Watch(site)
            processes = watch.of("web"), watch.of("worker")
            until = time.monotonic() + 60 * options.minutes
            seen: Counter[str] = Counter()
            found: list[int] = []
            with watch.watching() as numbers:
                uploads = lambda: seen.update(run(site, files, until, options.seed))  # noqa: E731
                _together([uploads, lambda: found.extend(attack_api(site, until, options.seed))])
            alive = processes == (watch.of("web"), watch.of("worker"))
    print(f"processes {'stayed' if alive else 'were restarted'}; {numbers}", flush=True)
    sys.exit(0 if alive and not found and not any(name.startswith("WRONG") for name in seen) else 1)


if __name__ == "__main__":
    main()
