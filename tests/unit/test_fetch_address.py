"""Only the public web: every private place in every spelling is refused, one by one."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import AddressRefused, PublicError
from app.intake.address import Guard, is_public

PRIVATE = {
    "loopback": "127.0.0.1",
    "loopback, far end": "127.255.255.254",
    "this network": "0.0.0.0",
    "private 10": "10.0.0.1",
    "private 172": "172.16.0.1",
    "private 172, far end": "172.31.255.255",
    "private 192": "192.168.1.1",
    "carrier-grade NAT": "100.64.0.1",
    "Alibaba's metadata": "100.100.100.200",
    "link-local": "169.254.1.1",
    "cloud metadata": "169.254.169.254",
    "container metadata": "169.254.170.2",
    "Oracle's metadata": "192.0.0.192",
    "Azure's host": "168.63.129.16",
    "documentation 1": "192.0.2.1",
    "documentation 2": "198.51.100.1",
    "documentation 3": "203.0.113.1",
    "benchmarking": "198.18.0.1",
    "6to4 relay": "192.88.99.1",
    "multicast": "224.0.0.1",
    "multicast, far end": "239.255.255.250",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "loopback v6": "::1",
    "unspecified v6": "::",
    "link-local v6": "fe80::1",
    "site-local v6": "fec0::1",
    "unique local v6": "fd00::1",
    "Amazon's metadata v6": "fd00:ec2::254",
    "multicast v6": "ff02::1",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped private, in hex": "::ffff:a00:1",
    "mapped public": "::ffff:8.8.8.8",
    "compatible loopback": "::127.0.0.1",
    "6to4 of loopback": "2002:7f00:1::",
    "6to4 of public": "2002:808:808::1",
    "NAT64 of private": "64:ff9b::a00:1",
    "NAT64 of public": "64:ff9b::8.8.8.8",
    "local NAT64": "64:ff9b:1::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "ORCHID": "2001:20::1",
    "documentation v6": "2001:db8::1",
    "documentation v6, new": "3fff::1",
    "discard": "100::1",
    "segment routing": "5f00::1",
}
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1"]
PUBLIC += ["169.253.1.1", "192.0.1.1", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::200e", "2003::1"]


@pytest.mark.parametrize("address", PRIVATE.values(), ids=PRIVATE)
def test_a_private_place_is_refused_as_a_literal_and_behind_a_name(address: str) -> None:
    assert not is_public(address)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused):
        Guard().parse(f"http://{host}/photo.jpg")
    with pytest.raises(AddressRefused):
        Guard(resolve=lambda host, port: [address]).addresses("photos.example", 80, 5)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_public(address)
    host = f"[{address}]" if ":" in address else address
    assert Guard().parse(f"https://{host}/photo.jpg").host == address
    assert Guard(resolve=lambda host, port: [address]).addresses("photos.example", 80, 5) == [address]


SPELLINGS = {
    "decimal": "http://2130706433/",
    "decimal of a public address": "http://134744072/",
    "hexadecimal": "http://0x7f000001/",
    "hexadecimal parts": "http://0x7f.0x0.0x0.0x1/",
    "octal": "http://017700000001/",
    "octal parts": "http://0177.0.0.1/",
    "padded parts": "http://127.000.000.001/",
    "short, two parts": "http://127.1/",
    "short, three parts": "http://127.0.1/",
    "zero": "http://0/",
    "mixed": "http://0x7f.1/",
    "with a dot at the end": "http://127.0.0.1./",
    "metadata in decimal": "http://2852039166/latest/meta-data/",
    "full-width digits": "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    "circled digits": "http://①②⑦.⓪.⓪.①/",
    "ideographic dots": "http://127。0。0。1/",
    "percent-encoded": "http://%31%32%37.0.0.1/",
    "too large a part": "http://256.256.256.256/",
    "v6 with a zone": "http://[fe80::1%25eth0]/",
    "v6 long form": "http://[0:0:0:0:0:0:0:1]/",
    "v6 without brackets": "http://::1/",
    "v6 mapped, dotted": "http://[::ffff:127.0.0.1]/",
}


@pytest.mark.parametrize("url", SPELLINGS.values(), ids=SPELLINGS)
def test_odd_spellings_of_addresses_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        Guard(resolve=lambda host, port: ["8.8.8.8"]).parse(url)


TRICKS = {
    "file": "file:///etc/passwd",
    "ftp": "ftp://photos.example/a.jpg",
    "malformed Punycode": "http://xn--/a.jpg",
    "Punycode of no name": "http://xn--a/a.jpg",
    "gopher": "gopher://photos.example/_GET",
    "data": "data:image/png;base64,AAAA",
    "no scheme": "photos.example/a.jpg",
    "scheme-relative": "//photos.example/a.jpg",
    "no host": "http:///a.jpg",
    "empty": "",
    "user": "http://user@photos.example/",
    "user and password": "http://user:pw@photos.example/",
    "public name as user": "http://photos.example@127.0.0.1/",
    "encoded user": "http://photos.example%2f@127.0.0.1/",
    "backslash": "http://photos.example\\@127.0.0.1/",
    "space in the host": "http://photos example/",
    "line break": "http://photos.example/\r\nHost: internal",
    "null in the host": "http://photos.example\0.internal/",
    "ssh": "http://photos.example:22/",
    "redis": "http://photos.example:6379/",
    "mail": "http://photos.example:25/",
    "port zero": "http://photos.example:0/",
    "port too large": "http://photos.example:65616/",
    "port not a number": "http://photos.example:80a/",
    "too long": "http://photos.example/" + "a" * 2000,
    "too long as it is sent": "http://photos.example/" + "é" * 900,
}


@pytest.mark.parametrize("url", TRICKS.values(), ids=TRICKS)
def test_other_tricks_are_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        Guard(resolve=lambda host, port: ["8.8.8.8"]).parse(url)
    assert caught.value.status == 422
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("port", ["", ":80", ":443", ":8080", ":8443"])
def test_ports_of_the_web_are_allowed(port: str) -> None:
    assert Guard().parse(f"https://photos.example{port}/a.jpg").host == "photos.example"


def test_names_in_other_scripts_become_their_ascii_form() -> None:
    asked = []
    guard = Guard(resolve=lambda host, port: asked.append(host) or ["8.8.8.8"])  # type: ignore[func-returns-value]
    url = guard.parse("https://bücher.example/ä.jpg")
    assert url.raw_host == b"xn--bcher-kva.example"
    assert guard.addresses(url.host, 443, 5) == ["8.8.8.8"]
    assert asked == ["xn--bcher-kva.example"]


def test_one_private_address_among_public_ones_refuses_all() -> None:
    guard = Guard(resolve=lambda host, port: ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(AddressRefused):
        guard.addresses("photos.example", 80, 5)


def test_a_name_that_does_not_exist_is_refused_like_a_private_one() -> None:
    def fail(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(AddressRefused) as missing:
        Guard(resolve=fail).addresses("photos.example", 80, 5)
    with pytest.raises(AddressRefused) as private:
        Guard(resolve=lambda host, port: ["10.0.0.1"]).addresses("photos.example", 80, 5)
    assert missing.value.message == private.value.message


@pytest.mark.parametrize("name", ["localhost", "localhost.", "LOCALHOST"])
def test_localhost_by_the_systems_resolver_is_refused(name: str) -> None:
    with pytest.raises(AddressRefused):
        Guard().addresses(name, 80, 5)


@given(st.ip_addresses())
def test_what_pythons_registry_calls_private_is_never_public(address: object) -> None:
    private = getattr(address, "is_private", False) or not getattr(address, "is_global", False)
    if private or getattr(address, "is_multicast", False):
        assert not is_public(str(address))


@given(st.text(max_size=60), st.sampled_from(["", "http://", "https://", "http://[", "http://127.0.0.1", "http://a@"]))
def test_any_text_is_an_address_or_refused(text: str, start: str) -> None:
    outcome = parsed_or_error(start + text)
    if isinstance(outcome, PublicError):
        assert outcome.message.endswith(".")
    else:
        assert outcome.scheme in ("http", "https")
        assert "@" not in outcome.netloc.decode()


def parsed_or_error(url: str) -> httpx.URL | PublicError:
    try:
        return Guard().parse(url)
    except PublicError as error:
        return error
