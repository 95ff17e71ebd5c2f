"""Pixels of HEIC photos, as phones make them. libheif is loaded with the first one."""

from io import BytesIO

import numpy as np

from app.intake.pixels import to_rgb


def pixels(data: bytes, paper: int) -> tuple[np.ndarray, bytes | None]:
    """The pixels, (H, W, 3) uint8 RGB on grey paper of 0 to 255, and the ICC profile that they are meant in.

    libheif turns them upright by the file's own rotation; an EXIF orientation repeats that and counts for nothing
    (ISO/IEC 23008-12, annex A). Raises what pi_heif raises on files that it cannot read.
    """
    import pi_heif

    # As the check of the upload reads it: what is in these is never shown, and may be damaged.
    pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False
    file = pi_heif.open_heif(BytesIO(data))
    profile = file.info.get("icc_profile")
    # A copy: pi_heif's own array ends with the file that it belongs to.
    return (np.array(file) if file.mode == "RGB" else to_rgb(file.to_pillow(), paper)), profile
