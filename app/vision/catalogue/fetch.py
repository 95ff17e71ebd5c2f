"""The command behind `make weights`: `python -m app.vision.catalogue.fetch [MODEL ...]`.

MODEL is a name, or `auto` for the first that can be had of the detectors that MODEL=auto prefers.
"""

import sys
from collections.abc import Sequence

from app.config.settings import Settings, SettingsError
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.download import fetch
from app.vision.catalogue.models import CatalogueError, Model
from app.vision.catalogue.packages import weights as installed
from app.vision.catalogue.preference import preferred
from app.vision.catalogue.zoo import find_model


def main(arguments: Sequence[str]) -> int:
    """Fetch models by name, else the one that MODEL names, saying what happens.

    Returns the exit status: 1 when one could not be had.
    """
    try:
        settings = Settings.from_env()
        names = [name for name in arguments if name] or [settings.model]
        choices = [preferred(settings) if name == "auto" else [find_model(name)] for name in names]
    except (SettingsError, CatalogueError) as error:
        print(error, file=sys.stderr)
        return 1
    try:
        had = [any(_install(model, settings) for model in models) for models in choices]
    except KeyboardInterrupt:
        print("Stopped; the next `make weights` goes on from here.", file=sys.stderr)
        return 130
    return 0 if all(had) else 1


def _install(model: Model, settings: Settings) -> bool:
    """Fetch a model unless it is installed. Prints the outcome, and returns whether it is installed."""
    here = () if model.sources else installed(model, settings.checkpoints_path)
    try:
        path = here[0] if here else fetch(model, settings)
    except CheckpointError as error:
        print(error, file=sys.stderr)
        return False
    print(f"{model.title} is installed: {path}")
    if not here and model.analyzer == "objects" and model != preferred(settings)[0]:
        print(f"To serve it: MODEL={model.name}")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
