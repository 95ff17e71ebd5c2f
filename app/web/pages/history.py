"""A visitor's own runs, newest first."""

from datetime import UTC, datetime, timedelta

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.errors import BadRequest
from app.web import services
from app.web.pages import start
from app.web.security import owner

pages = Blueprint("history", __name__)
PAGE = 24
THUMBNAIL = 480


@pages.get("/runs")
def page() -> ResponseReturnValue:
    """Thumbnails of the visitor's runs; `class`, `from` and `to` narrow them, `cursor` leads to older ones."""
    store = services().store
    visitor = owner()
    asked = {name: request.args.get(name, "").strip() for name in ("class", "from", "to")}
    found = store.history(
        visitor,
        cursor=request.args.get("cursor") or None,
        limit=PAGE,
        class_name=asked["class"] or None,
        since=_date(asked["from"]),
        until=_date(asked["to"], timedelta(days=1)),
    )
    given = {name: value for name, value in asked.items() if value}
    return render_template(
        "history.html",
        runs=found.runs,
        next_cursor=found.next_cursor,
        later="cursor" in request.args,
        classes=store.history_classes(visitor),
        asked=asked,
        given=given,
        thumbnail=THUMBNAIL,
        retention=services().settings.retention_days,
        upload=None if found.runs or given or "cursor" in request.args else start.form(),
    )


def _date(text: str, plus: timedelta = timedelta()) -> datetime | None:
    """The beginning of a day in UTC, from a date field. Raises BadRequest."""
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + plus
    except (ValueError, OverflowError) as error:
        raise BadRequest("This is not a date. Dates look like 2026-11-21.") from error
