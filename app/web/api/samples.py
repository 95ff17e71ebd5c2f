"""Answers as they look, for the OpenAPI file and the page that shows it."""

from typing import Any, Final

_ID: Final = "Zk3mW0cJ9QyT5tq2hXn1Lw"
_BATCH: Final = "b6Qf0vTn3LxYw1RkAaE8Sg"
_ADDRESS: Final = f"https://photos.example/api/v1/runs/{_ID}"
_CHECKPOINT: Final = "20cad28c22fc4855ce838c70d9b04a1a8a77bb733e34fcf3e39286fcb0d43a8f"
_IDENTITY: Final = f"starter@{_CHECKPOINT[:16]}/f32"

MODEL: Final[dict[str, Any]] = {
    "analyzer": "objects",
    "model": "starter",
    "title": "Starter Mask R-CNN",
    "version": "f32",
    "checkpoint": _CHECKPOINT,
    "note": "",
}
SUMMARY: Final[dict[str, Any]] = {
    "id": _ID,
    "state": "done",
    "name": "street.jpg",
    "created_at": "2026-11-26T09:30:00Z",
    "started_at": "2026-11-26T09:30:00.1Z",
    "finished_at": "2026-11-26T09:30:01.3Z",
    "expires_at": "2026-12-26T09:30:00Z",
    "photo": {"sha256": "9f2c" * 16, "format": "jpeg", "width": 1280, "height": 853, "bytes": 214873},
    "analyses": [{"analyzer": "objects", "model": _IDENTITY, "state": "done", "seconds": 1.1, "error": None}],
    "position": None,
    "eta": None,
    "deduplicated": False,
    "threshold": 0.5,
    "classes": None,
    "batch": None,
    "correction": None,
    "request_id": "d1f7c0e24b9a4f6f",
    "error": None,
    "links": {
        "self": _ADDRESS,
        "page": f"https://photos.example/runs/{_ID}",
        **{name: f"{_ADDRESS}/{name}" for name in ("image", "correction", "export", "events", "cancel")},
    },
}
RUN: Final[dict[str, Any]] = {
    **SUMMARY,
    "timings": {
        "waited": 0.1,
        "worked": 1.2,
        "total": 1.3,
        "steps": {"objects": {"prepare": 0.1, "detect": 0.9, "masks": 0.1}},
    },
    "results": {
        "objects": {
            "kind": "instances",
            "model": MODEL,
            "instances": [
                {
                    "class": "car",
                    "score": 0.98,
                    "box": [402.1, 388.7, 731.9, 560.2],
                    "mask": {"size": [853, 1280], "counts": "Wdi:3`j00O2N1O2N..."},
                },
                {"class": "dog", "score": 0.91, "box": [810.4, 502.3, 956.0, 690.8], "mask": None},
            ],
        }
    },
}
CORRECTION: Final[dict[str, Any]] = {
    "version": 1,
    "checked": True,
    "classes": ["person", "bicycle", "car", "delivery robot"],
    "instances": [
        {"from": 0, "class": "car", "score": 0.98, "accepted": True, "box": [402.1, 388.7, 731.9, 560.2], "mask": None},
        {
            "from": None,
            "class": "delivery robot",
            "score": 1.0,
            "accepted": True,
            "box": [40.0, 400.5, 120.0, 560.0],
            "mask": {"size": [853, 1280], "counts": "Wdi:3`j00O2N1O2N..."},
        },
    ],
    "history": [
        {
            "version": 1,
            "at": "2026-11-26T09:35:00Z",
            "by": "visitor",
            "checked": True,
            "changes": {"accepted": 1, "drawn": 1, "deleted": 1},
        }
    ],
}
BATCH: Final[dict[str, Any]] = {
    "id": _BATCH,
    "runs": [{**SUMMARY, "batch": _BATCH}],
    "refused": [{"name": "notes.txt", "message": "This file is not a photo we can read."}],
}
RUN_PAGE: Final[dict[str, Any]] = {"runs": [SUMMARY], "next": None}
MODELS: Final[dict[str, Any]] = {
    "models": [{**MODEL, "classes": ["person", "bicycle", "car"], "identity": _IDENTITY, "seconds": 0.8}],
    "workers": 1,
}
_SET: Final = "Qm4tHc7Lr0yXbE2uVn9KpA"
_VERSION: Final = "Tn8dWe5Rk1zGfJ6oYs3MvQ"
DATA_SET: Final[dict[str, Any]] = {
    "id": _SET,
    "name": "screws",
    "created_at": "2026-11-26T09:40:00Z",
    "share": 0.2,
    "seed": 0,
    "photos": 40,
    "train": 32,
    "validation": 8,
    "objects": 96,
    "classes": [{"name": "screw", "objects": 96, "train": 32, "validation": 8}],
}
DATA_SETS: Final[dict[str, Any]] = {"datasets": [DATA_SET]}
ADDITION: Final[dict[str, Any]] = {"added": 38, "updated": 2, "problems": ["7.jpg: it has no labels."]}
VERSION: Final[dict[str, Any]] = {
    "id": _VERSION,
    "title": "screws, from Starter Mask R-CNN",
    "created_at": "2026-11-26T10:00:00Z",
    "bytes": 19482113,
    "default": True,
    "card": {"base": "Starter Mask R-CNN", "photos": 32, "steps": 240, "seed": 0, "minutes": 10},
}
VERSIONS: Final[dict[str, Any]] = {"versions": [VERSION], "default": _VERSION}
TRAINING: Final[dict[str, Any]] = {
    "id": _VERSION,
    "title": "screws, from Starter Mask R-CNN",
    "data_set": _SET,
    "base": "starter",
    "classes": "base+data",
    "minutes": 10,
    "state": "running",
    "error": None,
    "progress": {
        "prepared": 1.0,
        "step": 120,
        "steps": 240,
        "left": 300.0,
        "loss": [[1, 1.9], [120, 0.7]],
        "ap": [[80, 31.5]],
    },
    "version": None,
    "created_at": "2026-11-26T09:50:00Z",
}
TRAININGS: Final[dict[str, Any]] = {"trainings": [TRAINING], "can_train": True}
