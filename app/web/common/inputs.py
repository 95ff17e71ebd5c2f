"""What the API takes, as the pydantic models that check requests and describe them in the OpenAPI file."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from app.vision.export import FORMATS

# At four decimals, as scores are shown and compared everywhere.
Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), AfterValidator(lambda value: round(value, 4))]
LONGEST_WAIT = 60
# What PostgreSQL takes neither as text nor inside of JSON.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is out of range") from error


def _storable(value: str) -> str:
    if _UNSTORABLE.search(value):
        raise ValueError("the text has a NUL character or half of a surrogate pair")
    return value


Moment = Annotated[datetime, AfterValidator(_utc)]
Text = Annotated[str, AfterValidator(_storable)]
Names = list[Text]
# In a body, names may also come as one text.
BodyNames = Annotated[
    list[Text],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}),
]


def optional(description: str, **constraints: Any) -> Any:
    """A field that may be left out, and is then None; null is not a value that it takes.

    That is why its type says nothing of None: the schema, and the sentence about a wrong value, name the type alone.
    """
    return Field(default=None, description=description, json_schema_extra=_without_default, **constraints)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


class Strict(BaseModel):
    """Input with a misspelt name is refused rather than ignored."""

    model_config = ConfigDict(extra="forbid")


class RunPath(BaseModel):
    run_id: str = Field(description="The run's id.", json_schema_extra={"example": "Zk3mW0cJ9QyT5tq2hXn1Lw"})


class BatchPath(BaseModel):
    batch_id: str = Field(description="The batch's id.")


class ResultOptions(Strict):
    """How a result is shown. Nothing here makes the detector work again."""

    threshold: Score = optional("Least score of an instance that is listed. Default: what the run asked for.")
    classes: Names = optional("Names of the classes to list, repeated or separated by commas. Default: all.")
    exclude: Names = optional("Names of the classes to leave out.")
    coordinates: Literal["pixels", "normalized"] = Field(
        default="pixels", description="Boxes, landmarks and polygons in pixels of the upright photo, or in 0..1 of it."
    )
    masks: Literal["rle", "polygon", "none"] = Field(
        default="rle", description="Masks as COCO RLE (always in pixels), as polygons, or left out."
    )


class CreateQuery(Strict):
    """What is asked of a photo, and how long the answer may take."""

    analyses: Names = optional("Analyses wanted, repeated or separated by commas. Default: objects.")
    threshold: Score = optional("Least score shown where a later request names none.")
    classes: Names = optional("Names of the classes shown, repeated or separated by commas. Default: all.")
    webhook: str = optional("Address that gets the result when the run ends.", max_length=2000)
    name: str = optional("File name of a photo sent as the raw body.", max_length=255)
    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT, allow_inf_nan=False)] = optional(
        f"Seconds, up to {LONGEST_WAIT}, that the answer may be held until the result is there."
    )
    coordinates: Literal["pixels", "normalized"] = "pixels"
    masks: Literal["rle", "polygon", "none"] = "rle"


class CreateHeaders(BaseModel):
    idempotency_key: str = optional(
        "Makes a repeated request safe: the same key gives the same run for 24 hours.",
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
    )
    prefer: str = optional("`wait=SECONDS`, as the query parameter `wait`.", alias="Prefer")


class CreateForm(Strict):
    """The options beside the files of a form."""

    analyses: BodyNames = optional("Analyses wanted, repeated or separated by commas. Default: objects.")
    threshold: Score = optional("Least score shown where a later request names none.")
    classes: BodyNames = optional("Names of the classes shown, repeated or separated by commas. Default: all.")
    webhook: str = optional("Address that gets the result when the run ends.", max_length=2000)


class CreateJson(CreateForm):
    """A photo by its address or as base64 (a data URL works too), with the options."""

    url: str = optional("Public http or https address of a photo.", max_length=2000)
    image: str = optional("The photo's bytes in base64.")
    name: str = optional("File name of the photo.", max_length=255)


class ImageQuery(Strict):
    threshold: Score = optional("Least score of an instance that is drawn. Default: what the run asked for.")
    classes: Names = optional("Names of the classes to draw, repeated or separated by commas. Default: all.")
    exclude: Names = optional("Names of the classes to leave out.")
    masks: bool = Field(default=True, description="Draw the masks.")
    boxes: bool = Field(default=True, description="Draw the boxes.")
    labels: bool = Field(default=True, description="Write the names and scores.")
    faces: bool = Field(default=True, description="Draw the faces.")
    max_size: Annotated[int, Field(ge=16, le=16384)] = optional("Longest side of the image, in pixels.")
    format: Literal["jpeg", "png", "webp"] = Field(default="jpeg", description="File format of the image.")


class ExportQuery(Strict):
    format: str = Field(
        description="Name of the export format.", json_schema_extra={"enum": [*FORMATS], "example": "coco"}
    )
    threshold: Score = optional("Least score of an exported instance. Default: what the run asked for.")
    classes: Names = optional("Names of the classes to export, repeated or separated by commas. Default: all.")
    exclude: Names = optional("Names of the classes to leave out.")


class HistoryQuery(Strict):
    cursor: str = optional("Where to go on: `next` of the answer before.", max_length=200)
    limit: Annotated[int, Field(ge=1, le=100)] = Field(default=24, description="Most runs in one answer.")
    class_name: Text = optional("Only runs in which this class was found.", alias="class", max_length=80)
    since: Moment = optional("Only runs made at or after this time (ISO 8601; UTC where it names no zone).")
    until: Moment = optional("Only runs made before this time.")
