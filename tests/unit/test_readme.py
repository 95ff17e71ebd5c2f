"""The README says what the program does."""

import re

from app import create_app
from app.config.settings import Settings, markdown_table
from app.queue.services import Services
from bench.tables import table
from tests.conftest import ROOT


def test_the_readme_lists_every_setting_as_it_is() -> None:
    text = (ROOT / "README.md").read_text()
    listed = text.partition("<!-- settings -->\n")[2].partition("\n<!-- /settings -->")[0]
    assert listed == markdown_table(), "run `python -m app.config.settings --write`"


def test_the_readme_names_every_flask_command_of_ours_and_no_other(settings: Settings) -> None:
    named = set(re.findall(r"`flask ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named == set(create_app(Services.from_settings(settings)).cli.commands)


def test_the_readme_says_under_its_tables_what_the_benchmark_writes_there() -> None:
    row = {"seconds": 1.0, "ready": 1.0, "peak_mb": 1.0}
    report = {"machine": "a machine", "engines": {"rows": {"MMDetection, preloaded": row}}}
    notes = [line for line in table(report).splitlines()[1:] if line and not line.startswith("|")]
    assert len(notes) == 1
    assert notes[0] in (ROOT / "README.md").read_text().splitlines()
