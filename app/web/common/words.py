"""Numbers and times in plain English; filters for the templates."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from flask import Flask
from markupsafe import Markup, escape

from app.errors import READABLE
from app.intake.formats import MEDIA_TYPES, SUFFIXES
from app.vision import view

NBSP = "\u00a0"
# What a waiting run is told where no worker can take it.
LOADING = "Waiting: the models are being loaded"
NO_WORKER = "Waiting: no worker is running"
# Classes that a tally names.
MAX_NAMED = 3
# Nouns of the models whose plural is not made by a rule.
IRREGULAR = {
    **dict.fromkeys(("broccoli", "deer", "fish", "scissors", "sheep", "skis", "text"), ""),
    "child": "children",
    "knife": "knives",
    "man": "men",
    "mouse": "mice",
    "woman": "women",
}


def init_app(app: Flask) -> None:
    """Register the filters and functions for the templates."""
    app.jinja_env.filters.update(
        percent=percent, seconds=seconds, day=day, clock=clock, code=code, with_article=with_article
    )
    app.jinja_env.globals.update(
        count=count, of_ten=of_ten, readable=READABLE, accepted=",".join((*MEDIA_TYPES, *SUFFIXES))
    )


def percent(share: float) -> str:
    """0.984 -> `98 %`, rounded as on the pictures, with a no-break space."""
    return view.percent(share).replace(" ", NBSP)


def seconds(value: float) -> str:
    """0.914 -> `0.9 s`; 12.3 -> `12 s`; 150 -> `3 min`."""
    if value < 0.1:
        return f"{max(value, 0.01):.2f}{NBSP}s"
    if value < 9.95:
        return f"{value:.1f}{NBSP}s"
    if value < 99.5:
        return f"{value:.0f}{NBSP}s"
    return f"{value / 60:.0f}{NBSP}min"


def count(n: int, one: str, many: str = "") -> str:
    """`no photos`, `1 photo`, `2 photos`."""
    return f"{n or 'no'}{NBSP}{one if n == 1 else many or one + 's'}"


def plural(name: str) -> str:
    """`persons`, `buses`, `wine glasses`; names in other letters stay as they are."""
    head, space, noun = name.rpartition(" ")
    if noun.lower() in IRREGULAR:
        return f"{head}{space}{IRREGULAR[noun.lower()] or noun}"
    if not re.search(r"[A-Za-z]$", noun):
        return name
    if re.search(r"[^aeiou]y$", noun, re.IGNORECASE):
        return f"{name[:-1]}ies"
    return name + ("es" if re.search(r"(s|x|z|ch|sh)$", noun, re.IGNORECASE) else "s")


def tally(counts: Mapping[str, int], limit: int = MAX_NAMED) -> str:
    """`3 persons, 1 dog`, the most frequent first; beyond `limit` classes, `and 2 more` of these."""
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    named = [f"{n}{NBSP}{name if n == 1 else plural(name)}" for name, n in ordered[:limit] if n]
    more = sum(n > 0 for _, n in ordered[limit:])
    return ", ".join(named) + (f" and {more}{NBSP}more" if more else "")


def of_ten(name: str, found: int, labelled: int) -> str:
    """`6 of 10 persons`, of 145 found where 233 are."""
    return f"{round(10 * found / labelled)} of 10{NBSP}{plural(name)}"


def listed(names: Sequence[str]) -> str:
    """`cat`, `cat and dog`, `cat, dog and person`."""
    *first, last = names or ("",)
    return f"{', '.join(first)} and {last}" if first else last


def with_article(name: str) -> str:
    """`a cat`, `an octopus`."""
    return f"{'an' if name[:1].lower() in set('aeiou') else 'a'} {name}"


def ordinal(n: int) -> str:
    """1 -> `1st`."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def day(value: datetime, now: datetime | None = None) -> str:
    """`28 Nov`, with the year unless it is the current one."""
    this_year = value.year == (now or datetime.now(UTC)).year
    return f"{value.day}{NBSP}{value:%b}" + ("" if this_year else f"{NBSP}{value.year}")


def clock(value: datetime) -> str:
    """`14:05` in UTC; the page's script converts it to the visitor's time zone."""
    return f"{value:%H:%M}"


def code(text: str) -> Markup:
    """Safe HTML in which text between `backticks` is code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def waiting(state: str, position: int | None, eta: float | None) -> str:
    """The progress of a waiting run: `2nd in the queue, about 4 s`."""
    about = f", about{NBSP}{max(1, round(eta))}{NBSP}s" if eta is not None else ""
    if state == "running":
        return f"Looking at the photo{about}"
    if position is None:
        return f"In the queue{about}"
    return f"{'Next' if position == 1 else ordinal(position)} in the queue{about}"
