"""The history: a visitor's own runs, newest first."""

import re
from datetime import UTC, datetime, timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.errors import BadRequest
from app.web.common.inputs import MAX_SEARCH
from app.web.common.security import visitor
from app.web.common.services import services
from app.web.pages.start import upload_form

pages = Blueprint("history", __name__)
PAGE = 24
THUMBNAIL = 480
# Minutes; no time zone is further from UTC.
MAX_OFFSET = 24 * 60


@pages.get("/runs")
def page() -> ResponseReturnValue:
    """Thumbnails of the visitor's runs, by `class`, text `q`, `from` and `to`; `cursor` continues with older ones.

    Days are in UTC, or in the time zone that is `from_offset` minutes ahead of UTC at `from`, and `to_offset` at `to`.
    """
    store = services().store
    mine = visitor()
    names = ("class", "q", "from", "from_offset", "to", "to_offset")
    asked = {name: request.args.get(name, "").strip() for name in names}
    if len(asked["q"]) > MAX_SEARCH:
        raise BadRequest(f"A search takes at most {MAX_SEARCH} characters.")
    runs = store.history(
        mine,
        cursor=request.args.get("cursor") or None,
        limit=PAGE,
        class_name=asked["class"] or None,
        text=asked["q"] or None,
        since=_midnight(asked["from"], asked["from_offset"]),
        until=_midnight(asked["to"], asked["to_offset"], timedelta(days=1)),
    )
    given = {name: value for name, value in asked.items() if value}
    return render_template(
        "history.html",
        runs=runs.runs,
        next_cursor=runs.next_cursor,
        later="cursor" in request.args,
        classes=store.history_classes(mine),
        asked=asked,
        given=given,
        thumbnail=THUMBNAIL,
        max_search=MAX_SEARCH,
        retention=services().settings.retention_days,
        upload=None if runs.runs or given or "cursor" in request.args else upload_form(),
    )


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
