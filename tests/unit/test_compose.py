"""`docker-compose.yml` gives the containers what the operator sets."""

import dataclasses
import re

import pytest
import yaml

from app.config.settings import Settings
from tests.conftest import ROOT

PARTS = ("web", "worker", "trainings")
SETTINGS = {field.name.upper() for field in dataclasses.fields(Settings)}


def service(part: str) -> dict[str, object]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][part]


def environment(part: str) -> dict[str, str | None]:
    """The part's environment; a value of None is that of whoever starts it."""
    return service(part)["environment"]  # type: ignore[return-value]


@pytest.mark.parametrize("part", PARTS)
def test_every_setting_is_passed_on_and_nothing_else(part: str) -> None:
    assert {name.removesuffix("_FILE") for name in environment(part)} == SETTINGS


@pytest.mark.parametrize("part", PARTS)
def test_only_where_the_container_lives_is_decided_by_the_file(part: str) -> None:
    decided = {name for name, value in environment(part).items() if value is not None}
    assert decided == {"HOST", "PORT", "DATA_DIR", "CHECKPOINTS_DIR", "REDIS_URL_FILE"}


def test_the_operators_port_is_that_of_the_machine() -> None:
    assert environment("web")["PORT"] == "5000"
    assert service("web")["ports"] == ["${ADDRESS:-127.0.0.1}:${PORT:-5000}:5000"]


@pytest.mark.parametrize("part", ["redis", *PARTS])
def test_a_part_may_do_no_more_than_it_must(part: str) -> None:
    confined = service(part)
    assert confined["cap_drop"] == ["ALL"]
    assert confined["security_opt"] == ["no-new-privileges:true"]
    assert confined["read_only"] is True
    assert "privileged" not in confined


def test_redis_publishes_no_port_and_asks_for_a_password() -> None:
    assert "ports" not in service("redis")
    assert "--requirepass" in service("redis")["command"][-1]


def test_the_override_at_its_head_gives_both_parts_a_secret_that_a_file_may_hold() -> None:
    head = (ROOT / "docker-compose.yml").read_text().partition("\nservices:")[0]
    override = yaml.safe_load("\n".join(re.findall(r"^#  ( .*)$", head, re.MULTILINE)))
    for part in PARTS:
        [(name, path)], [key] = override["services"][part]["environment"].items(), override["services"][part]["secrets"]
        assert path == f"/run/secrets/{key}"
        assert name.removesuffix("_FILE") in {
            f.name.upper() for f in dataclasses.fields(Settings) if f.metadata["secret"]
        }
    assert list(override["secrets"]) == [key]


@pytest.mark.parametrize("part", PARTS)
def test_what_the_image_sets_is_set_alike(part: str) -> None:
    (line,) = re.findall(r"^ENV (HOST=.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    given = dict(word.split("=") for word in line.split())
    # A name without a value would take the image's away.
    assert {name: environment(part)[name] for name in given if name in SETTINGS} == {
        name: value for name, value in given.items() if name in SETTINGS
    }
