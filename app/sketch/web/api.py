"""`POST /drawings`: a drawing in, an animal or "not sure" out. Nothing is queued and nothing is stored."""

from typing import Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from flask import Response, request
from pydantic import BaseModel, ConfigDict, FailFast, Field, JsonValue, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from app.errors import UploadTooLarge
from app.intake.formats import MEDIA_TYPES
from app.sketch import Guess
from app.sketch.web.guesser import NothingDrawn, Recognition, guesser
from app.web.api.blueprint import api, describe, describe_body, json_response
from app.web.common.bodies import body_bytes, json_bytes
from app.web.common.inputs import InvalidRequest, Strict, optional

MAX_POINTS = 20_000
# Enough for MAX_POINTS with all digits of a float. Parsed, a body takes thirty times its size in memory.
MAX_JSON_BYTES = 2 * 1024 * 1024
# Three for each point, and some for the strokes.
MAX_JSON_VALUES = 4 * MAX_POINTS
# The example of the documentation: a fish.
FISH: JsonValue = [
    [[60, 90, 150, 210, 240, 200, 140, 90, 60], [75, 40, 25, 45, 75, 105, 120, 105, 75]],
    [[60, 5, 5, 60], [75, 35, 115, 75]],
    [[205, 206], [62, 63]],
]

Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
# Two lists of the same length; a third one, such as the times of QuickDraw's raw files, is ignored.
Columns = Annotated[list[Annotated[list[Number], FailFast()]], Field(min_length=2, max_length=3), FailFast()]
Points = Annotated[list[Annotated[list[Number], Field(min_length=2, max_length=2), FailFast()]], FailFast()]


class DrawingJson(Strict):
    """A drawing as strokes in one of two forms, x to the right and y down, in any unit."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"strokes": FISH}]})

    strokes: Annotated[list[Columns], FailFast()] = optional(
        "QuickDraw's form: each stroke is a list of its x and a list of its y, of the same length. "
        f"At most {MAX_POINTS:,} points in all."
    )
    points: Annotated[list[Points], FailFast()] = optional("The same as points: each stroke is a list of [x, y].")
    canvas: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)] = optional(
        "Side of the canvas in the same unit. A drawing smaller than a 25th of it counts as nothing drawn."
    )

    @model_validator(mode="after")
    def _one_form_of_even_strokes(self) -> Self:
        columns, points = self.strokes or [], self.points or []
        if (self.strokes is None) == (self.points is None):
            raise _wrong("Send either `strokes` or `points`")
        if any(len(set(map(len, stroke))) > 1 for stroke in columns):
            raise _wrong("The lists of a stroke must have the same length")
        if sum(len(stroke[0]) for stroke in columns) + sum(map(len, points)) > MAX_POINTS:
            raise _wrong(f"A drawing may have at most {MAX_POINTS:,} points")
        return self

    def arrays(self) -> list[npt.NDArray[np.float64]]:
        """The strokes, each (N, 2) with N at least 1."""
        drawn = [np.array(stroke[:2], np.float64).T for stroke in self.strokes or []]
        drawn += [np.array(stroke, np.float64).reshape(-1, 2) for stroke in self.points or []]
        return [stroke for stroke in drawn if len(stroke)]


class DrawingForm(Strict):
    """A form with the image of a drawing."""


def _wrong(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("drawing", sentence)


class ProbabilitiesOut(BaseModel):
    """Of the six animals, given that it is one of them; they sum to 1."""

    cat: float
    dog: float
    fish: float
    giraffe: float
    camel: float
    octopus: float


class Drawing(BaseModel):
    """What a drawing shows."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "answer": "fish",
                "sure": True,
                "not_sure": 0.04,
                "probabilities": {
                    "cat": 0.01,
                    "dog": 0.01,
                    "fish": 0.95,
                    "giraffe": 0.01,
                    "camel": 0.01,
                    "octopus": 0.01,
                },
                "seconds": 0.004,
            }
        }
    )

    answer: Literal["cat", "dog", "fish", "giraffe", "camel", "octopus", "not sure"]
    sure: bool = Field(description="Whether an animal is named.")
    not_sure: float = Field(description="Probability that the drawing shows none of the six.")
    probabilities: ProbabilitiesOut
    seconds: float = Field(description="Seconds that looking at the drawing took.")


@api.post(
    "/drawings",
    operation_id="recogniseDrawing",
    summary="Recognise a drawing of an animal",
    responses=describe(408, 411, 413, 415, s200=Drawing),
    openapi_extensions=describe_body(*MEDIA_TYPES, json=DrawingJson, form=DrawingForm, max_files=1),
)
def recognise_drawing() -> Response:
    """Send an image of a line drawing as the raw body or as a form's file, or its strokes as JSON.

    The answer is a cat, dog, fish, giraffe, camel or octopus, or "not sure". Nothing is stored. A blank sheet, or an
    image that is not a line drawing, is an error with status 422.
    """
    is_json = request.mimetype == "application/json" or request.mimetype.endswith("+json")
    recognition = recognise_json() if is_json else guesser().from_image(body_bytes())
    return json_response(guess_json(recognition.guess))


def recognise_json() -> Recognition:
    """Guess from the request's JSON. Raises UploadTooLarge, InvalidRequest, NothingDrawn, RecogniserUnavailable."""
    if (request.content_length or 0) > MAX_JSON_BYTES:
        raise UploadTooLarge(f"These strokes are larger than the maximum of {MAX_JSON_BYTES // 2**20} MB.")
    data = json_bytes(MAX_JSON_VALUES)
    if not data:
        raise NothingDrawn
    try:
        drawing = DrawingJson.model_validate_json(data)
    except ValidationError as error:
        raise InvalidRequest.from_validation(error) from error
    return guesser().from_strokes(drawing.arrays(), drawing.canvas)


def guess_json(guess: Guess) -> dict[str, Any]:
    """A guess as `Drawing`."""
    members = {"answer": guess.answer, "sure": guess.sure, "not_sure": guess.not_sure}
    return members | {"probabilities": guess.probabilities, "seconds": round(guess.seconds, 6)}
