"""The colours of the style sheets, against WCAG 2.2."""

import re

import pytest

from app.config.settings import ROOT
from app.vision.render.palette import contrast

BASE = (ROOT / "app" / "static" / "css" / "base.css").read_text()
TOKEN = r"--([a-z-]+): (#[0-9a-f]{6}|#[0-9a-f]{3});"
LIGHT, DARK = (dict(re.findall(TOKEN, part)) for part in BASE.split("dark) {")[:2])


def long(colour: str) -> str:
    return colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])


@pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["bg", "card", "sunk", "tint"])
def test_what_can_be_used_has_a_border_that_is_seen(tokens: dict[str, str], ground: str) -> None:
    assert contrast(long(tokens["edge"]), long(tokens[ground])) >= 3
