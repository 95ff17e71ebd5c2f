"""The history: a visitor's own photos and batches, newest first, in one gallery."""

import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.errors import BadRequest
from app.store.gallery import Entry
from app.store.history import MAX_COUNT
from app.vision.export import FORMATS
from app.web.common.inputs import MAX_SEARCH
from app.web.common.security import visitor
from app.web.common.services import services
from app.web.pages.chosen import removed
from app.web.pages.start import upload_form
from app.web.pages.tiles import Tile, tile

pages = Blueprint("history", __name__)
PAGE = 24
# Minutes; no time zone is further from UTC.
MAX_OFFSET = 24 * 60


@pages.get("/runs")
@pages.get("/board", endpoint="board")
def page() -> ResponseReturnValue:
    """The visitor's photos and batches; `cursor` continues with older ones.

    A search by `class` or `q`, a text in the photo or its name, shows the photos of batches one by one.
    Days are in UTC, or in the time zone that is `from_offset` minutes ahead of UTC at `from`, and `to_offset` at `to`.
    """
    store = services().store
    mine = visitor()
    names = ("class", "q", "from", "from_offset", "to", "to_offset")
    asked = {name: request.args.get(name, "").strip() for name in names}
    if len(asked["q"]) > MAX_SEARCH:
        raise BadRequest(f"A search takes at most {MAX_SEARCH} characters.")
    cursor = request.args.get("cursor", "")
    entries, next_cursor = _entries(mine, asked, cursor)
    given = {name: value for name, value in asked.items() if value}
    removed_count = removed()
    return render_template(
        "history.html",
        days=_by_day([tile(entry) for entry in entries]),
        next_cursor=next_cursor,
        cursor=cursor,
        classes=store.history_classes(mine),
        asked=asked,
        given=given,
        removed=removed_count,
        formats=FORMATS,
        max_search=MAX_SEARCH,
        max_count=MAX_COUNT,
        retention=services().settings.retention_days,
        upload=None if entries or given or cursor or removed_count else upload_form(),
    )


def _entries(owner: str, asked: Mapping[str, str], cursor: str) -> tuple[Sequence[Entry], str | None]:
    """What was asked for, and where it goes on."""
    since = _midnight(asked["from"], asked["from_offset"])
    until = _midnight(asked["to"], asked["to_offset"], timedelta(days=1))
    where: dict[str, Any] = {"cursor": cursor or None, "limit": PAGE, "since": since, "until": until}
    store = services().store
    if not asked["class"] and not asked["q"]:
        found = store.gallery(owner, **where)
        return found.entries, found.next_cursor
    runs = store.history(owner, class_name=asked["class"] or None, text=asked["q"] or None, **where)
    return runs.runs, runs.next_cursor


def _by_day(tiles: list[Tile]) -> list[tuple[datetime, list[Tile]]]:
    """Tiles by their days in UTC; the page's script puts them by the visitor's own."""
    days = itertools.groupby(tiles, key=lambda tile: tile.created_at.date())
    return [(group[0].created_at, group) for group in (list(group) for _, group in days)]


def _midnight(day: str, offset: str, plus: timedelta = timedelta()) -> datetime | None:
    """The start of a day, from a date field and an offset in minutes ahead of UTC. Raises BadRequest."""
    if not day:
        return None
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC) + plus - _ahead(offset)
    except (ValueError, OverflowError) as error:
        raise BadRequest("This is not a date. Dates look like 2026-11-21.") from error


def _ahead(offset: str) -> timedelta:
    if not offset:
        return timedelta()
    if not re.fullmatch(r"-?\d{1,4}", offset, re.ASCII) or abs(int(offset)) > MAX_OFFSET:
        raise BadRequest("An offset is a number of minutes ahead of UTC, such as 60 or -300.")
    return timedelta(minutes=int(offset))
