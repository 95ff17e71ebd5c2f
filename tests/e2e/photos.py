"""Photos on disk for the browser to send; each is new to the service."""

import itertools
import random
import zipfile
from pathlib import Path

from PIL import Image

from tests.e2e.light import SLOW_SIDE

_numbers = itertools.count(random.randrange(10**6))


def photo(folder: Path, name: str = "street.jpg", *, slow: bool = False, width: int = 640) -> Path:
    """A photo of coloured bars."""
    n = next(_numbers)
    image = Image.effect_mandelbrot((640, 420), (-2.2, -1.4, 0.9, 1.4), 20).convert("RGB")
    image.paste(((n * 53) % 256, (n * 97) % 256, n % 256), (0, 0, 80, 80))
    if slow:
        image = image.resize((SLOW_SIDE, 220))
    elif width != image.width:
        image = image.resize((width, width * image.height // image.width))
    image.save(folder / name, quality=90)
    return folder / name


def blank(folder: Path) -> Path:
    """A photo of one colour, in which nothing sure is found."""
    n = next(_numbers)
    Image.new("RGB", (640, 420), (n % 256, (n * 7) % 256, 90)).save(folder / "blank.png")
    return folder / "blank.png"


def archive(folder: Path, *files: Path) -> Path:
    """A ZIP of files."""
    with zipfile.ZipFile(folder / "photos.zip", "w") as made:
        for file in files:
            made.write(file, file.name)
    return folder / "photos.zip"


def labelled_zip(folder: Path) -> Path:
    """A ZIP of three photos with labels in YOLO's form."""
    with zipfile.ZipFile(folder / "labelled.zip", "w") as made:
        made.writestr("classes.txt", "wood screw\nnail\n")
        for number in range(3):
            name = f"{number}.jpg"
            made.write(photo(folder, name), name)
            made.writestr(f"{number}.txt", "0 0.5 0.5 0.25 0.4\n1 0.2 0.3 0.2 0.2\n")
    return folder / "labelled.zip"
