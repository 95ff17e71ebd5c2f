"""`flask models --check`: which sources have the catalogue's files now."""

import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from app import create_app
from app.cli import models as command
from app.config.settings import Settings
from app.queue.services import Services
from app.vision.catalogue.models import Model
from tests.http_server import Seen, reply, serving
from tests.unit.test_checkpoints import WEIGHTS, fixed, model

HAS_IT = fixed(200, WEIGHTS)


def checked(folder: Path, monkeypatch: pytest.MonkeyPatch, *models: Model, **settings: Any) -> Result:
    monkeypatch.setattr(command, "load_catalogue", lambda: {each.name: each for each in models})
    made = Settings(data_dir=str(folder), secret_key="k", **settings)
    return create_app(Services.from_settings(made)).test_cli_runner().invoke(args=["models", "--check"])


def test_each_source_is_asked_for_its_file_which_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(HAS_IT) as server:
        result = checked(tmp_path, monkeypatch, model(server.port, size=len(WEIGHTS)))
        assert [(seen.method, seen.path) for seen in server.seen] == [("HEAD", f"/models/{model().file}")]
    assert result.exit_code == 0
    assert result.output.splitlines()[1].split() == ["small", "127.0.0.1", "has", "it"]


def test_a_file_that_one_source_has_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mirror").mkdir()
    with serving(HAS_IT) as server:
        result = checked(tmp_path, monkeypatch, model(server.port), weights_mirror=str(tmp_path / "mirror"))
    assert result.exit_code == 0
    assert f"{tmp_path}/mirror/models gives no {model().file} (No such file or directory)" in result.output


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (fixed(404), "127.0.0.1 answered 404 Not Found for"),
        (fixed(200, Content_Type="text/html"), "127.0.0.1 answered with a web page"),
        (fixed(200, WEIGHTS[1:]), "127.0.0.1 offers 300001 bytes for"),
    ],
)
def test_a_file_that_no_source_has_is_named_and_is_the_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any, said: str
) -> None:
    with serving(answer) as server:
        result = checked(tmp_path, monkeypatch, model(server.port, size=len(WEIGHTS)))
    assert result.exit_code == 1
    assert said in result.output
    assert result.output.splitlines()[-1] == "Error: small cannot be had now; set WEIGHTS_MIRROR to where a copy is."


def test_all_sources_are_asked_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(3)

    def answer(seen: Seen, handler: BaseHTTPRequestHandler) -> None:
        together.wait(30)
        reply(handler, 200)

    with serving(answer) as server:
        result = checked(tmp_path, monkeypatch, *(model(server.port, name=f"model {n}") for n in range(3)))
    assert result.exit_code == 0
    assert result.output.count("has it") == 3


def test_models_that_come_with_the_program_have_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = checked(tmp_path, monkeypatch, model(sources=()))
    assert (result.exit_code, result.output.split()) == (0, ["NAME", "SOURCE", "ANSWER"])
