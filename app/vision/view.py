"""Views: what to show of a stored result, and how. Made from a request's arguments, without new inference."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.errors import BadRequest
from app.vision.rows import Row

MEDIA_TYPES: Final = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}
FORMATS: Final = tuple(MEDIA_TYPES)
# Suffixes of file names by format; the first one is used for our files.
EXTENSIONS: Final = {"jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"), "png": (".png",), "webp": (".webp",)}
# Whose answer is shown: the model's, or where a person has corrected it, that.
MODEL, CORRECTED = SOURCES = ("model", "corrected")
# The arguments that select rows.
FILTERS: Final = ("threshold", "classes", "exclude")
MIN_SIZE, MAX_SIZE = 16, 16_384
_FLAGS = ("masks", "boxes", "labels", "faces")
COLOURS: Final = ("class", "object")
_NAMES = (*FILTERS, *_FLAGS, "max_size", "format", "source", "colours")
_TRUE = ("1", "true", "yes", "on")
_FALSE = ("0", "false", "no", "off")


def percent(score: float) -> str:
    """A score as a percentage, `98 %`: `100 %` only for 1, and `0 %` only for 0."""
    whole = math.floor(100 * score + 0.5)  # As browsers round; Python rounds 6.5 to 6.
    if score < 1:
        whole = min(whole, 99)
    if score > 0:
        whole = max(whole, 1)
    return f"{whole} %"


@dataclass(frozen=True)
class View:
    """One way of showing a result. Equal views have equal keys.

    threshold: minimum score shown, at four decimals; classes: names shown, None or none for all; exclude: names hidden;
    masks, boxes, labels, faces: what is drawn (masks: the box of what has no mask; boxes: around masks too; labels:
    tags, and the caption of what the whole photo shows); colours: one for each `class`, or one for each `object`;
    max_size: longest side in pixels, None for the photo's own; format: jpeg, png or webp.
    source: `corrected` for the correction where there is one, `model` for the model's answer in any case.
    Names are compared without regard to case.
    """

    threshold: float = 0.5
    classes: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    masks: bool = True
    boxes: bool = False
    labels: bool = True
    max_size: int | None = None
    format: str = "jpeg"
    faces: bool = True
    source: str = CORRECTED
    colours: str = "class"

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", round(float(self.threshold), 4) + 0.0)
        object.__setattr__(self, "exclude", _distinct(self.exclude))
        object.__setattr__(self, "classes", _distinct(self.classes or ()) or None)

    @classmethod
    def from_args(cls, args: Mapping[str, Any], default_threshold: float = 0.5) -> "View":
        """Read a query, form or JSON mapping.

        A list of names is separated by commas (`\\,` for a comma in a name) or given by repeating the argument, which
        needs a mapping with `getlist`, as Werkzeug's, or a list as the value. The last value of a repeated flag counts:
        a form sends `masks=0` from a hidden field before the box that sends `masks=1`. Empty values and other arguments
        are ignored. Leave out the `format` of an export, which has another meaning.

        Raises:
            BadRequest: a malformed value, or a misspelt name.
        """
        given = {name: _values(args, name) for name in _NAMES}
        for name in args:
            close = difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.8) if name not in given else []
            if close:
                raise BadRequest(f"There is no argument {_quoted(name)}; did you mean {close[0]}?")
        flags = {name: flag(name, given[name][-1]) for name in _FLAGS if given[name]}
        return cls(
            threshold=_threshold(given["threshold"][-1]) if given["threshold"] else default_threshold,
            classes=_split(given["classes"]),
            exclude=_split(given["exclude"]),
            max_size=_max_size(given["max_size"][-1]) if given["max_size"] else None,
            format=_format(given["format"][-1]) if given["format"] else "jpeg",
            source=_source(given["source"][-1]) if given["source"] else CORRECTED,
            colours=_colours(given["colours"][-1]) if given["colours"] else "class",
            **flags,
        )

    @classmethod
    def plain(cls, max_size: int | None = None, format: str = "jpeg") -> "View":
        """The upright photo alone."""
        return cls(masks=False, boxes=False, labels=False, faces=False, max_size=max_size, format=format)

    @property
    def draws(self) -> bool:
        """Whether anything is drawn. If not, a photo can be shown before it has a result."""
        return self.masks or self.boxes or self.labels or self.faces

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.format]

    def shows(self, name: str) -> bool:
        """Whether rows of this class are shown."""
        key = name.casefold()
        if key in {n.casefold() for n in self.exclude}:
            return False
        return self.classes is None or key in {n.casefold() for n in self.classes}

    def select(self, rows: Iterable[Row]) -> list[Row]:
        """The rows that this view shows, in their order."""
        return [row for row in rows if self.reaches(row) and self.shows_row(row)]

    def shows_row(self, row: Row) -> bool:
        """Whether a row's class and layer are shown, whatever its score."""
        return (not row.layer or bool(getattr(self, row.layer))) and self.shows(row.name)

    def reaches(self, row: Row) -> bool:
        """Whether a row's score reaches the threshold."""
        return row.shown_score >= self.threshold

    def key(self) -> str:
        """The view as one line of text for use as a cache key."""
        return "&".join(f"{name}={value}" for name, value in sorted(self._texts().items()))

    def to_args(self) -> dict[str, str]:
        """Arguments from which `from_args` makes this view: the threshold, and what differs from the defaults."""
        texts, defaults = self._texts(), View()._texts()
        return {name: value for name, value in texts.items() if name == "threshold" or value != defaults[name]}

    def _texts(self) -> dict[str, str]:
        texts = {
            "threshold": f"{self.threshold:g}",
            "classes": _joined(self.classes or ()),
            "exclude": _joined(self.exclude),
            "max_size": str(self.max_size or ""),
            "format": self.format,
            "source": self.source,
            "colours": self.colours,
        }
        return texts | {name: "1" if getattr(self, name) else "0" for name in _FLAGS}


def _values(args: Mapping[str, Any], name: str) -> list[str]:
    """All values given for a name as stripped texts, without the empty ones."""
    getlist = getattr(args, "getlist", None)
    value = getlist(name) if getlist else args.get(name)
    values = value if isinstance(value, (list, tuple)) else [value]
    return [text for v in values if v is not None and (text := str(v).strip())]


def _threshold(text: str) -> float:
    number = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(\s*%)?", text, re.ASCII)
    value = float(number[1]) / (100 if number[2] else 1) if number else -1.0
    if not 0 <= value <= 1:
        raise BadRequest(f"threshold must be a number from 0 to 1, or from 0 % to 100 %, not {_quoted(text)}.")
    return value


def flag(name: str, text: str) -> bool:
    """The boolean value of an argument. Raises BadRequest."""
    if text.lower() not in _TRUE + _FALSE:
        raise BadRequest(f"{name} must be 1 or 0, not {_quoted(text)}.")
    return text.lower() in _TRUE


def _max_size(text: str) -> int:
    number = re.fullmatch(r"(\d{1,9})(\s*px)?", text, re.ASCII)
    if not number or not MIN_SIZE <= int(number[1]) <= MAX_SIZE:
        raise BadRequest(f"max_size must be a whole number of pixels from {MIN_SIZE} to {MAX_SIZE}.")
    return int(number[1])


def _format(text: str) -> str:
    format = {"jpg": "jpeg"}.get(text.lower(), text.lower())
    if format not in FORMATS:
        raise BadRequest(f"format must be one of {', '.join(FORMATS)}, not {_quoted(text)}.")
    return format


def _source(text: str) -> str:
    if text.lower() not in SOURCES:
        raise BadRequest(f"source must be one of {', '.join(SOURCES)}, not {_quoted(text)}.")
    return text.lower()


def _colours(text: str) -> str:
    if text.lower() not in COLOURS:
        raise BadRequest(f"colours must be one of {', '.join(COLOURS)}, not {_quoted(text)}.")
    return text.lower()


def _split(values: Iterable[str]) -> tuple[str, ...]:
    parts = [part for value in values for part in re.findall(r"(?:\\.|[^,\\]|\\$)+", value, re.DOTALL)]
    return tuple(name for part in parts if (name := re.sub(r"\\([,\\])", r"\1", part).strip()))


def _joined(names: Iterable[str]) -> str:
    return ",".join(name.replace("\\", "\\\\").replace(",", "\\,") for name in names)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Names in order, without white space, each once regardless of case."""
    by_key = {name.strip().casefold(): name.strip() for name in sorted(names)}
    return tuple(by_key[key] for key in sorted(by_key) if key)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
