"""Configs of model folders: values alone, or refused without being run."""

import re
from pathlib import Path

import pytest

from app.vision.catalogue.models import CONFIGS
from app.vision.catalogue.plain_config import NotPlain, check_plain

PLAIN = """
norm = dict(requires_grad=False)
model = dict(type='MaskRCNN', backbone=dict(norm_cfg=dict(type='BN', **norm)), sizes=[(800, 1333)], mean=-1.5, x=None)
data = {'test': dict(pipeline=[dict(type='LoadImageFromFile')])}
"""


def check(folder: Path, text: str) -> None:
    config = folder / "a.py"
    config.write_text(text)
    check_plain(config)


def test_values_alone_are_plain(tmp_path: Path) -> None:
    check(tmp_path, PLAIN)


def test_the_modules_that_our_configs_import_are_plain(tmp_path: Path) -> None:
    ours = [re.findall(r"^custom_imports = .*$", file.read_text(), re.MULTILINE) for file in CONFIGS.glob("*.py")]
    lines = {line for found in ours for line in found}
    assert lines
    for line in lines:
        check(tmp_path, f"{PLAIN}{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "custom_imports = dict(imports=['evil'])",
        "custom_imports = dict(imports=['evil'], allow_failed_imports=False)",
        "custom_imports = dict(imports=['app.vision.backbones.efficientnet_lite', 'evil'], allow_failed_imports=False)",
        "x = dict(custom_imports=dict(imports=['evil']))",
        "x = {'custom_imports': 1}",
        "_base_ = ['other.py']",
        "x = open('/etc/passwd')",
        "x = dict.__class__",
        "x = [y for y in ()]",
        "x = (lambda: 1)()",
        "x = f'{1}'",
        "x = dict(**open('/etc/passwd'))",
        "x = dict(model)",
        "print(1)",
        "def f(): pass",
        "x.y = 1",
        "x = dict(a=__import__('os').system('true'))",
        "x = 9 ** 9 ** 9",
        "x = (",
    ],
)
def test_anything_else_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(NotPlain):
        check(tmp_path, f"{PLAIN}{line}\n")


def test_a_config_that_does_more_is_refused_unrun_and_read_where_the_operator_trusts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mmdet")
    from app.vision.analyses.objects.mmdet_build import read_config
    from app.vision.catalogue.checkpoints import CheckpointError

    config = tmp_path / "a.py"
    config.write_text(f"{PLAIN}from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n")
    with pytest.raises(CheckpointError, match="TRUST_MODEL_CODE"):
        read_config(config)
    assert not (tmp_path / "ran").exists()
    monkeypatch.setenv("TRUST_MODEL_CODE", "true")
    assert read_config(config).model.type == "MaskRCNN"
    assert (tmp_path / "ran").exists()
