"""The analyses by name, as settings, requests and the catalogue of models know them. Imports nothing of ours."""

ANALYZERS = ("objects", "faces", "labels")
# What is looked for where nothing is asked for.
DEFAULT_ANALYSES = ("objects",)
