"""The formats that the pages' export menus offer, in words."""

# Each as `format` of the export address, its name, and what it is good for.
FORMATS = (
    ("coco", "COCO JSON", "Boxes and masks, for training tools"),
    ("yolo", "YOLO", "One text file a photo, in a ZIP"),
    ("voc", "Pascal VOC", "XML"),
    ("labelme", "LabelMe", "JSON, to go on editing"),
    ("csv", "CSV", "A table for spreadsheets"),
    ("geojson", "GeoJSON", "Outlines as polygons"),
    ("cutouts", "Cut-outs", "Each object as a transparent PNG"),
)
