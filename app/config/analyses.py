"""The names of the analyses, as settings, requests and the catalogue of models use them. Imports no other module."""

# The registered analyses, in the order in which they are offered and drawn. Each is a folder in app/vision/analyses.
ANALYSES = (
    "objects",
    "faces",
    "labels",
    "codes",
    "text",
)
# The analyses of a request that names none.
DEFAULT_ANALYSES = ("objects",)
