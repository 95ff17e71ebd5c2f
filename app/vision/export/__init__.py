"""Results as files of other tools' formats, of one photo or of many.

Every format is a module with one `write(items, view)`. What a file holds is what the view selects: its threshold,
classes and faces; how the view draws does not matter here.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from app.errors import BadRequest
from app.vision.export import coco, cutouts, geojson, labelme, table, voc, yolo
from app.vision.export.files import ExportFile
from app.vision.export.items import ExportItem
from app.vision.view import View

__all__ = ["FORMATS", "ExportFile", "ExportItem", "Format", "export"]


class Format(NamedTuple):
    """An export format. title: its name for people; summary: what one gets."""

    title: str
    summary: str
    write: Callable[[Sequence[ExportItem], View], ExportFile]


FORMATS: Final = {
    "coco": Format("COCO JSON", "Boxes and masks (RLE), for training tools", coco.write_rle),
    "coco-polygons": Format("COCO JSON, polygons", "Boxes and outlines, for training tools", coco.write_polygons),
    "yolo": Format("YOLO", "Boxes, one text file a photo, in a ZIP", yolo.write_boxes),
    "yolo-seg": Format("YOLO segmentation", "Outlines, one text file a photo, in a ZIP", yolo.write_outlines),
    "voc": Format("Pascal VOC", "Boxes as XML", voc.write),
    "labelme": Format("LabelMe", "Outlines as JSON, to go on editing", labelme.write),
    "csv": Format("CSV", "A table for spreadsheets", table.write),
    "geojson": Format("GeoJSON", "Outlines as polygons in pixels", geojson.write),
    "cutouts": Format("Cut-outs", "Each object as a transparent PNG, in a ZIP", cutouts.write),
}


def export(items: Sequence[ExportItem], format: str, view: View) -> ExportFile:
    """Write results in a format.

    Args:
        items: one photo or more, each with its results; they are loaded one at a time.
        format: a key of `FORMATS`.
        view: which instances.

    Raises:
        BadRequest: there is no such format.
    """
    if format not in FORMATS:
        raise BadRequest(f"format must be one of {', '.join(FORMATS)}.")
    return FORMATS[format].write(items, view)
