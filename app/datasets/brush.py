"""Label Studio's brush masks: run lengths of a picture's four channels, as `@thi.ng/rle-pack` packs them
(https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack).

32 bits for the number of values, 5 for the bits of a value less one, four times 4 for the bits of a run's length less
one; then blocks: one bit says whether a value is repeated, two which of the four lengths, then the length less one,
then the value or the values. The last of the four channels is the mask.
"""

from typing import Final

import numpy as np

CHANNELS: Final = 4
OPAQUE: Final = 255
_WORD: Final = 8  # Bits of a value.
_LENGTHS: Final = (3, 4, 8, 16)  # Bits of a run's length, those of rle-pack's default.


def pack(mask: np.ndarray) -> list[int]:
    """A mask, (H, W) bool, as bytes."""
    pixels = mask.ravel()
    edges = np.flatnonzero(np.diff(pixels)) + 1
    starts = np.concatenate([[0], edges])
    runs = np.diff([*starts, len(pixels)]) * CHANNELS
    head = f"{len(pixels) * CHANNELS:032b}{_WORD - 1:05b}" + "".join(f"{bits - 1:04b}" for bits in _LENGTHS)
    text = head + "".join(_run(int(run), OPAQUE * bool(pixels[start])) for run, start in zip(runs, starts, strict=True))
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def unpack(packed: list[int], size: tuple[int, int]) -> np.ndarray:
    """The mask, (H, W) bool, of a photo of that size. Raises ValueError: it is broken, or of another size."""
    bits = _Bits(bytes(packed))
    count, word = bits.take(32), bits.take(5) + 1
    if count != size[0] * size[1] * CHANNELS:
        raise ValueError("has a mask of another size than the photo")
    lengths = [bits.take(4) + 1 for _ in range(4)]
    values = np.zeros(count, np.uint8)
    place = 0
    while place < count:
        repeated, length = bits.take(1), lengths[bits.take(2)]
        end = place + bits.take(length) + 1
        if end > count:
            raise ValueError("has a broken mask")
        if repeated:
            values[place:end] = bits.take(word)
        else:
            values[place:end] = [bits.take(word) for _ in range(end - place)]
        place = end
    return values.reshape(*size, CHANNELS)[:, :, -1] > OPAQUE // 2


def _run(length: int, value: int) -> str:
    """The blocks of one run, as bits."""
    blocks = []
    while length:
        part = min(length, 1 << _LENGTHS[-1])
        place, bits = next((place, bits) for place, bits in enumerate(_LENGTHS) if part <= 1 << bits)
        blocks.append(f"1{place:02b}{part - 1:0{bits}b}{value:0{_WORD}b}")
        length -= part
    return "".join(blocks)


class _Bits:
    """Numbers from a string of bits, highest bit first."""

    def __init__(self, data: bytes):
        self._text, self._place = "".join(f"{byte:08b}" for byte in data), 0

    def take(self, count: int) -> int:
        """The next `count` bits. Raises ValueError where they are missing."""
        begin, self._place = self._place, self._place + count
        if self._place > len(self._text):
            raise ValueError("has a broken mask")
        return int(self._text[begin : self._place], 2)
