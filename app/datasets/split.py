"""Which photos of a data set are for training and which for validation.

The split is fixed: a photo stays on its side when others are added. Near-duplicates, such as two frames of one film,
stay on one side, because a model that has learned the one is not tested by the other.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import cv2
import numpy as np

Part = Literal["train", "validation"]
PARTS: Final[tuple[Part, ...]] = ("train", "validation")
# Two photos are near-duplicates when at most this many of the 64 bits of their hashes differ. Of 600 photos of COCO the
# two most alike differ in 8; a photo and itself at half the size and quality 60, or darker, in at most 4 (150 of them).
NEAR: Final = 6
_SIDE: Final = 8


class Known(NamedTuple):
    """A photo: its SHA-256, its difference hash, and the side that it is on; None for one that is new."""

    sha256: str
    hash: int
    part: Part | None = None


def difference_hash(rgb: np.ndarray) -> int:
    """64 bits that change little with size, quality and brightness: whether each of 8 x 8 cells is darker than the next
    (https://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html). rgb: (H, W, 3) uint8."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE + 1, _SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def assign(photos: Sequence[Known], share: float, seed: int) -> dict[str, Part]:
    """The sides of the new photos, by SHA-256.

    A new photo that is near another goes where that one is. The other new ones are put in an order that depends on the
    seed and on nothing else, and fill the validation up to its share; with two photos or more each side has one.

    Args:
        photos: all of the data set; share: of the validation, 0 to 1.
    """
    sides: dict[str, Part] = {photo.sha256: photo.part for photo in photos if photo.part}
    wanted = _count(len(photos), share)
    lacking = wanted - sum(part == "validation" for part in sides.values())
    groups = [_Group(group, seed) for group in _near(photos)]
    chosen: dict[str, Part] = {}
    for group in sorted(groups, key=lambda group: group.order):
        new = [photo for photo in group.photos if photo.part is None]
        part = group.part or ("validation" if lacking > 0 and len(new) <= lacking else "train")
        lacking -= len(new) if part == "validation" else 0
        chosen |= {photo.sha256: part for photo in new}
    return chosen


class _Group:
    """Photos that are near each other. part: the side of those that are known; order: fixed by the seed."""

    def __init__(self, photos: Sequence[Known], seed: int):
        self.photos = photos
        first = min(photo.sha256 for photo in photos)
        self.order = hashlib.sha256(f"{seed}:{first}".encode()).hexdigest()
        known = [photo.part for photo in photos if photo.part]
        # New photos between two that were unlike so far: what was trained must not be validated.
        self.part: Part | None = None if not known else "train" if "train" in known else "validation"


def _count(photos: int, share: float) -> int:
    wanted = round(photos * share)
    return min(max(wanted, 1), photos - 1) if photos > 1 and 0 < share < 1 else wanted


def _near(photos: Sequence[Known]) -> list[list[Known]]:
    """The photos in groups of near-duplicates, through others too."""
    hashes = np.array([photo.hash for photo in photos], np.uint64)
    leader = list(range(len(photos)))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for i in range(len(photos)):
        distances = np.bitwise_count(hashes[i + 1 :] ^ hashes[i])
        for j in np.flatnonzero(distances <= NEAR):
            leader[find(i + 1 + int(j))] = find(i)
    groups = defaultdict(list)
    for i, photo in enumerate(photos):
        groups[find(i)].append(photo)
    return list(groups.values())
