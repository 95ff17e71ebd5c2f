"""The folder in which a training works, and what of it is kept in the store, so that any worker can go on with it."""

import io
import json
import logging
import shutil
import zipfile
from pathlib import Path
from typing import Any

from app.datasets.compared import WATCHED_FILE
from app.datasets.split import PARTS
from app.datasets.write import write
from app.errors import PublicError
from app.intake.archive import unpack
from app.store import Store
from app.store.errors import BlobMissing
from app.store.models import Training
from app.store.trainings import DATA, PHOTOS, STATE
from app.vision.catalogue.models import CatalogueError

log = logging.getLogger(__name__)

POINTS = 200  # of a curve
UNLIMITED = 2**40  # Bytes of a file that we wrote ourselves.
CHECKPOINT = "last.pth"
TOO_FEW = "A training needs photos with objects to learn from and photos to measure; this data set has not both."
GONE = "The data set of this training was deleted."
PHOTOS_GONE = "Photos of this training were deleted, so it cannot go on."


class TrainingFolder:
    """What is in the folder of a training.

    data: the data set as it was when the training began, `set.json` says which; out: what the trainer writes; log: what
    it says.
    """

    def __init__(self, store: Store, training: Training, path: Path):
        self.path, self.data, self.out, self.log = path, path / "data", path / "out", path / "log.txt"
        self._store, self._training = store, training
        self._kept: dict[str, int] = {}  # When the files were written that are kept.

    def prepare(self) -> None:
        """Make the folder as the training was left: by this worker, by another one, or not begun yet.

        The state in the store counts, because another worker may have gone on meanwhile. Raises CatalogueError.
        """
        if not self.data.is_dir():
            self._write_data(self._store.trainings.kept(self._training.id, DATA) or self._from_data_set())
        state = self._store.trainings.kept(self._training.id, STATE)
        if state is not None:
            shutil.rmtree(self.out, ignore_errors=True)
            self.out.mkdir()
            with zipfile.ZipFile(io.BytesIO(state)) as archive:
                archive.extractall(self.out)
            self._is_new(CHECKPOINT)  # It is kept already.

    def keep(self) -> None:
        """Keep in the store what has changed: the checkpoint with what belongs to it, and the photos of the page."""
        try:
            if self._is_new(CHECKPOINT) and (state := self._state()):
                self._store.trainings.keep(self._training.id, STATE, state)
            if self._is_new(WATCHED_FILE):
                self._store.trainings.keep(self._training.id, PHOTOS, (self.out / WATCHED_FILE).read_bytes())
        except (PublicError, OSError) as error:  # The next time may be better, and the training goes on.
            log.warning("the state of training %s is not kept yet: %s", self._training.id, error)
            self._kept.clear()

    @property
    def data_set(self) -> dict[str, Any]:
        """Id, name and hash of the data set."""
        about: dict[str, Any] = json.loads((self.data / "set.json").read_text())
        return about

    def last_words(self) -> str:
        """The last line that the trainer wrote, such as the reason why it ended."""
        text = self.log.read_text(errors="replace") if self.log.is_file() else ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1].rpartition("\r")[2] if lines else ""

    def _is_new(self, name: str) -> bool:
        """Whether a file was written since this was asked the last time."""
        written = _written(self.out / name)
        new = written is not None and written != self._kept.get(name)
        if written is not None:
            self._kept[name] = written
        return new

    def _state(self) -> bytes | None:
        """The trainer's files as one ZIP; None where it wrote one of them meanwhile, so that they may not match."""
        names = [path.name for path in self.out.iterdir() if path.is_file() and path.suffix != ".part"]
        before = self._stamps(names)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for name in names:
                archive.write(self.out / name, name)
        if self._stamps(names) != before:
            self._kept.pop(CHECKPOINT)
            return None
        return buffer.getvalue()

    def _stamps(self, names: list[str]) -> list[int | None]:
        """When files were written that are replaced; to the log only lines are added."""
        return [_written(self.out / name) for name in names if name != "log.jsonl"]

    def _from_data_set(self) -> bytes:
        """The data set as one ZIP in COCO's form, in which its SHA-256 stands for each photo."""
        id, sets = self._training.data_set_id, self._store.data_sets
        if id is None:
            raise CatalogueError(GONE)
        examples = list(sets.examples(id, str.encode))
        classes = sorted({truth.name for example in examples for truth in example.truths})
        labelled = {example.part for example in examples if any(not truth.crowd for truth in example.truths)}
        if len(labelled) < len(PARTS):
            raise CatalogueError(TOO_FEW)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("set.json", json.dumps({"id": id, "name": sets.get(id).name, "hash": sets.hash(id)}))
            for part in PARTS:
                own = write([example for example in examples if example.part == part], classes, "coco", part)
                with zipfile.ZipFile(io.BytesIO(own.file.read())) as content:
                    for name in content.namelist():
                        archive.writestr(f"{part}/{name}", content.read(name))
        data = buffer.getvalue()
        self._store.trainings.keep(self._training.id, DATA, data)
        return data

    def _write_data(self, data: bytes) -> None:
        part = self.data.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        unpack(io.BytesIO(data), part, max_bytes=UNLIMITED, max_total=UNLIMITED)
        for path in part.glob("*/images/**/*"):
            if path.is_file():
                try:
                    path.write_bytes(self._store.photo_bytes(path.read_text()))
                except BlobMissing as error:
                    raise CatalogueError(PHOTOS_GONE) from error
        part.replace(self.data)


def progress(out: Path) -> dict[str, Any]:
    """How far the training in a folder is.

    The share (0 to 1) of the photos that was prepared before the first step; step, steps, seconds that are left, and
    the points of its curves.
    """
    plan, prepared = out / "plan.json", out / "prepared.json"
    steps = (_line(plan.read_text()) if plan.is_file() else {}).get("steps")
    log_file = out / "log.jsonl"
    lines = log_file.read_text().splitlines() if log_file.is_file() else []
    entries = [entry for line in lines if (entry := _line(line))]
    losses = [entry for entry in entries if "loss" in entry]
    step = losses[-1]["step"] if losses else 0
    recent = [entry["seconds"] for entry in losses[-20:]]
    left = (steps - step) * sum(recent) / len(recent) if steps and recent else None
    shown = losses[:: max(1, len(losses) // POINTS)]
    return {
        "prepared": _line(prepared.read_text()).get("share", 0.0) if prepared.is_file() else 0.0,
        "step": step,
        "steps": steps,
        "left": left,
        "loss": [[entry["step"], entry["loss"]] for entry in shown],
        "ap": [[e["step"], e["scores"]["box"]["AP"]] for e in entries if "scores" in e],
    }


def _line(text: str) -> dict[str, Any]:
    """A line of JSON; empty where it is being written at this moment."""
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _written(path: Path) -> int | None:
    """When a file was written, in nanoseconds; None where there is none."""
    return path.stat().st_mtime_ns if path.is_file() else None
