"""Versions: trained models in the store, compared, promoted and rolled back. For administrators."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from app.datasets.compared import load
from app.store.versions import model_name
from app.web.common import compared
from app.web.common.admin import admins_only
from app.web.common.services import services
from app.web.pages.status import service_status

pages = Blueprint("versions", __name__, url_prefix="/versions")
pages.before_request(admins_only)

# A class of the matrix that is none: what is there by the truth and was not found, or was found and is not there.
BACKGROUND = "nothing"
# Shades of the matrix, by the share of a cell in its row.
SHADES = 5


@dataclass(frozen=True)
class Cell:
    """A cell of the matrix. shade: 0 for none, SHADES for all of its row; right: whether both classes are the same."""

    count: int
    shade: int
    right: bool


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix. found: the classes of its columns; rows: each a true class with its cells."""

    found: list[str]
    rows: list[tuple[str, list[Cell]]]

    @classmethod
    def of(cls, cells: Sequence[Sequence[Any]]) -> "Matrix":
        """From the cells of a version's card that are not 0. Classes are sorted, with the background last."""
        counts = {(true, found): count for true, found, count in cells}
        names: list[str | None] = [*sorted({name for pair in counts for name in pair if name is not None}), None]
        rows = []
        for true in names:
            total = sum(counts.get((true, found), 0) for found in names) or 1
            row = [
                Cell(count, -(-SHADES * count // total), true == found)
                for found in names
                for count in [counts.get((true, found), 0)]
            ]
            rows.append((true or BACKGROUND, row))
        return cls([name or BACKGROUND for name in names], rows)


@pages.get("")
def page() -> ResponseReturnValue:
    """Every version with its card."""
    store = services().store.versions
    card = service_status().cards.get("objects")
    return render_template(
        "versions.html",
        versions=store.all(),
        current=store.current(),
        answering=card,
        names=model_name,
        matrix=Matrix.of,
        mistakes=_mistakes,
    )


@pages.get("/<id>/photos/<sha256>/<layer>")
def picture(id: str, sha256: str, layer: str) -> Response:
    """One of the photos with the worst mistakes of a version, with its truth or with what the version found in it."""
    return compared.picture(load(services().store.versions.photos(id)), sha256, layer)


@pages.post("/<id>/promote")
def promote(id: str) -> ResponseReturnValue:
    """Make a version the default."""
    store = services().store.versions
    store.promote(id)
    flash(f"{store.get(id).title} is the default now. Workers take it up in a few seconds.")
    return redirect(url_for(".page"), 303)


@pages.post("/back")
def roll_back() -> ResponseReturnValue:
    """Make the default what was it before."""
    store = services().store.versions
    id = store.roll_back()
    title = store.get(id).title if id else "The model of the settings"
    flash(f"{title} is the default again. Workers take it up in a few seconds.")
    return redirect(url_for(".page"), 303)


@pages.post("/<id>/delete")
def delete(id: str) -> ResponseReturnValue:
    """Delete a version that is not the default."""
    services().store.versions.delete(id)
    flash("The version was deleted.")
    return redirect(url_for(".page"), 303)


def _mistakes(photo: Mapping[str, Any]) -> str:
    """What is wrong with the answer to a photo, in words."""
    texts = {"missed": "not found", "wrong": "not there", "confused": "taken for something else"}
    return ", ".join(f"{photo[kind]} {text}" for kind, text in texts.items() if photo[kind])
