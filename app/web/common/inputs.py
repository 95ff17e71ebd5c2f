"""What the API takes, as the pydantic models that validate requests and describe them in the OpenAPI file."""

import functools
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)

from app.datasets.classes import BOTH, Classes
from app.datasets.write import FORMATS as DATA_SET_FORMATS
from app.errors import PublicError
from app.vision.export import FORMATS

M = TypeVar("M", bound=BaseModel)
MAX_NAMES = 4_000  # characters of all names in a list
MAX_WAIT = 60  # seconds
MAX_SEARCH = 200  # characters
MAX_ERRORS, MAX_PART = 20, 80  # errors that an answer lists, and characters of a name in it
MAX_OBJECTS = 2_000  # in a correction
MAX_POINTS = 20_000  # of one polygon
# What PostgreSQL takes neither as text nor inside JSON.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class InvalidRequest(PublicError):
    """The request is well-formed, but some of its values are not valid; `errors` says which."""

    status, code, message = 422, "invalid-request", "Some values of this request are not valid."

    def __init__(self, message: str | None = None, errors: Sequence[dict[str, Any]] = ()):
        super().__init__(message)
        self.errors = list(errors)

    @classmethod
    def from_validation(cls, error: ValidationError) -> "InvalidRequest":
        """The error that says what pydantic found."""
        found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]
        errors = [{"loc": [_short_part(part) for part in entry["loc"]], "msg": entry["msg"]} for entry in found]
        first = errors[0]
        where = ".".join(str(part) for part in first["loc"])
        return cls(f"{where}: {first['msg']}." if where else f"{first['msg']}.", errors)

    @classmethod
    def raise_from(cls, error: ValidationError) -> NoReturn:
        """Raise the error that says what pydantic found."""
        raise cls.from_validation(error) from error


def _short_part(part: int | str) -> int | str:
    """A part of where an error is: a place, or a name that may be the client's own."""
    return part if isinstance(part, int) or len(part) <= MAX_PART else f"{part[: MAX_PART - 1]}…"


def validated(model: type[M], values: Any) -> M:
    """The values as a model. Raises InvalidRequest."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        InvalidRequest.raise_from(error)


def _utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time is out of range") from error


def _storable(value: str) -> str:
    if _UNSTORABLE.search(value):
        raise ValueError("the text has a NUL character or half of a surrogate pair")
    return value


def _short(names: list[str]) -> list[str]:
    """Names are stored with a run, and compared with every instance whenever it is shown."""
    if sum(map(len, names)) > MAX_NAMES or len(names) > MAX_NAMES:
        raise ValueError(f"the names have more than {MAX_NAMES:,} characters together")
    return names


# Rounded to four decimals, as scores are shown and compared everywhere.
Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), AfterValidator(lambda value: round(value, 4))]
Seconds = Annotated[float, Field(ge=0, le=MAX_WAIT, allow_inf_nan=False)]
Moment = Annotated[datetime, AfterValidator(_utc)]
Text = Annotated[str, AfterValidator(_storable)]
Names = Annotated[list[Text], AfterValidator(_short)]
# In a body, names may also be a single text.
BodyNames = Annotated[
    Names,
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    WithJsonSchema({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]}),
]
Coordinates = Literal["pixels", "normalized"]
MaskForm = Literal["rle", "polygon", "none"]
AnswerSource = Literal["model", "corrected"]
Finite = Annotated[float, Field(allow_inf_nan=False)]
ClassName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), AfterValidator(_storable)
]


def optional(description: str, **constraints: Any) -> Any:
    """A field that may be left out, and is then None. An explicit null is not valid.

    So its type does not mention None, and neither do the schema and the message about a wrong value.
    """
    return Field(default=None, description=description, json_schema_extra=_without_default, **constraints)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


ANALYSES = "Analyses to run, repeated or separated by commas. Default: objects."
THRESHOLD = "Minimum score shown where a later request has no threshold."
CLASSES = "Classes shown where a later request names none, repeated or separated by commas. Default: all."
WEBHOOK = "Address that receives the result when the run ends."


class Input(BaseModel):
    """A part of a request. Its schema, which flask-openapi3 asks for with every request, is made once."""

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        return super().model_json_schema(*args, **options) if args or options else cls._plain_schema()

    @classmethod
    @functools.cache
    def _plain_schema(cls) -> dict[str, Any]:
        return super().model_json_schema()


class Strict(Input):
    """Input in which an unknown name is an error."""

    model_config = ConfigDict(extra="forbid")


class RunPath(Input):
    run_id: str = Field(description="The run's id.", json_schema_extra={"example": "Zk3mW0cJ9QyT5tq2hXn1Lw"})


class BatchPath(Input):
    batch_id: str = Field(description="The batch's id.")


class DataSetPath(Input):
    data_set_id: str = Field(description="The data set's id.")


class VersionPath(Input):
    version_id: str = Field(description="The version's id.")


class TrainingPath(Input):
    training_id: str = Field(description="The training's id.")


class TrainingNew(Strict):
    """A training to begin."""

    data_set: str = Field(description="Id of the data set.", max_length=22)
    base: Text = Field(default="starter", description="Name of the model to begin with.", max_length=160)
    classes: Classes = Field(
        default=BOTH,
        description="Classes of the model: the base's and the data set's, or the data set's alone.",
    )
    minutes: Annotated[float, Field(ge=0.1, le=10_080, allow_inf_nan=False)] = Field(
        default=10, description="Effort: minutes that the steps take."
    )
    title: Text = Field(default="", description="What the version is called. Default: as the data set.", max_length=160)


class DataSetNew(Strict):
    """A new data set."""

    name: Text = Field(description="Its name.", min_length=1, max_length=80)
    share: Annotated[float, Field(ge=0, le=0.9)] = Field(default=0.2, description="Share of photos for validation.")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(default=0, description="Seed of the choice of these.")


class DataSetRuns(Strict):
    """Runs to add to a data set."""

    runs: Annotated[list[str], Field(max_length=1000)] = Field(default=[], description="Ids of runs.")
    batches: Annotated[list[str], Field(max_length=100)] = Field(default=[], description="Ids of batches.")
    all: bool = Field(default=False, description="Every run whose photo was marked as checked.")


class ClassChange(Strict):
    """A class to rename, to merge into another one, or to remove."""

    model_config = ConfigDict(populate_by_name=True, extra="forbid")

    class_name: Text = Field(description="The class.", alias="class")
    name: Text = optional(
        "Its new name, or that of the class to merge it into. Without it the objects of the class are removed.",
        max_length=80,
    )


class DataSetExportQuery(Strict):
    format: str = Field(description="Name of the format.", json_schema_extra={"enum": [*DATA_SET_FORMATS]})


class Filters(Strict):
    """Which part of a stored result to show; nothing is analysed again."""

    threshold: Score = optional("Minimum score. Default: the run's own threshold.")
    classes: Names = optional("Classes to show, repeated or separated by commas. Default: the run's own, or all.")
    exclude: Names = optional("Classes to leave out, repeated or separated by commas.")
    source: AnswerSource = optional("The model's answer, or (the default) as a person corrected it, where one has.")


class ResultQuery(Filters):
    coordinates: Coordinates = Field(
        default="pixels", description="Boxes, landmarks and polygons in pixels of the upright photo, or in 0..1 of it."
    )
    masks: MaskForm = Field(default="rle", description="Masks as COCO RLE (always in pixels), as polygons, or none.")


class ImageQuery(Filters):
    masks: bool = Field(default=True, description="Draw the masks, and the boxes of what has no mask.")
    boxes: bool = Field(default=False, description="Draw boxes around masks too.")
    labels: bool = Field(default=True, description="Write the names and scores.")
    faces: bool = Field(default=True, description="Draw the faces.")
    colours: Literal["class", "object"] = Field(default="class", description="A colour for each class, or each object.")
    max_size: Annotated[int, Field(ge=16, le=16384)] = optional("Longest side of the image, in pixels.")
    format: Literal["jpeg", "png", "webp"] = Field(default="jpeg", description="File format of the image.")


class ExportQuery(Filters):
    format: str = Field(
        description="Name of the export format.", json_schema_extra={"enum": [*FORMATS], "example": "coco"}
    )


class CorrectionQuery(Strict):
    masks: MaskForm = Field(default="rle", description="Masks as COCO RLE, as polygons, or none.")


class MaskIn(Strict):
    """COCO's compressed run-length encoding."""

    size: Annotated[list[int], Field(min_length=2, max_length=2)] = Field(description="Height and width of the photo.")
    counts: str


PolygonIn = Annotated[
    list[Annotated[list[Finite], Field(min_length=2, max_length=2)]], Field(min_length=3, max_length=MAX_POINTS)
]


class CorrectedIn(Strict):
    """One object of the photo. What an object of the model's answer leaves out stays as the model said."""

    origin: Annotated[int, Field(ge=0)] = optional(
        "Its place in the model's answer (`from` in the answer to GET). Leave it out for a new object.", alias="from"
    )
    class_name: ClassName = optional("Its class, also a new one.", alias="class")
    box: Annotated[list[Finite], Field(min_length=4, max_length=4)] = optional("x1, y1, x2, y2 in pixels.")
    mask: MaskIn | list[PolygonIn] | None = Field(
        default=None,
        description="RLE of the photo's size, polygons in pixels, or null for a box alone.",
        json_schema_extra=_without_default,
    )
    accepted: bool = Field(default=False, description="Whether a person agrees. A changed or new object is accepted.")


class CorrectionIn(Strict):
    """Everything that is in the photo, as far as a person has come."""

    version: Annotated[int, Field(ge=0)] = Field(description="The version that this is based on; 0 for the first one.")
    checked: bool = Field(default=False, description="The whole photo was checked: nothing is missing.")
    instances: Annotated[list[CorrectedIn], Field(max_length=MAX_OBJECTS)] = optional(
        "All objects; what is left out is deleted. Without this member they stay as they are."
    )


class CreateQuery(Strict):
    """The options of a run, and how long to wait for its result."""

    analyses: Names = optional(ANALYSES)
    threshold: Score = optional(THRESHOLD)
    classes: Names = optional(CLASSES)
    webhook: str = optional(WEBHOOK, max_length=2000)
    name: str = optional("File name of a photo sent as the raw body.", max_length=255)
    wait: Seconds = optional(f"Seconds, up to {MAX_WAIT}, to wait for the result before the response.")
    coordinates: Coordinates = "pixels"
    masks: MaskForm = "rle"


class CreateHeaders(Input):
    idempotency_key: str = optional(
        "Makes it safe to repeat a request: within 24 hours the same key gives the same run.",
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
    )
    webhook_secret: str = optional(
        "Signs the webhook besides the secrets of this service: `whsec_` and 24 to 64 random bytes in base64.",
        alias="Webhook-Secret",
        pattern=r"^whsec_[A-Za-z0-9+/]{32,86}={0,2}$",
    )
    prefer: str = optional("`wait=SECONDS`, like the query parameter `wait`.", alias="Prefer")


class CreateForm(Strict):
    """The options in a form, next to its files."""

    analyses: BodyNames = optional(ANALYSES)
    threshold: Score = optional(THRESHOLD)
    classes: BodyNames = optional(CLASSES)
    webhook: str = optional(WEBHOOK, max_length=2000)


class CreateJson(CreateForm):
    """A photo by its address or as base64 (a data URL works too), with the options."""

    url: str = optional("Public http or https address of a photo.", max_length=2000)
    image: str = optional("The photo's bytes in base64.")
    name: str = optional("File name of the photo.", max_length=255)


class HistoryQuery(Strict):
    cursor: str = optional("Where to continue: `next` of the previous page.", max_length=200)
    limit: Annotated[int, Field(ge=1, le=100)] = Field(default=24, description="Maximum number of runs in one page.")
    class_name: Text = optional("Only runs in which this class was found.", alias="class", max_length=80)
    q: Text = optional("Only runs with this text in photo or name. Case does not matter.", max_length=MAX_SEARCH)
    since: Moment = optional("Only runs created at or after this time (ISO 8601; UTC without a time zone).")
    until: Moment = optional("Only runs created before this time.")
