"""Converts colours of a wide gamut, as phones (Display P3) and cameras (Adobe RGB) write them, to sRGB."""

import itertools
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

from app.intake.pixels import BAND

# Profiles of three colorants and three curves have a few kilobytes, with a curve of 4,096 points each about 25.
MAX_PROFILE = 64 * 1024
# Maximum change of a sample by a profile that counts as sRGB: its rounding.
_ROUNDING = 3
# Named in the header (ICC.1:2010, section 7.2): the colour space of the samples and the one that they are brought to.
_RGB_BY_MATRIX = b"RGB XYZ "
_TRANSFORM_ERRORS = (ImageCms.PyCMSError, OSError, TypeError, ValueError)


def to_srgb(rgb: np.ndarray, profile: bytes | None) -> np.ndarray:
    """Convert pixels to sRGB, in place if they are writable.

    Only profiles of colorants and curves are applied, as cameras and screens have them. Others could hold tables of any
    size; with them, as with damaged ones, the pixels stay unchanged.

    rgb: (H, W, 3) uint8, in the colours of an ICC profile; None stands for sRGB.
    """
    if not profile or len(profile) > MAX_PROFILE or profile[16:24] != _RGB_BY_MATRIX or b"A2B0" in profile[:1024]:
        return rgb
    try:
        transform = _transform(profile)
        if _changes_little(transform):
            return rgb
        rgb = rgb if rgb.flags.writeable else rgb.copy()
        for top in range(0, len(rgb), BAND):
            rgb[top : top + BAND] = _converted(rgb[top : top + BAND], transform)
    except _TRANSFORM_ERRORS:
        return rgb
    return rgb


def _transform(profile: bytes) -> ImageCms.ImageCmsTransform:
    source, target = ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(source, target, "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)


def _converted(rows: np.ndarray, transform: ImageCms.ImageCmsTransform) -> np.ndarray:
    image = Image.fromarray(rows)
    ImageCms.applyTransform(image, transform, inPlace=True)
    return np.asarray(image)


def _changes_little(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether a profile is one of the many spellings of sRGB."""
    cube = np.array([list(itertools.product(range(0, 256, 51), repeat=3))], np.uint8)
    return bool(np.abs(_converted(cube, transform).astype(int) - cube).max() <= _ROUNDING)
