"""Pages are compressed for requests of our own pages only, so that their sizes give no secret away."""

import gzip

import pytest

from tests.unit.visitor import Visitor

OWN = {"Accept-Encoding": "gzip", "Sec-Fetch-Site": "same-origin"}


def test_our_own_pages_get_pages_compressed(visitor: Visitor) -> None:
    answer = visitor.get("/runs", headers=OWN)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"<h1>History</h1>" in gzip.decompress(answer.data)
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert {"Accept-Encoding", "Sec-Fetch-Site", "Cookie"} <= set(answer.headers["Vary"].split(", "))


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept-Encoding": "gzip"},
        {**OWN, "Sec-Fetch-Site": "cross-site"},
        {**OWN, "Sec-Fetch-Site": "same-site"},
        {**OWN, "Sec-Fetch-Site": "none"},
        {**OWN, "Accept-Encoding": "gzip;q=0"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
)
def test_nobody_else_does(visitor: Visitor, headers: dict[str, str]) -> None:
    answer = visitor.get("/runs", headers=headers)
    assert "Content-Encoding" not in answer.headers
    assert "<h1>History</h1>" in answer.text


def test_what_is_short_or_no_page_is_sent_as_it_is(visitor: Visitor) -> None:
    for address in ("/healthz", "/status"):
        assert "Content-Encoding" not in visitor.get(address, headers=OWN).headers
