"""How large a photo may be."""

from app.errors import BrokenPhoto, TooManyPixels

# libjpeg writes sides of up to 65,500 pixels: a longer photo could not be shown as JPEG again.
MAX_SIDE = 65_500


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Judge a photo by its size in pixels. Raises TooManyPixels; BrokenPhoto for none at all."""
    if width < 1 or height < 1:
        raise BrokenPhoto()
    if width * height > max_pixels:
        size = f"{width:,} x {height:,}"
        raise TooManyPixels(f"This photo has {size} pixels; the maximum is {max_pixels / 1e6:g} million.")
    if max(width, height) > MAX_SIDE:
        raise TooManyPixels(f"This photo is longer than {MAX_SIDE:,} pixels on one side, the maximum.")
