"""Which detector MODEL=auto serves and fetches, on a processor and on CUDA."""

from pathlib import Path

import pytest

from app.config.settings import Settings
from app.vision.analyses import offer
from app.vision.catalogue.models import load_catalogue
from app.vision.catalogue.preference import preferred
from app.vision.engine import device

OPENMMLAB = "mask_rcnn_r50_caffe_fpn_mstrain-poly_3x_coco"
CHAIN = [OPENMMLAB, "mask_rcnn_r50_fpn"]
V2 = "mask_rcnn_r50_fpn_v2"


def names(**settings: str) -> list[str]:
    return [model.name for model in preferred(Settings(**settings))]  # type: ignore[arg-type]


@pytest.fixture(params=[True, False], ids=["GPU", "no GPU"])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(device, "_may_use_cuda", lambda: request.param)
    return bool(request.param)


def test_openmmlabs_model_comes_first_then_torchvisions_and_on_cuda_the_most_accurate(gpu: bool) -> None:
    assert names() == ([V2, *CHAIN] if gpu else CHAIN)


def test_the_settings_decide_where_the_machine_leaves_a_choice(gpu: bool) -> None:
    assert names(device="cpu") == names(engine="openvino") == CHAIN
    assert names(device="cuda") == [V2, *CHAIN]


def test_the_installed_models_are_served_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offer, "installed", lambda model, folder: model.name in load_catalogue())
    served = [model.name for model in offer.choose("objects", Settings(device="cpu"))]
    assert served == [*CHAIN, V2, "starter"]
    assert offer.choose("objects", Settings(device="cuda"))[0].name == V2


def test_where_nothing_is_fetched_the_starter_answers(tmp_path: Path) -> None:
    (tmp_path / "starter.pth").touch()
    (model,) = offer.choose("objects", Settings(checkpoints_dir=str(tmp_path)))
    assert model.name == "starter"
