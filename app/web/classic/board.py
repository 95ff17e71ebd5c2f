"""The board: a visitor's photos as cards, each with its objects."""

from dataclasses import dataclass

from flask import Blueprint, Flask, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.store.models import Run
from app.store.states import FINISHED, State
from app.vision.render.class_colours import class_colours
from app.vision.view import View
from app.web.classic.image import THRESHOLD
from app.web.common import navigation
from app.web.common.errors import wants_json
from app.web.common.keys import check_owner
from app.web.common.runs import delete_run
from app.web.common.security import visitor
from app.web.common.services import services
from app.web.common.uploads import submit_form

CARDS_PER_PAGE, LINES_PER_CARD = 24, 6

blueprint = Blueprint("board", __name__, url_prefix="/board")


@dataclass(frozen=True)
class Line:
    """One object of a card."""

    name: str
    score: float
    colour: str


@dataclass(frozen=True)
class Card:
    """A run with its best objects.

    more: number of objects that are not listed; searched: whether the run has a result for objects.
    """

    run: Run
    lines: list[Line]
    more: int
    searched: bool = True

    @property
    def waiting(self) -> bool:
        return self.run.state not in FINISHED


def init_app(app: Flask) -> None:
    """Attach the page."""
    app.register_blueprint(blueprint)
    navigation.add(app, "board.page", "Board", after="history.page")


@blueprint.get("")
def page() -> str:
    """The visitor's photos, newest first."""
    history = services().store.history(visitor(), cursor=request.args.get("cursor") or None, limit=CARDS_PER_PAGE)
    cards = [card_of(run) for run in history.runs]
    waiting = any(card.waiting for card in cards)
    return render_template(
        "classic/board.html",
        cards=cards,
        waiting=waiting,
        next_cursor=history.next_cursor,
        threshold=THRESHOLD,
        later="cursor" in request.args,
    )


@blueprint.post("")
def add() -> ResponseReturnValue:
    """Add one or several photos to the board."""
    submit_form()
    if wants_json():
        return jsonify(location=url_for(".page")), 201
    return redirect(url_for(".page"), 303)


@blueprint.get("/<run_id>")
def card(run_id: str) -> str:
    """One card, for the page's script."""
    return render_template("classic/_card.html", card=card_of(services().store.get_run(run_id)), threshold=THRESHOLD)


@blueprint.post("/<run_id>/remove")
def remove(run_id: str) -> ResponseReturnValue:
    """Delete a card's run. Only for its owner."""
    run = services().store.get_run(run_id)
    check_owner(run.owner)
    delete_run(run)
    return redirect(url_for(".page"), 303)


def card_of(run: Run) -> Card:
    """The card of a run."""
    objects = services().store.results(run).get("objects") if run.state == State.DONE else None
    if objects is None:
        return Card(run, [], 0, searched=False)
    rows = sorted(View(threshold=THRESHOLD).select(objects.result.rows()), key=lambda row: -row.score)
    colours = class_colours({"objects": objects})
    lines = [Line(row.name, row.score, colours[row.name]) for row in rows]
    return Card(run, lines[:LINES_PER_CARD], max(0, len(lines) - LINES_PER_CARD))
