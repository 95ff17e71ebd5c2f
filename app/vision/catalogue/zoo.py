"""MMDetection's own model zoo, read from the metafiles inside its package: several hundred models by name.

Each entry names a config of the package, the address of its weights and its published precision. OpenMMLab ends the
name of a published file with the first eight hex digits of its SHA-256. Reading takes a tenth of a second and imports
neither torch nor MMDetection.
"""

import difflib
import functools
import importlib.util
import re
from pathlib import Path
from typing import Any

from app.vision.catalogue.config_text import texts
from app.vision.catalogue.models import CatalogueError, Model, file_name, load_catalogue

# Of the whole of MMDetection (https://github.com/open-mmlab/mmdetection/blob/v2.28.2/LICENSE).
LICENCE = "Apache-2.0"
# What a model must have been measured at to find objects; others propose regions or colour whole scenes.
TASKS = {"Object Detection": "box AP", "Instance Segmentation": "mask AP"}
# Parts whose operations mmcv-full has for CUDA only.
GPU_ONLY = r"'FPN_CARAFE'|'GARPNHead'|'GARetinaHead'|DeformRoIPoolPack|upsample_cfg=dict\(\s*type='carafe'"


def zoo_folder() -> Path | None:
    """Where the installed mmdet package keeps its configs and metafiles; None without the package."""
    spec = importlib.util.find_spec("mmdet")
    places = (spec.submodule_search_locations or []) if spec else []
    return next((folder for place in places if (folder := Path(place) / ".mim").is_dir()), None)


def load_zoo() -> dict[str, Model]:
    """Every model of the zoo that finds objects with one checkpoint, by name; empty without the mmdet package."""
    root = zoo_folder()
    return _load(root) if root else {}


@functools.cache
def _load(root: Path) -> dict[str, Model]:
    index = _read(root / "model-index.yml")
    models: dict[str, Model] = {}
    for name in index["Import"]:
        metafile = _read(root / name)
        for entry in metafile["Models"] if isinstance(metafile, dict) else metafile:
            model = _model(entry, root)
            if model is not None:
                models.setdefault(model.name, model)
    return models


def only_model(folder: Path) -> Model:
    """The model of a folder that a training left: its `models.toml` names just one. Raises CatalogueError."""
    models = list(load_catalogue(folder / "models.toml").values())
    if len(models) != 1:
        raise CatalogueError(f"{folder / 'models.toml'} must name one model.")
    return models[0]


def find_model(name: str) -> Model:
    """A model by its name in the catalogue, else in the zoo, else by the folder that a training left.

    Raises CatalogueError, with names like it, when there is none.
    """
    if "/" in name:
        return only_model(Path(name))
    catalogue = load_catalogue()
    if name in catalogue:
        return catalogue[name]
    zoo = load_zoo()
    if name in zoo:
        return zoo[name]
    if (Path(name) / "models.toml").is_file():
        return only_model(Path(name))
    close = difflib.get_close_matches(name, [*catalogue, *zoo], n=3, cutoff=0.5)
    like = f" Did you mean {' or '.join(close)}?" if close else ""
    raise CatalogueError(f"There is no model {name!r}; `flask models --zoo` lists them all.{like}")


def _model(entry: dict[str, Any], root: Path) -> Model | None:
    config, url = root / entry["Config"], entry.get("Weights", "")
    results = {result["Task"]: result for result in entry.get("Results", []) if result["Task"] in TASKS}
    published = re.search(r"-([0-9a-f]{8})\.pth$", url)
    if not results or not published or not config.is_file() or _needs_more(config):
        return None
    precision = {task: _number(result.get("Metrics", {}).get(TASKS[task])) for task, result in results.items()}
    data = next(iter(results.values()))["Dataset"]
    return Model(
        name=entry["Name"],
        title=f"{entry.get('In Collection', 'MMDetection')} ({entry['Name']})",
        analyzer="objects",
        loader="mmdet",
        licence=LICENCE,
        config=config,
        sources=(url,),
        file=file_name(url),
        sha256=published[1],
        data=data,
        gpu_only=bool(re.search(GPU_ONLY, "".join(texts(config)))),
        labels="coco" if data == "COCO" else "checkpoint",
        box_ap=precision.get("Object Detection"),
        mask_ap=precision.get("Instance Segmentation"),
    )


def _number(value: Any) -> float | None:
    """A metafile's value in percent; a few have a dash or a remark instead."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _needs_more(config: Path) -> bool:
    """Whether a config needs more than mmdet and one checkpoint.

    Distilled models are built around their teacher's weights, some take their backbone from another package, RF-Next
    changes the layers by a training hook, and Fast R-CNN is given its regions.
    """
    more = r"teacher_ckpt|imports=\['(?!mmdet)|RFSearchHook|LoadProposals"
    return any(re.search(more, text) for text in texts(config))


def _read(path: Path) -> Any:
    import yaml

    return yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
