"""The API's responses, as pydantic models from which the OpenAPI file is generated."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, WithJsonSchema

from app.datasets.classes import Classes
from app.store.states import State
from app.web.api import samples


def like(sample: dict[str, Any]) -> ConfigDict:
    """The configuration of a model with a sample, which the documentation shows."""
    return ConfigDict(json_schema_extra={"example": sample})


RunState = Annotated[State, WithJsonSchema({"type": "string", "enum": [*State]})]


class PhotoOut(BaseModel):
    sha256: str = Field(description="SHA-256 of the file in hex; of a raw file or a page, of the JPEG made from it.")
    format: str = Field(description="jpeg, png, webp, gif, bmp, tiff, heic or avif. Raw files and PDFs become jpeg.")
    width: int = Field(description="Pixels, upright.")
    height: int = Field(description="Pixels, upright.")
    bytes: int


class AnalysisOut(BaseModel):
    analyzer: str
    model: str = Field(description="Identity of the model: name, checkpoint hash, version.")
    state: RunState
    seconds: float | None = Field(description="Seconds that the analysis took.")
    error: str | None


class TimingsOut(BaseModel):
    waited: float | None = Field(description="Seconds from the request until the worker started.")
    worked: float | None = Field(description="Seconds from then until the run ended.")
    total: float | None = Field(description="Seconds from the request until the run ended.")
    steps: dict[str, dict[str, float]] = Field(description="Seconds of each step of each finished analysis.")


class LinksOut(BaseModel):
    self: str
    page: str
    image: str
    correction: str
    export: str
    events: str
    cancel: str


class RunSummary(BaseModel):
    """One request to analyse one photo."""

    model_config = like(samples.SUMMARY)

    id: str
    state: RunState
    name: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="When the run and its result are deleted; null: never.")
    photo: PhotoOut
    analyses: list[AnalysisOut]
    position: int | None = Field(description="Position in the queue, 1 for the next; null when not queued.")
    eta: float | None = Field(description="Seconds until the result is expected, from measured analysis times.")
    deduplicated: bool = Field(description="The result was stored already; nothing was computed for this run.")
    threshold: float = Field(description="Minimum score shown where a request has no threshold.")
    classes: list[str] | None = Field(description="Classes shown where a request has none; null: all.")
    batch: str | None = Field(description="Id of the run's batch.")
    correction: int | None = Field(description="Version of the correction; null where nobody has corrected it.")
    request_id: str | None = Field(description="X-Request-ID of the request that created the run; null where unknown.")
    error: str | None = Field(description="Why the run failed, in one sentence.")
    links: LinksOut


class ModelOut(BaseModel):
    """A model."""

    analyzer: str
    model: str
    title: str
    version: str
    checkpoint: str = Field(description="SHA-256 of the weights, in hex.")
    note: str = Field(description="What to know about a stand-in model, else empty.")


class MaskOut(BaseModel):
    """COCO's compressed run-length encoding, as pycocotools reads it."""

    size: list[int] = Field(description="Height and width of the photo.", min_length=2, max_length=2)
    counts: str


Box = Annotated[list[float], Field(min_length=4, max_length=4, description="x1, y1, x2, y2.")]
Point = Annotated[list[float], Field(min_length=2, max_length=2, description="x, y.")]


class InstanceOut(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    class_name: str = Field(alias="class")
    score: float
    box: Box
    mask: MaskOut | list[list[Point]] | None = Field(description="RLE, or polygons (lists of points), or null.")


class LandmarksOut(BaseModel):
    """Left and right as seen in the photo."""

    left_eye: Point
    right_eye: Point
    nose: Point
    mouth_left: Point
    mouth_right: Point


class FaceOut(BaseModel):
    score: float
    box: Box
    landmarks: LandmarksOut


class LabelOut(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    class_name: str = Field(alias="class")
    score: float


class InstancesOut(BaseModel):
    kind: Literal["instances"]
    model: ModelOut
    instances: list[InstanceOut] = Field(description="Best first, at or above the threshold.")


class FacesOut(BaseModel):
    kind: Literal["faces"]
    model: ModelOut
    faces: list[FaceOut] = Field(description="Best first.")


class LabelsOut(BaseModel):
    kind: Literal["labels"]
    model: ModelOut
    labels: list[LabelOut] = Field(description="What the whole photo shows, best first.")


class ItemOut(BaseModel):
    """What another analysis than these found, such as a code or a line of text."""

    model_config = ConfigDict(populate_by_name=True)

    class_name: str = Field(alias="class")
    score: float
    box: Box
    corners: Annotated[list[Point], Field(min_length=4, max_length=4)] | None = Field(
        default=None, description="Clockwise from the upper left one, as the text reads."
    )
    points: dict[str, Point] | None = None
    text: str | None = Field(default=None, description="What was read there.")


class ItemsOut(BaseModel):
    kind: str = Field(description="Of the analysis, such as codes or text.")
    model: ModelOut
    items: list[ItemOut] = Field(description="At the asked threshold, in the order of the analysis.")


ResultOut = Annotated[InstancesOut | FacesOut | LabelsOut, Field(discriminator="kind")] | ItemsOut


class Run(RunSummary):
    """One request to analyse one photo, with its results."""

    model_config = like(samples.RUN)

    timings: TimingsOut
    results: dict[str, ResultOut] = Field(description="The finished analyses, by name.")


class CorrectedOut(BaseModel):
    """One object of a correction."""

    model_config = ConfigDict(populate_by_name=True)

    origin: int | None = Field(alias="from", description="Its place in the model's answer; null for a drawn one.")
    class_name: str = Field(alias="class")
    score: float = Field(description="The model's score; 1 for a drawn one.")
    accepted: bool = Field(description="Whether a person has accepted, changed or drawn it.")
    box: Box
    mask: MaskOut | list[list[Point]] | None = Field(description="RLE, or polygons (lists of points), or null.")


class ChangeOut(BaseModel):
    """One version of a correction."""

    version: int
    at: datetime
    by: Literal["visitor", "key"]
    checked: bool
    changes: dict[str, int] = Field(
        description="How many objects were accepted, renamed, moved, outlined, drawn or deleted in all so far."
    )


class Correction(BaseModel):
    """What a person says is in a photo; before that, the model's answer to begin with."""

    model_config = like(samples.CORRECTION)

    version: int = Field(description="0 before the first correction.")
    checked: bool = Field(description="Whether a person has checked the whole photo: nothing is missing.")
    classes: list[str] = Field(description="The model's classes, then the new ones.")
    instances: list[CorrectedOut]
    history: list[ChangeOut] = Field(description="Every version, the first one first.")


class RefusedOut(BaseModel):
    name: str
    message: str


class Batch(BaseModel):
    """Several photos sent together."""

    model_config = like(samples.BATCH)

    id: str
    runs: list[RunSummary]
    refused: list[RefusedOut] = Field(description="The files that were not accepted, and why.")


class Submitted(RootModel[Run | Batch]):
    """A run; or a batch when several files were sent."""

    model_config = like(samples.RUN)


class RunPage(BaseModel):
    model_config = like(samples.RUN_PAGE)

    runs: list[RunSummary]
    next: str | None = Field(description="Cursor of the next page; null on the last page.")


class ModelStatus(ModelOut):
    classes: list[str]
    identity: str
    seconds: float | None = Field(description="Moving average of the seconds per photo.")


class Models(BaseModel):
    model_config = like(samples.MODELS)

    models: list[ModelStatus]
    workers: int = Field(description="Number of running workers; with 0, new photos wait until one starts.")


class ClassOut(BaseModel):
    name: str
    objects: int
    train: int = Field(description="Photos with it to learn from.")
    validation: int = Field(description="Photos with it to measure.")


class DataSetOut(BaseModel):
    """Photos with their truth."""

    model_config = like(samples.DATA_SET)

    id: str
    name: str
    created_at: datetime
    share: float = Field(description="Share of the photos that are for validation.")
    seed: int = Field(description="Seed of the choice of these.")
    photos: int
    train: int = Field(description="Photos to learn from.")
    validation: int = Field(description="Photos to measure.")
    objects: int
    classes: list[ClassOut] = Field(description="Most objects first.")


class DataSetList(BaseModel):
    model_config = like(samples.DATA_SETS)

    datasets: list[DataSetOut] = Field(description="Newest first.")


class AdditionOut(BaseModel):
    """What became of labelled photos that were sent."""

    model_config = like(samples.ADDITION)

    added: int = Field(description="New photos.")
    updated: int = Field(description="Photos that were there already, and have the new labels now.")
    problems: list[str] = Field(description="One sentence for each file, photo or label that was left out.")


class VersionOut(BaseModel):
    """A trained model in the store."""

    model_config = like(samples.VERSION)

    id: str
    title: str
    created_at: datetime
    bytes: int
    default: bool = Field(description="Whether it was promoted last.")
    card: dict[str, Any] = Field(description="What is known of it: data set, base, settings, precision.")


class VersionList(BaseModel):
    model_config = like(samples.VERSIONS)

    versions: list[VersionOut] = Field(description="Newest first.")
    default: str | None = Field(description="Id of the version that is the default; null: the model of the settings.")


class TrainingOut(BaseModel):
    """A training, which becomes a version."""

    model_config = like(samples.TRAINING)

    id: str
    title: str
    data_set: str | None = Field(description="Id of the data set; null where it was deleted.")
    base: str
    classes: Classes = Field(
        description="Classes of the model: the base's and the data set's, or the data set's alone."
    )
    minutes: float
    state: RunState
    error: str | None
    progress: dict[str, Any] = Field(
        description="prepared (share of the photos), step, steps, left (seconds), and the points of loss and ap."
    )
    version: str | None = Field(description="Id of the version that it became.")
    created_at: datetime


class TrainingList(BaseModel):
    model_config = like(samples.TRAININGS)

    trainings: list[TrainingOut] = Field(description="Newest first.")
    can_train: bool = Field(description="Whether a worker of the trainings is alive.")


class FieldError(BaseModel):
    """One error in the request."""

    loc: list[str | int] = Field(description="Path of the value: names and indices from the outside in.")
    msg: str


class Problem(BaseModel):
    """Problem details for HTTP APIs, RFC 9457."""

    type: str = Field(description="Address of the documentation of this error.")
    title: str
    status: int
    detail: str = Field(description="One plain sentence.")
    instance: str = Field(description="Path of the request.")
    code: str = Field(description="Short name of this error.")
    errors: list[FieldError] = Field(description="The invalid values, where known.")
    request_id: str = Field(description="X-Request-ID of this response, as the server's log has it.")
