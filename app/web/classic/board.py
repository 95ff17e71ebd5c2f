"""The second classic API's page: a visitor's photos as cards, each with what was found in it."""

from dataclasses import dataclass

from flask import Blueprint, Flask, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.store.models import DONE, FINISHED, Run
from app.vision.render.palette import colour
from app.vision.view import View
from app.web.classic.image import THRESHOLD
from app.web.common.deleting import delete_run
from app.web.common.errors import wants_json
from app.web.common.keys import may_change
from app.web.common.security import visitor
from app.web.common.services import services
from app.web.pages import uploads

# Cards of one page, and lines of one card.
CARDS, LINES = 24, 6

blueprint = Blueprint("board", __name__, url_prefix="/board")


@dataclass(frozen=True)
class Line:
    """One object of a card."""

    name: str
    score: float
    colour: str


@dataclass(frozen=True)
class Card:
    """A run with its best objects, and the number of those that found no room. searched: whether objects were."""

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


@blueprint.get("")
def page() -> str:
    """The visitor's photos, newest first."""
    found = services().store.history(visitor(), cursor=request.args.get("cursor") or None, limit=CARDS)
    cards = [card_of(run) for run in found.runs]
    waiting = any(card.waiting for card in cards)
    shown = {"cards": cards, "waiting": waiting, "next_cursor": found.next_cursor}
    return render_template("classic/board.html", threshold=THRESHOLD, later="cursor" in request.args, **shown)


@blueprint.post("")
def add() -> ResponseReturnValue:
    """Take one or several photos onto the board."""
    uploads.take()
    if wants_json():
        return jsonify(location=url_for(".page")), 201
    return redirect(url_for(".page"), 303)


@blueprint.get("/<run_id>")
def card(run_id: str) -> str:
    """One card, for the page's script."""
    return render_template("classic/_card.html", card=card_of(services().store.get_run(run_id)), threshold=THRESHOLD)


@blueprint.post("/<run_id>/remove")
def remove(run_id: str) -> ResponseReturnValue:
    """Delete a card's run. For its owner only."""
    run = services().store.get_run(run_id)
    may_change(run.owner)
    delete_run(run)
    return redirect(url_for(".page"), 303)


def card_of(run: Run) -> Card:
    """What a run's card shows."""
    objects = services().store.results(run).get("objects") if run.state == DONE else None
    if objects is None:
        return Card(run, [], 0, searched=False)
    rows = sorted(View(threshold=THRESHOLD).select(objects.result.rows()), key=lambda row: -row.score)
    lines = [Line(row.name, row.score, colour(row.name)) for row in rows]
    return Card(run, lines[:LINES], max(0, len(lines) - LINES))
