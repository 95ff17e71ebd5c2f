"""Pillow's pixel modes to plain RGB, a band of rows at a time so that no second full-size copy is made."""

import numpy as np
from PIL import Image, ImageCms

BAND = 256
_DEEP = ("I", "F")
_SAMPLE_FORMAT, _UNSIGNED = 339, 1  # TIFF 6.0, section 19


def to_rgb(image: Image.Image, paper: int = 255) -> np.ndarray:
    """A loaded image of any mode as (H, W, 3) uint8 RGB: laid on grey paper, deep samples scaled to 8 bits."""
    width, height = image.size
    out = np.empty((height, width, 3), np.uint8)
    unsigned = _is_unsigned(image)
    scale = _deep_scale(image, unsigned) if image.mode.startswith(_DEEP) else 0.0
    for top in range(0, height, BAND):
        band = image.crop((0, top, width, min(top + BAND, height)))
        rows = out[top : top + BAND]
        if image.mode.startswith(_DEEP):
            rows[:] = _deep(_samples(band, unsigned), scale)[..., None]
        else:
            rows[:] = np.asarray(_flat(band, paper))
    return out


def bgra_to_rgb(bgra: np.ndarray, paper: int = 255) -> np.ndarray:
    """(H, W, 4) uint8 blue, green, red, alpha, laid on grey paper: (H, W, 3) uint8 RGB."""
    out = np.empty((*bgra.shape[:2], 3), np.uint8)
    for top in range(0, len(bgra), BAND):
        band = bgra[top : top + BAND].astype(np.uint16)
        alpha = band[..., 3:]
        out[top : top + BAND] = (band[..., 2::-1] * alpha + paper * (255 - alpha) + 127) // 255
    return out


def _flat(band: Image.Image, paper: int) -> Image.Image:
    if band.mode == "RGB" and "transparency" not in band.info:
        return band
    if band.mode == "LAB":
        return ImageCms.applyTransform(band, _lab_to_srgb()) or band
    if not band.has_transparency_data:
        return band.convert("RGB")
    layer = band.convert("RGBA")
    page = Image.new("RGB", band.size, (paper, paper, paper))
    page.paste(layer, mask=layer.getchannel("A"))
    return page


def _lab_to_srgb() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def _is_unsigned(image: Image.Image) -> bool:
    """Whether 32-bit samples, which Pillow always reads as signed, are unsigned."""
    tags = getattr(image, "tag_v2", {})
    return image.mode == "I" and bool(tags) and tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0] == _UNSIGNED


def _deep_scale(image: Image.Image, unsigned: bool) -> float:
    """The factor that scales samples of a deep image (16 or 32 bits, or floating point) to 0..255.

    A TIFF has its number of bits; for 32-bit and floating-point files the largest sample decides.
    """
    bits = getattr(image, "tag_v2", {}).get(258, (16,))[0]
    if image.mode.startswith("I;16"):
        return 255.0 / ((1 << bits) - 1) if 8 < bits <= 16 else 255.0 / 65535.0
    largest = float(max((_samples(band, unsigned).max() for band in _bands(image)), default=0.0))
    for limit in (1.0,) if image.mode == "F" else ():
        if largest <= limit:
            return 255.0 / limit
    return 255.0 / (255.0 if largest <= 255.0 else 65535.0 if largest <= 65535.0 else largest)


def _bands(image: Image.Image) -> list[Image.Image]:
    width, height = image.size
    tops = range(0, height, BAND)
    return [image.crop((0, top, width, min(top + BAND, height))) for top in tops]


def _samples(band: Image.Image, unsigned: bool) -> np.ndarray:
    samples = np.asarray(band)
    samples = samples.view(np.uint32) if unsigned else samples
    return np.nan_to_num(samples.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _deep(samples: np.ndarray, scale: float) -> np.ndarray:
    scaled: np.ndarray = np.clip(samples * np.float32(scale) + np.float32(0.5), 0, 255)
    return scaled.astype(np.uint8)
