"""Every object cut out of its photo: a PNG of its own size, transparent around its mask."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from app.intake.budget import pixel_budget
from app.intake.decode import decode
from app.vision import masks
from app.vision.export.files import ExportFile, archive
from app.vision.export.items import ExportItem, box_of, export_rows
from app.vision.export.names import base_name, file_paths, own_paths, safe_name, without_suffix
from app.vision.rows import Row
from app.vision.view import View


def write(items: Sequence[ExportItem], view: View) -> ExportFile:
    """A ZIP of `<number>_<class>.png`, best first; of several photos in a folder each. Faces are left out."""
    return archive(f"{base_name(items)}_cutouts.zip", _entries(items, view), compress=False)


def cut(rgb: np.ndarray, row: Row) -> bytes:
    """One object as a PNG with transparency; its box where it has no mask."""
    if row.mask:
        x, y, crop = masks.decode_crop(row.mask)
        h, w = crop.shape
        alpha = crop.view(np.uint8) * np.uint8(255)
    else:
        x, y = (min(int(v), side - 1) for v, side in zip(box_of(row)[:2], rgb.shape[1::-1], strict=True))
        w, h = max(1, round(box_of(row)[2]) - x), max(1, round(box_of(row)[3]) - y)
        alpha = np.full((h, w), 255, np.uint8)
    pixels = rgb[y : y + h, x : x + w]
    bgra = cv2.merge([*cv2.split(pixels)[::-1], alpha])
    bgra[alpha == 0] = 0  # What is cut away is really gone.
    return cv2.imencode(".png", bgra)[1].tobytes()


def _entries(items: Sequence[ExportItem], view: View) -> Iterator[tuple[str, bytes]]:
    folders = file_paths(map(without_suffix, own_paths(items)))
    for item, folder in zip(items, folders, strict=True):
        rows = [row for row in export_rows(item.load_results(), item, view) if not row.points]
        if rows:
            yield from _cut_all(item, rows, f"{folder}/" if len(items) > 1 else "")


def _cut_all(item: ExportItem, rows: Sequence[Row], folder: str) -> Iterator[tuple[str, bytes]]:
    item.spend(item.width * item.height)
    data, digits = item.load_photo(), max(2, len(str(len(rows))))
    with pixel_budget.reserve(item.width * item.height):
        rgb = decode(data)
        for number, row in enumerate(rows, 1):
            item.spend(_pixels(row))
            word = safe_name(row.name).replace(" ", "_")
            yield f"{folder}{number:0{digits}}_{word}.png", cut(rgb, row)
        del rgb


def _pixels(row: Row) -> int:
    x1, y1, x2, y2 = box_of(row)
    return round((x2 - x1) * (y2 - y1))
