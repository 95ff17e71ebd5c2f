"""Photos by address, from servers of our own that the tests' guard allows."""

import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from app.errors import AddressRefused, FetchFailed, UploadTooLarge
from app.intake.address import Guard
from app.intake.fetch import MAX_REDIRECTS, fetch_photo
from tests.http_server import Seen, Server, certificate, reply, serving
from tests.unit.photos import jpeg

PHOTO = jpeg()
HERE = "127.0.0.1"


def guard_for(*allowed: str, **options: object) -> Guard:
    """A guard that knows every name as 127.0.0.1 and allows the addresses named."""
    defaults: dict = {"ports": None, "resolve": lambda host, port: [HERE]}
    return Guard(allows=lambda address: address in (allowed or (HERE,)), **{**defaults, **options})


def fetch(
    server: Server | int, path: str = "/a.jpg", *, guard: Guard | None = None, **options: float
) -> tuple[str, bytes]:
    port = server if isinstance(server, int) else server.port
    limits = {"timeout": 10, "max_bytes": 2**20, **options}
    url = f"http://photos.test:{port}{path}"
    return fetch_photo(url, timeout=limits["timeout"], max_bytes=int(limits["max_bytes"]), guard=guard or guard_for())


def photo(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
    reply(handler, body=PHOTO, Content_Type="text/plain")


def test_the_bytes_and_a_name_come_back_whatever_the_server_calls_them() -> None:
    with serving(photo) as server:
        assert fetch(server, "/dir/my%20cat.jpg?size=1") == ("my cat.jpg", PHOTO)
        assert fetch(server, "/") == ("photo", PHOTO)
        assert fetch(server, "/a/..%2f..%2fetc%2fpasswd%00") == ("passwd", PHOTO)
        seen = server.seen[0]
    assert seen.path == "/dir/my%20cat.jpg?size=1"
    assert seen.headers["host"] == f"photos.test:{server.port}"
    assert seen.headers["accept-encoding"] == "identity"
    assert "cookie" not in seen.headers
    assert "authorization" not in seen.headers


def test_the_default_guard_refuses_a_local_server_without_connecting() -> None:
    with serving(photo) as server:
        for host in (HERE, "localhost"):
            with pytest.raises(AddressRefused):
                fetch_photo(f"http://{host}:{server.port}/a.jpg", timeout=5, max_bytes=10, guard=Guard(ports=None))
        assert server.seen == []


def test_the_name_is_resolved_once_and_the_judged_address_is_the_one_connected_to() -> None:
    answers = iter([[HERE], ["127.0.0.2"], ["127.0.0.2"]])
    asked = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    with serving(photo, host=HERE) as public, serving(photo, host="127.0.0.2", port=public.port) as private:
        assert fetch(public, guard=guard_for(resolve=rebinding)) == ("a.jpg", PHOTO)
        assert asked == ["photos.test"]
        with pytest.raises(AddressRefused):
            fetch(public, guard=guard_for(resolve=rebinding))
        assert len(public.seen) == 1
        assert private.seen == []


def test_the_next_address_is_tried_where_the_first_does_not_answer() -> None:
    with serving(photo) as server:
        guard = guard_for(HERE, "127.0.0.3", resolve=lambda host, port: ["127.0.0.3", HERE])
        assert fetch(server, guard=guard)[1] == PHOTO


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int) -> None:
    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        if seen.path == "/b.jpg":
            return photo(seen, handler)
        return reply(handler, status, Location="/b.jpg")

    with serving(answer) as server:
        assert fetch(server) == ("b.jpg", PHOTO)


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2/secret",
        "http://169.254.169.254/latest/meta-data/",
        "http://2130706433/",
        "//127.0.0.2/secret",
        "http://[::1]/",
        "file:///etc/passwd",
        "ftp://photos.test/a.jpg",
        "http://user@photos.test/",
        "http://internal.test/",
    ],
)
def test_a_redirect_to_a_private_place_is_refused(location: str) -> None:
    names = {"photos.test": [HERE], "internal.test": ["127.0.0.2"]}
    with serving(lambda seen, handler: reply(handler, 302, Location=location)) as server:
        with pytest.raises(AddressRefused):
            fetch(server, guard=guard_for(resolve=lambda host, port: names[host]))
        assert len(server.seen) == 1


def test_a_redirect_whose_name_has_been_rebound_is_refused() -> None:
    answers = iter([[HERE], ["127.0.0.2"]])
    with serving(lambda seen, handler: reply(handler, 302, Location="/again")) as server:
        with pytest.raises(AddressRefused):
            fetch(server, guard=guard_for(resolve=lambda host, port: next(answers)))
        assert len(server.seen) == 1


def test_redirects_without_end_are_refused() -> None:
    with serving(lambda seen, handler: reply(handler, 302, Location="/again")) as server:
        with pytest.raises(FetchFailed, match="more than 5 times"):
            fetch(server)
        assert len(server.seen) == MAX_REDIRECTS + 1


def test_a_redirect_to_nowhere_is_refused() -> None:
    with serving(lambda seen, handler: reply(handler, 302)) as server, pytest.raises(FetchFailed, match="nowhere"):
        fetch(server)


@pytest.mark.parametrize("status", [204, 206, 304, 400, 401, 404, 500, 503])
def test_an_answer_other_than_200_is_refused(status: int) -> None:
    with serving(lambda seen, handler: reply(handler, status)) as server, pytest.raises(FetchFailed, match=str(status)):
        fetch(server)


def test_a_file_that_says_it_is_too_large_is_not_read() -> None:
    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(2**40))
        handler.end_headers()

    with serving(answer) as server, pytest.raises(UploadTooLarge, match="larger than 1 MB"):
        fetch(server)


def test_a_file_that_does_not_say_how_large_it_is_is_read_to_the_limit_only() -> None:
    written = []

    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(65536))
            written.append(65536)

    with serving(answer) as server, pytest.raises(UploadTooLarge):
        fetch(server)
    assert sum(written) < 64 * 2**20


def test_a_file_of_exactly_the_limit_is_taken() -> None:
    with serving(photo) as server:
        assert fetch(server, max_bytes=len(PHOTO))[1] == PHOTO
        with pytest.raises(UploadTooLarge):
            fetch(server, max_bytes=len(PHOTO) - 1)


def test_an_answer_cut_short_is_refused() -> None:
    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(PHOTO)))
        handler.end_headers()
        handler.wfile.write(PHOTO[:-10])
        handler.close_connection = True

    with serving(answer) as server, pytest.raises(FetchFailed):
        fetch(server)


@pytest.mark.parametrize("part", ["headers", "body", "nothing"])
def test_a_server_that_trickles_has_one_time_limit_for_everything(part: str) -> None:
    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        if part == "body":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        if part == "headers":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        for _ in range(200):
            time.sleep(0.02)
            if part != "nothing":
                handler.wfile.write(b"x")

    with serving(answer) as server, pytest.raises(FetchFailed, match="too long"):
        fetch(server, timeout=0.3)


def test_a_resolver_that_hangs_counts_against_the_limit() -> None:
    def hang(host: str, port: int) -> list[str]:
        time.sleep(1)
        return [HERE]

    with pytest.raises(AddressRefused):
        fetch(80, guard=guard_for(resolve=hang), timeout=0.1)


def test_nobody_listening_and_nonsense_are_refused() -> None:
    with serving(photo) as server:
        port = server.port
    with pytest.raises(FetchFailed, match="cannot be reached"):
        fetch(port)

    def nonsense(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"\0\1\2 not HTTP at all\r\n\r\n")
        handler.close_connection = True

    with serving(nonsense) as server, pytest.raises(FetchFailed):
        fetch(server)


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(photo) as server, serving(lambda seen, handler: reply(handler, 500)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert fetch(server)[1] == PHOTO
        assert proxy.seen == []


def test_tls_asks_for_the_name_and_checks_its_certificate(tmp_path: Path) -> None:
    serverside, clientside = certificate(tmp_path, "photos.test")
    asked = []
    serverside.sni_callback = lambda connection, name, context: asked.append(name)
    with serving(photo, tls=serverside) as server:
        guard = guard_for(ssl_context=clientside)
        url = f"https://photos.test:{server.port}/a.jpg"
        assert fetch_photo(url, timeout=10, max_bytes=2**20, guard=guard) == ("a.jpg", PHOTO)
        assert asked == ["photos.test"]
        assert server.seen[0].headers["host"] == f"photos.test:{server.port}"
        for other in (f"https://other.test:{server.port}/", f"https://{HERE}:{server.port}/"):
            with pytest.raises(FetchFailed):
                fetch_photo(other, timeout=10, max_bytes=2**20, guard=guard)
        with pytest.raises(FetchFailed):  # Not signed by an authority that everybody trusts.
            fetch_photo(url, timeout=10, max_bytes=2**20, guard=guard_for())
        assert len(server.seen) == 1
