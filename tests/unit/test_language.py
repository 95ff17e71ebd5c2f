"""Words that the code and its documents no longer use, because the field has another for each (see the glossary)."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDERS = ("app", "bench", "docs", "scripts", "tests")
SUFFIXES = (".py", ".md", ".html", ".js")
# The words, as a pattern, and what to write instead.
WORDS = {
    r"make_room|check_room|WaitingRoom": "check_capacity, ThreadSlots",
    r"class Found|class Shown": "the name of what was found, such as Detections",
    r"bury_orphans|\bprint_\b|AROUND_MB|face_photo|label_photo": "reap_orphans, fingerprint, or a noun of the glossary",
    r"\b_?(MOST|LEAST|LONGEST)_\w+|\bleast_\w+|\bat_(least|most)=": "MAX_, MIN_, minimum, maximum",
    r"gone on with|theirs above all|nothing to give|gave none|answers none": "a sentence in its usual order",
    r"is no folder|is no file\b": "is not a folder",
    r"\b(in|at) hand\b": "current",
    r"\banew\b": "again",
    r"\bupkeep\b": "maintenance",
    r"put off": "postponed",
}


def documents() -> list[Path]:
    """The files of the project that people read, but for this one and third-party code."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    own = [path for path in files if path != Path(__file__) and "__pycache__" not in path.parts]
    return [*own, ROOT / "worker.py", *ROOT.glob("*.md")]


@pytest.mark.parametrize("pattern", WORDS)
def test_no_document_has_a_word_that_was_given_up(pattern: str) -> None:
    word = re.compile(pattern)
    lines = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in documents()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if word.search(line)
    ]
    assert not lines, f"write {WORDS[pattern]}"
