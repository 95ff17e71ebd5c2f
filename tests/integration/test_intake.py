"""Hostile and awkward photos of other projects, each met in a process of its own kind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.intake import decode, read_photo
from tests.conftest import ROOT

# Reads every file of a folder as an upload would be, and prints a JSON line for each.
READER = """
import json, sys, time
from pathlib import Path
from app.errors import PublicError
from app.intake import decode, read_photo

for path in sorted(Path(sys.argv[1]).iterdir()):
    answer, start = {"name": path.name}, time.process_time()
    try:
        photo = read_photo(path.read_bytes(), max_bytes=16 * 2**20, max_pixels=40_000_000)
        answer["size"] = [photo.height, photo.width, 3]
        answer["shape"] = list(decode(photo.data).shape)
    except PublicError as error:
        answer["status"], answer["message"] = error.status, error.message
    answer["seconds"] = time.process_time() - start
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture(scope="module")
def answers(shared_data: Path) -> dict[str, dict]:
    """What became of each hostile file. A crash of the reader shows as a file without an answer."""
    folder = shared_data / "hostile" / "pillow"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", READER, str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert "Warning" not in done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (lines[-1:], done.stderr[-500:])
    assert len(lines) == len(list(folder.iterdir()))
    return {line["name"]: line for line in lines}


def test_every_hostile_file_is_a_photo_or_refused_with_one_sentence(answers: dict[str, dict]) -> None:
    for answer in answers.values():
        if "status" in answer:
            assert answer["status"] in (413, 415, 422), answer
            assert answer["message"].endswith("."), answer
            assert "\n" not in answer["message"], answer
        else:
            assert answer["shape"] == answer["size"], answer


def test_no_hostile_file_takes_the_processor_longer_than_a_few_seconds(answers: dict[str, dict]) -> None:
    assert max(answer["seconds"] for answer in answers.values()) < 5


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("reallybig.bmp", 413),
        ("l2rgb_read.bmp", 413),
        ("badwidth.bmp", 413),
        ("broken.png", 422),
        ("truncated_image.png", 422),
        ("shortfile.bmp", 422),
        ("zero_width.gif", 422),
        ("seek_too_large.tif", 422),
        ("readme.txt", 415),
        ("drawing.emf", 415),
        ("non_zero_bb.eps", 415),
        ("hopper.tar", 415),
        ("hopper.ppm", 415),
        ("16bit.cropped.j2k", 415),
    ],
)
def test_a_known_bad_file_gets_the_right_status(answers: dict[str, dict], name: str, status: int) -> None:
    assert answers[name].get("status") == status


def test_known_good_files_of_odd_kinds_are_read(answers: dict[str, dict]) -> None:
    odd = [
        "pil_sample_cmyk.jpg",
        "16bit.deflate.tif",
        "hopper_bigtiff.tif",
        "p_16.png",
        "no_palette.gif",
        "pal8rle.bmp",
    ]
    odd += ["tiff_strip_cmyk_jpeg.tif", "hopper_orientation_8.webp", "sugarshack_ifd_offset.mpo", "12in16bit.tif"]
    assert [name for name in odd if "shape" not in answers[name]] == []


def test_the_eight_orientations_of_one_photo_agree(shared_data: Path) -> None:
    photos = [decode((shared_data / "exif" / f"Landscape_{n}.jpg").read_bytes()) for n in range(1, 9)]
    for photo in photos[1:]:
        assert photo.shape == photos[0].shape
        assert np.abs(photo.astype(int) - photos[0]).mean() < 4


def test_g4_tiffs_of_all_orientations_agree(shared_data: Path) -> None:
    folder = shared_data / "hostile" / "pillow"
    photos = [decode(path.read_bytes()) for path in sorted(folder.glob("g4_orientation_*.tif"))]
    assert len(photos) >= 5
    assert len({photo.shape for photo in photos}) == 1
    for photo in photos[1:]:
        assert (photo != photos[0]).mean() < 0.01


MEMORY = """
import resource, sys
from pathlib import Path
from app.intake import decode, read_photo

data = Path(sys.argv[1]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_photo(data, max_bytes=2**30, max_pixels=40_000_000)
decode(data)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_a_photo_of_20_megapixels_needs_memory_for_about_two_copies(tmp_path: Path, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / f"large.{format}"
    Image.new("RGB", (5000, 4000), (90, 120, 30)).save(
        path, exif=exif, **({"compress_level": 1} if format == "png" else {})
    )
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    copies = int(done.stdout) * 1024 / (5000 * 4000 * 3)
    assert copies < 2.6
    assert read_photo(path.read_bytes(), max_bytes=2**30, max_pixels=40_000_000).width == 4000
