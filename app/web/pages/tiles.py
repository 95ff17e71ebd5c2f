"""Tiles of the gallery: a photo or a batch with its picture and a line on what is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import url_for

from app.queue.run_json import view_of
from app.store.gallery import Entry, Stack
from app.store.models import Run
from app.store.states import FINISHED, State
from app.vision.view import FILTERS, View
from app.web.common import words
from app.web.common.rendering import found_scores
from app.web.common.services import services

# Longest side of a tile's picture, and of the small ones that stand for a batch, in pixels.
THUMBNAIL, SMALL_THUMBNAIL = 480, 240
STATES = {State.FAILED: "Did not work", State.CANCELLED: "Not looked at", State.DONE: ""}


@dataclass(frozen=True)
class Picture:
    """A thumbnail: its address, and the size of its photo in pixels."""

    address: str
    width: int
    height: int


@dataclass(frozen=True)
class Tile:
    """A photo or a batch in the gallery.

    kind: `run` or `batch`, by which it is chosen with its id; text: what is there, or how far it is.
    state: of the run; of a batch, `running` until all of its runs have ended.
    """

    kind: str
    id: str
    address: str
    name: str
    pictures: list[Picture]
    text: str
    state: str
    created_at: datetime

    @property
    def waiting(self) -> bool:
        return self.state not in FINISHED


def tile(entry: Entry) -> Tile:
    """The tile of an entry of the gallery, with what it was asked for."""
    if isinstance(entry, Stack):
        return _batch_tile(entry)
    return run_tile(entry, view_of(entry, {}, services().settings.threshold), {})


def run_tile(run: Run, view: View, filters: Mapping[str, Any]) -> Tile:
    """The tile of a photo in a view.

    filters: the arguments of the view that its addresses must repeat, because the run does not ask for them itself.
    """
    address = url_for("run.page", run_id=run.id, **filters)
    pictures = [_picture(run, THUMBNAIL, filters)]
    return Tile("run", run.id, address, run.name, pictures, run_text(run, view), run.state, run.created_at)


def run_text(run: Run, view: View) -> str:
    """What was found in a photo, or its state; and the error of any of its analyses."""
    if run.state == State.DONE:
        counts = {name: n for name, n in run_counts(run, view).items() if view.shows(name)}
        return run.error or words.tally(counts) or f"Nothing above {words.percent(view.threshold)}"
    return run.error or STATES.get(run.state, "Not ready yet")


def run_counts(run: Run, view: View) -> dict[str, int]:
    """How many of each class reach the threshold of a view, whether it shows them or not."""
    reached = {name: sum(s >= view.threshold for s in scores) for name, scores in found_scores(run).items()}
    return {name: n for name, n in reached.items() if n}


def filters_of(args: Mapping[str, str]) -> dict[str, Any]:
    """The part of a view's arguments that selects rows."""
    return {name: args[name] for name in FILTERS if args.get(name)}


def _batch_tile(stack: Stack) -> Tile:
    total, waiting = sum(stack.states.values()), sum(n for s, n in stack.states.items() if s not in FINISHED)
    text = f"{waiting} of them not ready yet" if waiting else words.listed(stack.classes)
    pictures = [_picture(run, SMALL_THUMBNAIL, {}) for run in stack.runs]
    address = url_for("batch.page", batch_id=stack.batch.id)
    state = State.RUNNING if waiting else State.DONE
    name = words.count(total, "photo")
    return Tile("batch", stack.batch.id, address, name, pictures, text, state, stack.created_at)


def _picture(run: Run, size: int, filters: Mapping[str, Any]) -> Picture:
    shown: dict[str, Any] = {"labels": "0", **filters} if run.state == State.DONE else {"plain": "1"}
    address = url_for("run.image", run_id=run.id, max_size=size, format="jpeg", **shown)
    return Picture(address, run.photo.width, run.photo.height)
