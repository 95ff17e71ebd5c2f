"""The catalogue's detectors beside each other: what a photo costs with each.

Seeded random weights of the right shapes take the place of published ones: they find a hundred objects in every photo,
the most that there can be, so that this is the slowest case for each. The detectors take turns on every photo, and what
counts is the processor's time divided by the cores, which a busy machine changes little. What is printed belongs into
`configs/models.toml`.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import openvino as ov
import torch

from app.config.settings import Settings
from app.intake import decode
from app.system.machine import cpu_count
from app.vision.analyses.engines import engine_folder
from app.vision.analyses.objects.blueprint import Blueprint
from app.vision.analyses.objects.openvino import OpenVINODetector, make
from app.vision.analyses.objects.preprocess import prepare
from app.vision.analyses.objects.result import Instances
from app.vision.catalogue.checkpoints import sha256_of
from app.vision.catalogue.models import Model, load_catalogue
from app.vision.engine.__main__ import export
from bench.arithmetic import operations
from bench.engines import PHOTOS
from tests.fixtures.torchvision_nets import random_net
from tests.fixtures.weights import write_checkpoint

ROUNDS = 4
# Of a photo of 4:3, the most common.
SIZE = (480, 640)


def measure() -> dict[str, dict[str, float]]:
    """By model: seconds (median over the photos of the least of some rounds), gflop of a photo of 4:3, objects.

    wall: seconds on the clock, in the same way.
    """
    catalogue = [model for model in load_catalogue().values() if model.analyzer == "objects"]
    photos = [decode(path.read_bytes()) for path in PHOTOS]
    with tempfile.TemporaryDirectory() as name:
        detectors = {model.name: _detector(model, Path(name), photos) for model in catalogue}
        rows: dict[str, dict[str, float]] = {
            name: {"gflop": round(_gflop(detector))} for name, detector in detectors.items()
        }
        for name, seconds in _seconds(detectors, photos).items():
            rows[name] |= seconds
    for model, row in rows.items():
        print(f"  {model}: {row}", flush=True)
    return rows


def _detector(model: Model, folder: Path, photos: list[np.ndarray]) -> OpenVINODetector:
    assert model.config is not None
    path = folder / model.file
    if model.loader == "torchvision":
        blueprint = Blueprint.read(model.config)
        assert blueprint is not None
        size = photos[0].shape[1::-1]
        inputs = [prepare(cv2.resize(photo, size), blueprint.spec.preprocessing)[0] for photo in photos]
        torch.save(random_net(model.name, torch.from_numpy(np.concatenate(inputs))).state_dict(), path)
    else:
        write_checkpoint(model.config, path, photos=photos)
    made = replace(model, sha256=sha256_of(path), size=None)
    export(made, folder)
    detector = make(made, engine_folder(made, folder), Settings())
    detector.load("cpu")
    return detector


def _seconds(detectors: dict[str, OpenVINODetector], photos: list[np.ndarray]) -> dict[str, dict[str, float]]:
    times: dict[str, np.ndarray] = {name: np.zeros((ROUNDS, len(photos), 2)) for name in detectors}
    objects: dict[str, list[int]] = {name: [] for name in detectors}
    for turn in range(ROUNDS):
        for number, photo in enumerate(photos):
            for name, detector in detectors.items():
                wall, processor = time.perf_counter(), time.process_time()
                found = detector.analyse(photo).result
                times[name][turn, number] = time.perf_counter() - wall, time.process_time() - processor
                assert isinstance(found, Instances)
                objects[name].append(len(found))
    rows = {}
    for name, counts in objects.items():
        wall, processor = np.median(times[name].min(axis=0), axis=0)
        seconds = {"seconds": round(processor / cpu_count(), 2), "wall": round(wall, 2)}
        rows[name] = {**seconds, "objects": min(counts)}
    return rows


def _gflop(detector: OpenVINODetector) -> float:
    """Multiplications and additions for one photo with a hundred objects, in thousand millions."""
    spec = detector.spec
    image, _, _ = prepare(np.zeros((*SIZE, 3), np.uint8), spec.preprocessing)
    total = operations(detector.folder / "dense.xml", image.shape)
    for name, regions in (("boxes", spec.proposals.limit), ("masks", spec.boxes.limit)):
        path = detector.folder / f"{name}.xml"
        _, *region = ov.Core().read_model(str(path)).input(0).get_partial_shape()
        total += operations(path, (regions, *(side.get_length() for side in region)))
    return total / 1e9
