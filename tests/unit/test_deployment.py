"""What goes into an image, and what Heroku is told."""

import re

import yaml

from tests.conftest import ROOT


def checkpoints(file: str) -> list[str]:
    """The lines of an ignore file on the folder of weights."""
    lines = [line.replace("/checkpoints", "checkpoints") for line in (ROOT / file).read_text().splitlines()]
    return [line for line in lines if line.removeprefix("!").startswith("checkpoints")]


def test_an_image_gets_the_checkpoints_that_git_keeps_and_no_other() -> None:
    assert checkpoints(".dockerignore") == checkpoints(".gitignore")
    assert checkpoints(".gitignore")[0] == "checkpoints/*"


def test_the_commands_for_heroku_set_what_its_manifest_sets() -> None:
    text = (ROOT / "heroku.yml").read_text()
    setup = yaml.safe_load(text)["setup"]
    made = re.findall(r"^#   heroku addons:create (\S+)", text, re.MULTILINE)
    commands = " ".join(re.findall(r"^#   heroku config:set .*", text, re.MULTILINE))
    given = re.findall(r" ([A-Z_]+)=(\S+)", commands)
    assert made == [addon["plan"] for addon in setup["addons"]]
    assert setup["config"].items() <= dict(given).items()
