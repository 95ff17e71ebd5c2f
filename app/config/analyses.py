"""The analyses by name, as settings, requests and the catalogue of models know them. Imports nothing of ours."""

# Registered analyses, in the order in which they are offered and drawn: each is a folder of app/vision/analyses.
ANALYSES = (
    "objects",
    "faces",
    "labels",
)
# What is looked for where a request names nothing.
DEFAULT_ANALYSES = ("objects",)
