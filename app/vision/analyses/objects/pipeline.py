"""How a config's test pipeline prepares photos: read where `preprocess.prepare` does the same, refused elsewhere."""

from typing import Any

from app.vision.analyses.objects.spec import Preprocessing
from app.vision.engine.record import EngineError

# The steps that `prepare` repeats, in their order, with the settings that are known of each; and those that change no
# pixel of a photo that is not mirrored.
SETTINGS = {
    "LoadImageFromFile": set(),
    "MultiScaleFlipAug": {"img_scale", "flip", "flip_direction", "transforms"},
    "Resize": {"keep_ratio"},
    "Normalize": {"mean", "std", "to_rgb"},
    "Pad": {"size_divisor"},
}
HARMLESS = ("RandomFlip", "ImageToTensor", "DefaultFormatBundle", "Collect")


def preprocessing(config: Any) -> Preprocessing:
    """What the engine does to a photo for an MMDetection config.

    Raises EngineError, naming what the engine would do otherwise than MMDetection.
    """
    _, augmented, resized, normalised, padded = _steps(config.data.test.pipeline)
    if augmented.get("flip"):
        raise EngineError("A detector that looks at photos mirrored as well cannot be exported.")
    if not resized.get("keep_ratio", True):
        raise EngineError("A detector that looks at photos stretched cannot be exported.")
    scales = augmented.img_scale if isinstance(augmented.img_scale, list) else [augmented.img_scale]
    if len(scales) != 1:
        raise EngineError("A detector that looks at photos in several sizes cannot be exported.")
    mean, std = (tuple(float(v) for v in values) for values in (normalised["mean"], normalised["std"]))
    return Preprocessing(tuple(scales[0]), mean, std, bool(normalised.get("to_rgb", True)), int(padded.size_divisor))


def _steps(pipeline: Any) -> list[Any]:
    """The steps of `SETTINGS`, in that order. Raises EngineError where there are others, or with other settings."""
    flat = (step for outer in pipeline for step in (outer, *outer.get("transforms", ())))
    steps = [step for step in flat if step.type not in HARMLESS]
    kinds = [step.type for step in steps]
    if kinds != list(SETTINGS):
        raise EngineError(f"Photos prepared by {', '.join(kinds)} cannot be exported.")
    for step in steps:
        unknown = sorted(set(step) - SETTINGS[step.type] - {"type"})
        if unknown:
            raise EngineError(f"Photos prepared by {step.type} with {unknown[0]} cannot be exported.")
    return steps
