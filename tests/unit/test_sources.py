"""Weights from more than one source: the next one is tried where one fails, and the file's hash decides."""

import logging
from pathlib import Path

import pytest

from app.config.settings import ROOT, Settings, SettingsError
from app.launch.redis_server import free_port
from app.system.s3 import signed_url
from app.vision.catalogue import transfer
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import load_catalogue
from app.vision.catalogue.sources import place, sources
from app.vision.catalogue.zoo import load_zoo
from tests.http_server import certificate, serving
from tests.unit.test_checkpoints import WEIGHTS, breaking_off, fetch, fixed, model, names, with_ranges

PATH = model().sources[0].partition(model().file)[0].partition("0/")[2] + model().file
CHANGED = WEIGHTS[:5000] + b"?" + WEIGHTS[5001:]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def at(*addresses: str) -> tuple[str, ...]:
    """The same file at several addresses."""
    return tuple(f"{address}/{PATH}" for address in addresses)


def here(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def test_a_host_that_does_not_exist_is_named_and_the_next_one_tried(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(with_ranges) as server, caplog.at_level(logging.WARNING):
        path = fetch(model(sources=at("https://weights.invalid", here(server.port))), tmp_path)
    assert path.read_bytes() == WEIGHTS
    assert caplog.messages == ["A small model: weights.invalid cannot be found; trying 127.0.0.1."]


def test_a_lapsed_certificate_is_named_and_the_next_source_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tls, _ = certificate(tmp_path, "127.0.0.1", lapsed=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    with serving(with_ranges, tls=tls) as lapsed, serving(with_ranges) as server, caplog.at_level(logging.WARNING):
        secure = f"https://127.0.0.1:{lapsed.port}"
        assert fetch(model(sources=at(secure, here(server.port))), tmp_path).read_bytes() == WEIGHTS
        assert lapsed.seen == []
    (said,) = caplog.messages
    assert "127.0.0.1 has a certificate that cannot be trusted (certificate has expired); trying 127.0.0.1." in said


@pytest.mark.parametrize("answer", [fixed(404, b"no"), fixed(200, CHANGED), fixed(200, b"<html>")])
def test_a_wrong_file_is_not_kept_and_the_next_source_starts_over(tmp_path: Path, answer: object) -> None:
    with serving(answer) as wrong, serving(with_ranges) as right:  # type: ignore[arg-type]
        path = fetch(model(sources=at(here(wrong.port), here(right.port))), tmp_path)
        assert len(wrong.seen) == 1
        assert "range" not in right.seen[0].headers
    assert path.read_bytes() == WEIGHTS
    assert names(tmp_path) == [path.name]


def test_the_next_source_goes_on_where_one_broke_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "RESUMPTIONS", 1)
    with serving(breaking_off(90_000, Accept_Ranges="bytes")) as first, serving(with_ranges) as second:
        path = fetch(model(sources=at(here(first.port), here(second.port))), tmp_path)
        assert [seen.headers.get("range") for seen in first.seen] == [None, "bytes=90000-"]
        assert [seen.headers.get("range") for seen in second.seen] == ["bytes=180000-"]
    assert path.read_bytes() == WEIGHTS


def test_pieces_of_different_files_are_replaced_by_the_whole_of_one(tmp_path: Path) -> None:
    def other(seen: object, handler: object) -> None:
        with_ranges(seen, handler, CHANGED[:100_000])  # type: ignore[arg-type]

    (tmp_path / f"{model().file}.part").write_bytes(CHANGED[:100_000])
    with serving(other) as first, serving(with_ranges) as second:
        path = fetch(model(sources=at(here(first.port), here(second.port))), tmp_path)
        assert [seen.headers.get("range") for seen in second.seen] == [None]
    assert path.read_bytes() == WEIGHTS


def test_where_all_sources_fail_one_sentence_names_each_and_the_steps_that_help(tmp_path: Path) -> None:
    port = free_port()
    with serving(fixed(404, b"no")) as server, pytest.raises(CheckpointError) as caught:
        fetch(model(sources=at("https://weights.invalid", here(server.port), here(port))), tmp_path)
    message = str(caught.value)
    assert message.startswith(
        "A small model cannot be fetched: weights.invalid cannot be found; "
        f"127.0.0.1 answered 404 Not Found for {model().file}; 127.0.0.1 cannot be reached ("
    )
    assert message.endswith(
        "); run `make weights MODEL=small` to try again, set WEIGHTS_MIRROR to where a copy is, "
        f"or put {model().file} into {tmp_path}."
    )
    assert names(tmp_path) == []


def test_mirrors_are_asked_first_for_the_path_of_the_first_source(tmp_path: Path) -> None:
    with serving(fixed(404, b"no")) as empty, serving(with_ranges) as mirror, serving(with_ranges) as origin:
        mirrors = f"{here(empty.port)}/, {here(mirror.port)}/some/where"
        fetch(model(sources=at(here(origin.port))), tmp_path, weights_mirror=mirrors)
        assert [seen.path for seen in empty.seen] == [f"/{PATH}"]
        assert [seen.path for seen in mirror.seen] == [f"/some/where/{PATH}"]
        assert origin.seen == []


def test_a_mirror_serves_every_file_of_catalogue_and_zoo() -> None:
    settings = Settings(weights_mirror="s3://bucket/weights/,/srv/weights")
    main = load_catalogue()["mask_rcnn_r50_fpn"]
    assert sources(main, settings)[:2] == [
        "s3://bucket/weights/models/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        "/srv/weights/models/maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
    ]
    for known in (*load_catalogue().values(), *load_zoo().values()):
        assert len(sources(known, settings)) == (3 if known.sources else 0)


@pytest.mark.parametrize("relative", [False, True])
def test_a_folder_is_a_mirror(tmp_path: Path, relative: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = tmp_path / "mirror of ours"
    (mirror / PATH).parent.mkdir(parents=True)
    (mirror / PATH).write_bytes(WEIGHTS)
    (tmp_path / f"{model().file}.part").write_bytes(b"of another file")
    monkeypatch.chdir("/")
    named = Path(*[".."] * len(ROOT.parts[1:]), *mirror.parts[1:]) if relative else mirror
    path = fetch(model(sources=at("https://weights.invalid")), tmp_path, weights_mirror=str(named))
    assert path.read_bytes() == WEIGHTS


def test_a_folder_without_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"{tmp_path}/mirror/models gives no {model().file} \(No such file"):
        fetch(model(sources=at("https://weights.invalid")), tmp_path, weights_mirror=str(tmp_path / "mirror"))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://user:secret@mirror.example:8443/models/a.pth", "mirror.example"),
        ("s3://bucket/models/a.pth", "s3://bucket"),
        ("/srv/weights/models/a.pth", "/srv/weights/models"),
    ],
)
def test_a_source_is_named_without_a_password(source: str, name: str) -> None:
    assert place(source) == name


def test_a_public_bucket_is_asked_without_a_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    url = signed_url("bucket", "models/a.pth", "get_object", region="eu-central-1")
    assert url == "https://bucket.s3.eu-central-1.amazonaws.com/models/a.pth"


@pytest.mark.parametrize("mirror", ["ftp://mirror.example/", "https://", "https://mirror.example/?a=1"])
def test_a_mirror_that_cannot_be_one_is_refused_at_start(mirror: str) -> None:
    with pytest.raises(SettingsError, match="WEIGHTS_MIRROR must be addresses such as"):
        Settings.from_env({"WEIGHTS_MIRROR": mirror})
