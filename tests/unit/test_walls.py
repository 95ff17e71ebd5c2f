"""The two walls of the house: the web process without torch, vision without Flask, Redis and database."""

import ast
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from scripts.architecture import imports
from tests.conftest import ROOT

VISION = ROOT / "app" / "vision"
TORCH = {"torch", "torchvision", "mmcv", "mmdet", "facenet_pytorch", "efficientnet_lite_pytorch"}
SERVING = {"flask", "werkzeug", "redis", "rq", "sqlalchemy", "alembic", "gunicorn", "boto3"}
# What takes memory and few requests need: HTTP clients, S3, migrations, YAML, engines, image formats.
RARE = {"httpx", "httpcore", "rich", "pygments", "valkey", "boto3", "botocore", "alembic", "psycopg", "yaml", "tqdm"}
RARE |= {"openvino", "onnx", "pypdfium2", "rawpy", "pi_heif", "zxingcpp", "scipy", "matplotlib"}
WEB_ROOMS = ("web", "intake", "store", "queue", "cli", "sketch/web")
# What vision knows nothing of.
ABOVE_VISION = {f"app.{room}" for room in ("web", "store", "queue", "worker", "cli", "client", "sketch")}


def modules(folder: Path) -> list[str]:
    """Dotted names of all modules in a folder of the project; migrations are not imported, they are run."""
    paths = sorted(path.relative_to(ROOT).with_suffix("") for path in folder.rglob("*.py"))
    return [".".join(path.parts).removesuffix(".__init__") for path in paths if "migrations" not in path.parts]


def loaded_by(code: str, names: Collection[str] = ()) -> set[str]:
    """Modules, and the packages they are in, that a fresh interpreter loads by the code and by importing these."""
    script = f"import importlib, sys\n{code}\nfor name in {list(names)}:\n    importlib.import_module(name)\n"
    ran = subprocess.run(
        [sys.executable, "-c", script + "print(*sys.modules)"], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    loaded = ran.stdout.split()
    return {*loaded, *(name.partition(".")[0] for name in loaded)}


def needs_torch(path: Path) -> bool:
    """Whether a file says so at its top, outside functions."""
    top = ast.parse(path.read_text()).body
    names = [a.name for node in top if isinstance(node, ast.Import) for a in node.names]
    names += [node.module or "" for node in top if isinstance(node, ast.ImportFrom)]
    return any(name.partition(".")[0] in TORCH for name in names)


def test_no_room_of_the_web_process_loads_torch() -> None:
    names = [name for room in WEB_ROOMS for name in modules(ROOT / "app" / room)]
    served = [name for name in names if not name.startswith("app.sketch.training")]
    assert not loaded_by("", served) & TORCH


def test_a_whole_web_process_has_no_torch(tmp_path: Path) -> None:
    environment = f"import os; os.environ.update(DATA_DIR={str(tmp_path)!r}, REDIS_URL='redis://127.0.0.1:1/0')"
    assert not loaded_by(f"{environment}\nfrom app import create_app\ncreate_app()") & TORCH


def test_a_web_process_loads_what_is_rare_when_it_is_needed(tmp_path: Path) -> None:
    environment = f"import os; os.environ.update(DATA_DIR={str(tmp_path)!r}, REDIS_URL='redis://127.0.0.1:1/0')"
    loaded = loaded_by(f"{environment}\nfrom app import create_app\ncreate_app()")
    assert "flask" in loaded
    assert not loaded & RARE


def test_what_vision_offers_the_web_process_has_no_torch() -> None:
    offered = (
        "results",
        "masks",
        "view",
        "render.palette",
        "render.picture",
        "render.overlay",
        "export",
        "coco",
        "catalogue.models",
    )
    assert not loaded_by("", [f"app.vision.{name}" for name in offered]) & (TORCH | SERVING)


def test_intake_knows_no_web_server() -> None:
    assert not loaded_by("", modules(ROOT / "app" / "intake")) & (SERVING | TORCH)


@pytest.mark.parametrize("path", sorted(VISION.rglob("*.py")), ids=lambda path: str(path.relative_to(VISION)))
def test_no_file_of_vision_imports_what_serves(path: Path) -> None:
    for name in imports(ast.parse(path.read_text())):
        assert name.partition(".")[0] not in SERVING
        assert not any(name == room or name.startswith(f"{room}.") for room in ABOVE_VISION), name


def test_vision_without_torch_loads_nothing_that_serves() -> None:
    light = [path.relative_to(ROOT).with_suffix("") for path in VISION.rglob("*.py") if not needs_torch(path)]
    names = [".".join(path.parts).removesuffix(".__init__") for path in light]
    assert len(names) > 10
    assert not loaded_by("", names) & (SERVING | ABOVE_VISION)
