"""A config is known by its text and that of all that it is based on."""

from pathlib import Path

import pytest

from app.vision.catalogue.config_text import digest, texts


@pytest.mark.parametrize("bases", ["'base.py'", '["base.py", "missing.py"]', "[\n    'base.py',\n]"])
def test_a_config_has_the_texts_of_its_bases(tmp_path: Path, bases: str) -> None:
    (tmp_path / "base.py").write_text("scale = 1")
    (tmp_path / "mine.py").write_text(f"_base_ = {bases}\n")
    assert texts(tmp_path / "mine.py") == (f"_base_ = {bases}\n", "scale = 1")


def test_another_base_makes_another_digest(tmp_path: Path) -> None:
    digests = set()
    for scale in (1, 2):
        folder = tmp_path / str(scale)
        folder.mkdir()
        (folder / "base.py").write_text(f"scale = {scale}")
        (folder / "mine.py").write_text("_base_ = 'base.py'")
        digests.add(digest(folder / "mine.py"))
    assert len(digests) == 2
