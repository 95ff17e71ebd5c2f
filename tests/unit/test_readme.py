"""The README says what the program does."""

from app.settings import markdown_table
from tests.conftest import ROOT


def test_the_readme_lists_every_setting_as_it_is() -> None:
    text = (ROOT / "README.md").read_text()
    listed = text.partition("<!-- settings -->\n")[2].partition("\n<!-- /settings -->")[0]
    assert listed == markdown_table(), "run `python -m app.settings --write`"
