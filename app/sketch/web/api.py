"""`POST /drawings`: a drawing in, an animal or "not sure" out. Answered at once: nothing is queued, nothing is kept."""

from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt
from flask import Response, request
from pydantic import ConfigDict, FailFast, Field, JsonValue, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from app.errors import UploadTooLarge
from app.sketch import Guess
from app.sketch.web.guessing import NothingDrawn, Seen, guesser
from app.web.api import schemas
from app.web.api.blueprint import answer, answers, api, json_bodies
from app.web.api.problems import InvalidRequest
from app.web.common.inputs import Strict, optional
from app.web.common.received import body_bytes

MOST_POINTS = 20_000
# Room for that many with all the digits that a number can have; parsed, a body takes thirty times its size.
MOST_JSON_BYTES = 2 * 1024 * 1024
# A fish, to try it with.
FISH: JsonValue = [
    [[60, 90, 150, 210, 240, 200, 140, 90, 60], [75, 40, 25, 45, 75, 105, 120, 105, 75]],
    [[60, 5, 5, 60], [75, 35, 115, 75]],
    [[205, 206], [62, 63]],
]

Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
# Two lists of one length; what else lies beside them, like the times of QuickDraw's raw files, is not read.
Columns = Annotated[list[Annotated[list[Number], FailFast()]], Field(min_length=2, max_length=3), FailFast()]
Points = Annotated[list[Annotated[list[Number], Field(min_length=2, max_length=2), FailFast()]], FailFast()]


class DrawingJson(Strict):
    """A drawing as strokes, x to the right and y down, in any unit: in one of two forms."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"strokes": FISH}]})

    strokes: Annotated[list[Columns], FailFast()] = optional(
        "QuickDraw's form: each stroke is the list of its x and the list of its y, of one length. "
        f"At most {MOST_POINTS:,} points in all."
    )
    points: Annotated[list[Points], FailFast()] = optional("The same as points: each stroke is a list of [x, y].")
    canvas: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)] = optional(
        "Side of the canvas in the same unit; with it, a drawing smaller than a 25th of it counts as none."
    )

    @model_validator(mode="after")
    def _one_form_of_even_strokes(self) -> Self:
        columns, points = self.strokes or [], self.points or []
        if (self.strokes is None) == (self.points is None):
            raise _wrong("Send either `strokes` or `points`")
        if any(len(set(map(len, stroke))) > 1 for stroke in columns):
            raise _wrong("The lists of a stroke must be of one length")
        if sum(len(stroke[0]) for stroke in columns) + sum(map(len, points)) > MOST_POINTS:
            raise _wrong(f"A drawing may have at most {MOST_POINTS:,} points")
        return self

    def arrays(self) -> list[npt.NDArray[np.float64]]:
        """The strokes, each (N, 2), N at least 1."""
        drawn = [np.array(stroke[:2], np.float64).T for stroke in self.strokes or []]
        drawn += [np.array(stroke, np.float64).reshape(-1, 2) for stroke in self.points or []]
        return [stroke for stroke in drawn if len(stroke)]


json_bodies["/drawings"] = DrawingJson


def _wrong(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("drawing", sentence)


def guess_json() -> Seen:
    """Guess from the request's JSON. Raises UploadTooLarge, InvalidRequest, NothingDrawn, GuessingUnavailable."""
    if (request.content_length or 0) > MOST_JSON_BYTES:
        raise UploadTooLarge(f"These strokes are larger than {MOST_JSON_BYTES // 2**20} MB, the most that is taken.")
    data = request.get_data(cache=False)
    if not data:
        raise NothingDrawn
    try:
        drawing = DrawingJson.model_validate_json(data)
    except ValidationError as error:
        raise InvalidRequest.from_validation(error) from error
    return guesser().strokes(drawing.arrays(), drawing.canvas)


@api.post(
    "/drawings",
    operation_id="recogniseDrawing",
    summary="Say which animal a drawing shows",
    responses=answers(408, 411, 413, 415, s200=schemas.Drawing),
)
def recognise_drawing() -> Response:
    """Send an image of a line drawing as the raw body, or its strokes as JSON.

    The answer is a cat, dog, fish, giraffe, camel or octopus, or "not sure". Nothing is kept of it. A sheet with
    nothing on it, or an image that is no line drawing, is a problem with status 422.
    """
    is_json = request.mimetype == "application/json" or request.mimetype.endswith("+json")
    seen = guess_json() if is_json else guesser().image(body_bytes())
    return answer(body(seen.guess))


def body(guess: Guess) -> dict[str, Any]:
    """A guess as `schemas.Drawing`."""
    members = {"answer": guess.answer, "sure": guess.sure, "not_sure": guess.not_sure}
    return members | {"probabilities": guess.probabilities, "seconds": round(guess.seconds, 6)}
