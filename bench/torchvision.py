"""What torchvision's own Mask R-CNN finds in photos, beside our engine with the same weights, each from file to mask.

`python -m bench.torchvision FOLDER` prints, for both models, what `bench.parity.compare` says of every object that
torchvision finds. The two differ in how they prepare a photo (torchvision interpolates floating-point values and rounds
sizes down, MMDetection interpolates whole ones and rounds sizes to the nearest) and in how they paste a mask (by whole
pixels there, by fractions here). Published weights are read from the checkpoints folder where they are; else seeded
random ones stand in, which are more sensitive to such differences than trained ones.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torchvision.models.detection import MaskRCNN

from app.config.settings import ROOT, Settings
from app.intake import decode
from app.vision import coco, masks
from app.vision.analyses.engines import engine_folder
from app.vision.analyses.objects.openvino import make
from app.vision.analyses.objects.result import Instances
from app.vision.catalogue.checkpoints import sha256_of
from app.vision.catalogue.models import load_catalogue
from app.vision.engine.__main__ import export
from bench.parity import compare
from tests.fixtures.torchvision_nets import NAMES, random_net


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.torchvision", description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of JPEG photos")
    parser.add_argument("--every", type=int, default=12, help="look at every n-th photo only")
    options = parser.parse_args(arguments)
    photos = [decode(path.read_bytes()) for path in sorted(options.photos.glob("*.jpg"))[:: options.every]]
    for name in NAMES:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps({"model": name, "photos": len(photos)} | measure(name, photos, Path(folder))), flush=True)
    return 0


def measure(name: str, photos: Sequence[np.ndarray], folder: Path) -> dict[str, object]:
    """What `compare` says of one model. photos: (H, W, 3) uint8 RGB; folder: for weights and engine."""
    model = load_catalogue()[name]
    published = ROOT / "checkpoints" / model.file
    net = random_net(name, torch.stack([as_input(photo)[:, :256, :256] for photo in photos[:4]]))
    if published.is_file():
        net.load_state_dict(torch.load(published, weights_only=True))
    torch.save(net.state_dict(), folder / model.file)
    model = replace(model, sha256=sha256_of(folder / model.file), size=None)
    export(model, folder)
    engine = make(model, engine_folder(model, folder), Settings(precision="f32"))
    engine.load("cpu")
    return {"weights": "published" if published.is_file() else "random"} | compare(
        (as_instances(net, photo), engine.analyse(photo).result)  # type: ignore[misc]
        for photo in photos
    )


def as_input(photo: np.ndarray) -> torch.Tensor:
    """(3, H, W) in 0..1, as torchvision takes a photo."""
    return torch.from_numpy(photo).permute(2, 0, 1).float() / 255


def as_instances(net: MaskRCNN, photo: np.ndarray) -> Instances:
    """What a torchvision model finds, by its own preprocessing and pasting."""
    with torch.no_grad():
        (found,) = net([as_input(photo)])
    numbers = {id: coco.CLASSES.index(name) for name, id in coco.IDS.items()}
    labels = np.array([numbers[int(id)] for id in found["labels"]], np.int64)
    pasted = tuple(masks.from_bitmap(mask[0].numpy() > 0.5) for mask in found["masks"])
    boxes, scores = found["boxes"].numpy(), found["scores"].numpy()
    return Instances(photo.shape[:2], tuple(coco.CLASSES), boxes, scores, labels, pasted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
