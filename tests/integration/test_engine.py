"""The OpenVINO engine answers as MMDetection does on the same weights, without torch in the process."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from app.config.settings import Settings
from app.intake import decode
from app.vision.analyses.engines import current, engine_folder
from app.vision.analyses.objects.openvino import make
from app.vision.analyses.objects.pytorch import MMDetector
from app.vision.analyses.objects.quantize import quantize
from app.vision.analyses.objects.result import Instances
from app.vision.analyses.objects.spec import EngineSpec
from app.vision.analyses.offer import analyzer
from app.vision.catalogue import zoo
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import Model, load_catalogue
from app.vision.engine.__main__ import export, main
from app.vision.engine.record import EngineError
from app.vision.results import Analysed
from bench.parity import compare
from tests.conftest import ROOT
from tests.fixtures.weights import write_entry

PHOTOS = sorted((ROOT / "test_images").glob("*.jpg"))[:2]


@pytest.fixture(scope="module")
def starter() -> Model:
    return load_catalogue()["starter"]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory, starter: Model) -> Path:
    """A folder with the starter's weights and its engine."""
    folder = tmp_path_factory.mktemp("checkpoints")
    (folder / starter.file).symlink_to(ROOT / "checkpoints" / starter.file)
    assert not current(starter, folder)
    export(starter, folder)
    return folder


def instances(analysed: Analysed) -> Instances:
    assert isinstance(analysed.result, Instances)
    return analysed.result


def test_in_f32_the_engine_finds_what_mmdetection_finds(starter: Model, checkpoints: Path) -> None:
    reference = MMDetector(starter, checkpoints / starter.file)
    engine = make(starter, engine_folder(starter, checkpoints), Settings(precision="f32"))
    reference.load("cpu")
    engine.load("cpu")
    photos = [decode(path.read_bytes()) for path in PHOTOS]
    found = compare((instances(reference.analyse(photo)), instances(engine.analyse(photo))) for photo in photos)
    assert found["instances"] > 20
    assert found["matched"] >= 0.995
    assert found["mask_iou_min"] >= 0.99


def test_the_engine_is_chosen_where_it_is_there_and_of_these_weights(checkpoints: Path) -> None:
    settings = Settings(checkpoints_dir=str(checkpoints), device="cpu")
    assert "openvino" in analyzer("objects", settings).card.version
    assert "mmdet" in analyzer("objects", Settings(checkpoints_dir=str(checkpoints), engine="mmdet")).card.version


def test_where_memory_is_too_little_for_pytorch_a_model_without_an_engine_makes_way_for_one_that_has(
    checkpoints: Path, tmp_path: Path, starter: Model
) -> None:
    (tmp_path / "engines").symlink_to(checkpoints / "engines")
    (tmp_path / starter.file).symlink_to(ROOT / "checkpoints" / starter.file)
    better = zoo.find_model("faster_rcnn_r50_fpn_1x_coco")
    (tmp_path / better.file).write_bytes(b"weights")
    settings = Settings(checkpoints_dir=str(tmp_path), device="cpu", memory_limit_mb=512)
    made = analyzer("objects", settings)
    assert (made.card.model, "openvino" in made.card.version) == ("starter", True)
    with pytest.raises(CheckpointError, match="where a worker has 512; run `make engine`"):
        analyzer("objects", replace(settings, model=better.name))


def test_an_engine_of_other_weights_is_out_of_date(starter: Model, checkpoints: Path, tmp_path: Path) -> None:
    (tmp_path / "engines").symlink_to(checkpoints / "engines")
    (tmp_path / starter.file).write_bytes(b"other weights")
    assert not current(starter, tmp_path)


def test_int8_without_its_graphs_says_how_to_make_them(starter: Model, checkpoints: Path) -> None:
    with pytest.raises(CheckpointError, match="QUANTIZE"):
        make(starter, engine_folder(starter, checkpoints), Settings(precision="int8"))


def test_the_model_that_a_training_left_gets_an_engine_beside_its_weights(
    starter: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, checkpoints = tmp_path / "trained", tmp_path / "checkpoints"
    trained.mkdir()
    checkpoints.mkdir()
    assert starter.config
    (trained / "detector.py").write_bytes(starter.config.read_bytes())
    (trained / "detector.pth").write_bytes((ROOT / "checkpoints" / starter.file).read_bytes())
    write_entry(trained, "detector")
    monkeypatch.setenv("MODEL", f"{trained}/")
    monkeypatch.setenv("CHECKPOINTS_DIR", str(checkpoints))
    assert main([]) == 0
    assert (trained / "engine" / "engine.json").is_file()
    made = analyzer("objects", Settings(model=str(trained), checkpoints_dir=str(checkpoints), device="cpu"))
    assert "openvino" in made.card.version


def test_a_config_that_cannot_be_built_is_a_reason_for_no_engine(
    starter: Model, checkpoints: Path, tmp_path: Path
) -> None:
    assert starter.config
    config = tmp_path / "odd.py"
    config.write_text(starter.config.read_text().replace("MaskRCNN", "NoSuchRCNN"))
    with pytest.raises(EngineError, match=r"its config cannot be built: .*NoSuchRCNN is not in the models registry"):
        export(replace(starter, config=config), checkpoints)
    assert current(starter, checkpoints)


def test_a_quantization_that_breaks_off_leaves_nothing(starter: Model, checkpoints: Path) -> None:
    folder = engine_folder(starter, checkpoints)
    before = {path.name for path in folder.iterdir()}
    photos = [decode(PHOTOS[0].read_bytes())]
    broken = patch("app.vision.analyses.objects.quantize._quantize", side_effect=[None, KeyboardInterrupt])
    with broken, pytest.raises(KeyboardInterrupt):
        quantize(folder, photos)
    assert {path.name for path in folder.iterdir()} == before


def test_a_folder_of_photos_that_is_not_there_is_said(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHECKPOINTS_DIR", str(checkpoints))
    assert main(["starter", "--quantize", "/no/such/folder"]) == 1
    assert "/no/such/folder is not a folder; --quantize needs photos to calibrate on." in capsys.readouterr().err


def test_a_photo_to_calibrate_on_that_cannot_be_read_is_named_and_left_out(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHECKPOINTS_DIR", str(checkpoints))
    shutil.copy(PHOTOS[0], tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"no photo")
    (tmp_path / "c.jpg").mkdir()
    with patch("app.vision.analyses.objects.quantize._quantize") as calibrate:
        assert main(["starter", "--quantize", str(tmp_path)]) == 0
        assert [len(call.args[2]) for call in calibrate.call_args_list] == [1, 1, 1]
        said = capsys.readouterr().err
        assert "b.jpg is skipped: " in said
        assert "c.jpg is skipped: " in said
        (tmp_path / "a.jpg").unlink()
        assert main(["starter", "--quantize", str(tmp_path)]) == 1
    assert "there is no photo to calibrate on that can be read." in capsys.readouterr().err


def test_a_broken_engine_is_said_with_what_to_do(starter: Model, checkpoints: Path, tmp_path: Path) -> None:
    broken = tmp_path / "engine"
    shutil.copytree(engine_folder(starter, checkpoints), broken)
    (broken / "boxes.xml").write_text("<net")
    (broken / "boxes-f32.xml").write_text("<net")
    with pytest.raises(CheckpointError, match="is broken; delete it, run `make engine`"):
        make(starter, broken, Settings()).load("cpu")


def test_with_little_memory_photos_are_looked_at_smaller_and_the_card_says_so(
    starter: Model, checkpoints: Path
) -> None:
    folder = engine_folder(starter, checkpoints)
    whole = make(starter, folder, Settings(memory_limit_mb=100_000))
    small = make(starter, folder, Settings(memory_limit_mb=300))
    assert min(small.spec.preprocessing.scale) < min(whole.spec.preprocessing.scale)
    assert "To fit into 300 MB of memory" in small.card.note
    assert "of memory" not in whole.card.note
    assert small.card.identity != whole.card.identity
    small.load("cpu")
    photos = [decode(path.read_bytes()) for path in PHOTOS]
    shapes = [instances(small.analyse(turned)).size for photo in photos for turned in (photo, photo[:200])]
    assert shapes == [turned.shape[:2] for photo in photos for turned in (photo, photo[:200])]


def test_an_edited_config_and_int8_graphs_of_other_photos_are_another_identity(
    starter: Model, checkpoints: Path, tmp_path: Path
) -> None:
    assert starter.config
    edited = replace(starter, config=tmp_path / "edited.py")
    (tmp_path / "edited.py").write_text(starter.config.read_text() + "# edited\n")
    assert (
        MMDetector(edited, checkpoints / starter.file).card.identity
        != MMDetector(starter, checkpoints / starter.file).card.identity
    )
    folder, settings = tmp_path / "engine", Settings(precision="int8")
    shutil.copytree(engine_folder(starter, checkpoints), folder)
    for name in ("dense", "boxes", "masks"):
        for suffix in ("xml", "bin"):
            shutil.copy(folder / f"{name}.{suffix}", folder / f"{name}-int8.{suffix}")
    cards = [make(starter, folder, settings).card]
    cards.append(make(starter, folder, settings).card)
    with (folder / "dense-int8.bin").open("ab") as file:
        file.write(b"calibrated on other photos")
    cards.append(make(starter, folder, settings).card)
    spec = EngineSpec.read(folder)
    replace(spec, source={**spec.source, "config": "0123456789"}).write(folder)
    cards.append(make(starter, folder, settings).card)
    first, again, *others = [card.identity for card in cards]
    assert first == again
    assert len({first, *others}) == 3


def test_a_detector_that_made_room_finds_the_same_again(starter: Model, checkpoints: Path) -> None:
    detector = make(starter, engine_folder(starter, checkpoints), Settings(memory_limit_mb=300))
    detector.load("cpu")
    photo = decode(PHOTOS[0].read_bytes())
    before = detector.analyse(photo)
    detector.release_memory()
    assert detector.analyse(photo).result.to_dict() == before.result.to_dict()


def test_serving_an_engine_imports_no_torch(checkpoints: Path) -> None:
    program = """
import sys
from pathlib import Path
from app.intake import decode
from app.config.settings import Settings
from app.vision.analyses.offer import analyzer
from app.vision.analyses.objects.result import Instances
from app.vision.results import Analysed
detector = analyzer("objects", Settings(checkpoints_dir=sys.argv[1], engine="openvino"))
detector.load("cpu")
assert len(detector.analyse(decode(Path(sys.argv[2]).read_bytes())).result)
print(sorted({"torch", "mmcv", "mmdet", "torchvision"} & set(sys.modules)))
"""
    command = [sys.executable, "-c", program, str(checkpoints), str(PHOTOS[0])]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_process_still_takes_signals_after_analyzers_were_replaced(checkpoints: Path) -> None:
    program = """
import faulthandler, gc, signal, sys
from app.config.settings import Settings
from app.vision.analyses.offer import analyzer
faulthandler.enable()
signal.signal(signal.SIGTERM, lambda *_: print("handled"))
settings = Settings(checkpoints_dir=sys.argv[1], engine="openvino")
detectors = []
for _ in range(2):
    detectors.append(analyzer("objects", settings))
    detectors[-1].load("cpu")
while detectors:
    del detectors[0]
    gc.collect()
signal.raise_signal(signal.SIGTERM)
"""
    command = [sys.executable, "-c", program, str(checkpoints)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (answer.returncode, answer.stdout.strip()) == (0, "handled")
