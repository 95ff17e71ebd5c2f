"""Readers of the annotation files of other tools: one module each, `read(folder)`."""
