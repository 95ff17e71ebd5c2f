"""From a request's arguments to a view of a run, and from the view to the lists on its page."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from flask import request
from werkzeug.datastructures import MultiDict

from app.store.models import Run
from app.vision.analyses.registry import ordered
from app.vision.render.class_colours import Colours
from app.vision.results import Analysed, Result
from app.vision.rivals import Shape, shapes
from app.vision.rows import Row
from app.vision.view import FILTERS, View
from app.web.common.services import services

# The picture has the format that the photo's name promises, so that `detected_<name>` can keep the name.
FORMAT_OF = {".png": "png", ".webp": "webp"}
LAYERS = ("masks", "boxes", "labels", "faces")
# Of more rows than this the list is grouped, as in js/view.js.
CROWD = 25


@dataclass(frozen=True)
class ListRow:
    """One row of the list.

    kind: the noun that it is counted as; index: its place in the stored result; rivals: the other guesses at it, weaker
    ones last, as name and score.
    """

    kind: str
    index: int
    name: str
    score: float
    colour: str
    text: str = ""
    rivals: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Group:
    """The rows of one class."""

    name: str
    colour: str
    rows: list[ListRow]


@dataclass(frozen=True)
class Chip:
    """A class that was found, how often at this threshold, and whether it is among those shown."""

    name: str
    count: int
    colour: str
    shown: bool


@dataclass(frozen=True)
class ResultLists:
    """A run's results as the page lists them.

    weaker: rows below the threshold, best first; hidden: the classes that the view leaves out, at any score.
    nouns: the kinds of rows, also of those without any row.
    lower: the threshold, in whole percents, from which on the best weaker row is shown; None where none would be.
    """

    rows: list[ListRow]
    weaker: list[ListRow]
    chips: list[Chip]
    captions: list[tuple[str, float]]
    has: dict[str, bool]
    hidden: list[str]
    nouns: list[str]
    lower: float | None

    @cached_property
    def groups(self) -> list[Group]:
        """The rows of a crowd by class, in the order of their best scores, as js/list.js has them; else none."""
        named: dict[str, list[ListRow]] = {}
        for row in self.rows:
            if not row.text:
                named.setdefault(row.name, []).append(row)
        if sum(map(len, named.values())) <= CROWD:
            return []
        return [Group(name, rows[0].colour, rows) for name, rows in named.items()]

    @property
    def ungrouped(self) -> list[ListRow]:
        """The rows that stand alone: of a crowd only what was read."""
        return [row for row in self.rows if row.text] if self.groups else self.rows

    @property
    def texts(self) -> bool:
        """Whether anything was read, at any score."""
        return any(row.text for row in [*self.rows, *self.weaker])

    @property
    def unlisted(self) -> list[str]:
        """The hidden classes without a chip: the form must name them too, or they come back by themselves."""
        listed = {chip.name for chip in self.chips}
        return [name for name in self.hidden if name not in listed]

    @cached_property
    def tally(self) -> str:
        """What was found, for the picture's description: `car (3), person`."""
        counts = Counter(row.name for row in self.rows)
        return ", ".join(f"{name} ({n})" if n > 1 else name for name, n in counts.most_common())


def asked_view(run: Run) -> View:
    """The view that the address asks for; where it names none, what the run asked for. Raises BadRequest."""
    args = MultiDict(request.args)
    if not any(name in args for name in FILTERS) and run.options.get("classes"):
        args.setlist("classes", list(run.options["classes"]))
    if not args.get("format"):
        args["format"] = FORMAT_OF.get(PurePosixPath(run.name).suffix.lower(), "jpeg")
    return View.from_args(args, run.options.get("threshold", services().settings.threshold))


def ticked_view(args: MultiDict[str, str]) -> dict[str, str]:
    """The arguments of the view that the page's form asks for: its unticked classes become `exclude`.

    The slider knows only whole percents: where it was left alone, the threshold stays as it was asked for.
    """
    percent, asked = args.get("percent", "50"), args.get("asked", "")
    unmoved = asked and percent == args.get("slider")
    unticked = [name for name in args.getlist("offered") if name not in args.getlist("ticked")]
    view = View.from_args(
        {
            "threshold": asked if unmoved else f"{percent} %",
            "source": args.get("source", ""),
            "exclude": [name.replace("\\", "\\\\").replace(",", "\\,") for name in unticked],
            **{layer: "1" if layer in args.getlist("layer") else "0" for layer in LAYERS},
            "colours": args.get("colours", "class"),
        }
    )
    return view.to_args()


def result_lists(results: Mapping[str, Analysed], view: View) -> ResultLists:
    """The part of the results that a view shows, as lists."""
    kept: list[ListRow] = []
    weaker: list[ListRow] = []
    chips: list[Chip] = []
    captions: list[tuple[str, float]] = []
    hidden: list[str] = []
    within_reach: list[float] = []
    colours = Colours.of(results)
    for result in (analysed.result for analysed in results.values()):
        rows = result.rows()
        captions += [(row.name.replace("_", " "), row.score) for row in _best_first(rows) if row.box is None]
        shown = [shape for shape in shapes(rows, view) if shape.row.box is not None]
        below = [Shape(row, index) for index, row in enumerate(rows) if row.box is not None and not view.reaches(row)]
        kept += [_list_row(shape, result, view, colours) for shape in shown]
        weaker += [_list_row(shape, result, view, colours) for shape in below]
        within_reach += [shape.row.shown_score for shape in below if view.shows_row(shape.row)]
        # A layer has a switch of its own instead of chips.
        chosen = [row for row in _best_first(rows) if row.box is not None and not row.layer]
        chips += _chips(chosen, shown, view, colours.classes)
        hidden += [name for name in dict.fromkeys(row.name for row in chosen) if not view.shows(name)]
    kept.sort(key=_list_order)
    weaker.sort(key=_list_order)
    nouns = [analysed.result.noun for analysed in ordered(results) if analysed.result.placed]
    lower = _whole_percents(max(within_reach)) if within_reach else None
    return ResultLists(kept, weaker, chips, captions, _has(results), hidden, nouns, lower)


def _whole_percents(share: float) -> float:
    """A share rounded down to what the slider knows."""
    return math.floor(100 * share + 1e-6) / 100


def _list_order(row: ListRow) -> tuple[bool, float]:
    """Best first; what was read comes last, in the order in which it is read."""
    return bool(row.text), row.index if row.text else -row.score


def _list_row(shape: Shape, result: Result, view: View, colours: Colours) -> ListRow:
    row = shape.row
    rivals = tuple((rival.name, rival.score) for rival in shape.rivals)
    colour = colours.pick(view, result, shape.index, row)
    return ListRow(row.kind, shape.index, row.name, row.score, colour, row.text, rivals)


def _best_first(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: -row.score)


def _chips(rows: list[Row], shown: list[Shape], view: View, colours: Mapping[str, str]) -> list[Chip]:
    """Classes in the order of their best score; those with nothing above the threshold are left out.

    A guess that is shown as another's rival is not counted.
    """
    counts = Counter(shape.row.name for shape in shown)
    counts.update(row.name for row in rows if view.reaches(row) and not view.shows(row.name))
    names = dict.fromkeys(row.name for row in rows)
    return [Chip(name, counts[name], colours[name], view.shows(name)) for name in names if counts[name]]


def _has(results: Mapping[str, Analysed]) -> dict[str, Any]:
    """Which layers there are at all."""
    listed = [analysed.result for analysed in results.values()]
    layers = {layer for result in listed for layer in result.layers()}
    return {
        "classes": any(result.placed and "faces" not in result.layers() for result in listed),
        "masks": "masks" in layers,
        "faces": "faces" in layers,
        "labels": any(not result.placed for result in listed),
    }
