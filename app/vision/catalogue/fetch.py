"""The command behind `make weights`: `python -m app.vision.catalogue.fetch [MODEL ...]`."""

import sys
from collections.abc import Sequence

from app.config.settings import Settings, SettingsError
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.download import fetch
from app.vision.catalogue.models import CatalogueError, Model, load_catalogue
from app.vision.catalogue.packages import weights as installed
from app.vision.catalogue.zoo import find_model


def wanted(names: Sequence[str], settings: Settings) -> list[Model]:
    """The models to fetch: those named, or the one that MODEL names, or the best detector of the catalogue.

    Raises CatalogueError for a name that nothing has.
    """
    names = [name for name in names if name] or [settings.model]
    return [best_detector() if name == "auto" else find_model(name) for name in names]


def best_detector() -> Model:
    """The detector of the highest rank that can be fetched. Raises CatalogueError when there is none."""
    models = [model for model in load_catalogue().values() if model.analyzer == "objects" and model.url]
    if not models:
        raise CatalogueError("The catalogue has no detector that can be fetched.")
    return max(models, key=lambda model: model.rank)


def main(arguments: Sequence[str]) -> int:
    """Fetch models by name, saying what happens. Returns the exit status: 1 when one could not be had."""
    try:
        settings = Settings.from_env()
        models = wanted(arguments, settings)
    except (SettingsError, CatalogueError) as error:
        print(error, file=sys.stderr)
        return 1
    status = 0
    for model in models:
        here = () if model.url else installed(model, settings.checkpoints_path)
        if here:
            print(f"{model.title} is installed: {here[0]}")
            continue
        try:
            path = fetch(model, settings.checkpoints_path)
            print(f"{model.title} is installed: {path}")
            if model.analyzer == "objects" and model != best_detector():
                print(f"To serve it: MODEL={model.name}")
        except CheckpointError as error:
            print(error, file=sys.stderr)
            status = 1
        except KeyboardInterrupt:
            print("Stopped; the next `make weights` goes on from here.", file=sys.stderr)
            return 130
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
