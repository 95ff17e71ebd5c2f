"""A Python without some packages, as where only what serves is installed."""

PROGRAM = """
import importlib.machinery, sys

GONE = {gone!r}

class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in GONE else super().find_spec(name, path, target)

    @staticmethod
    def find_distributions(*context):
        found = importlib.machinery.PathFinder.find_distributions(*context)
        return (each for each in found if each.name.replace("-", "_") not in GONE)

sys.meta_path[:] = [Finder if each is importlib.machinery.PathFinder else each for each in sys.meta_path]
"""


def without(*packages: str) -> str:
    """The text of a `sitecustomize.py`, which every Python that starts imports: these cannot be found in it."""
    return PROGRAM.format(gone=set(packages))
