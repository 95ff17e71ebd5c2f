"""The tables. Every time is UTC; every id that a person sees is 128 random bits.

A `Run` is one request to analyse one photo. An `Analysis` is the work itself, shared by every run that asks the same
question: the unique key (photo, pool, analyzer, identity) is what makes twenty simultaneous posts one inference.
"""

import secrets
from datetime import UTC, datetime
from typing import Any, TypedDict

from sqlalchemy import (
    JSON,
    Boolean,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from app.store.states import State


def new_id() -> str:
    """128 random bits as 22 URL-safe characters."""
    return secrets.token_urlsafe(16)


def utcnow() -> datetime:
    return datetime.now(UTC)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC time, also in SQLite, which drops the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class StateType(TypeDecorator[State]):
    """A state, as text in the database."""

    impl = String(10)
    cache_ok = True

    def process_bind_param(self, value: State | None, dialect: Dialect) -> str | None:
        return None if value is None else State(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> State | None:
        return None if value is None else State(value)


class RunOptions(TypedDict, total=False):
    """What a run was asked for besides its analyses. What is absent was not asked for.

    threshold, classes: of the view that is shown where a later request names none; api: the classic API that asked;
    request_id: of the request.
    """

    threshold: float
    classes: list[str]
    api: str
    request_id: str


class Base(DeclarativeBase):
    pass


class Photo(Base):
    """A checked photo; its bytes as uploaded are the blob `photos/<sha256>`."""

    __tablename__ = "photos"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    md5: Mapped[str] = mapped_column(String(32), index=True)
    format: Mapped[str] = mapped_column(String(8))
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    bytes: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class Analysis(Base):
    """One analyzer's work on one photo; its result is the blob `results/<id>.json.gz`.

    pool: whose runs share it: an owner's, or everybody's where it is empty.
    doubt: how much a correction would tell, 0..1 (`app.vision.analyses.objects.doubt`); None where it is not known.
    """

    __tablename__ = "analyses"
    __table_args__ = (UniqueConstraint("photo_sha256", "pool", "analyzer", "identity", name="analyses_pool_key"),)

    id: Mapped[str] = mapped_column(String(22), primary_key=True, default=new_id)
    photo_sha256: Mapped[str] = mapped_column(ForeignKey("photos.sha256"))
    pool: Mapped[str] = mapped_column(String(64), default="", server_default="")
    analyzer: Mapped[str] = mapped_column(String(32))
    identity: Mapped[str] = mapped_column(String(160))
    state: Mapped[State] = mapped_column(StateType, default=State.QUEUED, index=True)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    error: Mapped[str | None] = mapped_column(String(400))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    seconds: Mapped[float | None] = mapped_column(Float)
    doubt: Mapped[float | None] = mapped_column(Float)

    photo: Mapped[Photo] = relationship(lazy="joined")


class AnalysisClass(Base):
    """A class found by an analysis, at its best score."""

    __tablename__ = "analysis_classes"

    analysis_id: Mapped[str] = mapped_column(ForeignKey("analyses.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    best_score: Mapped[float] = mapped_column(Float)


class AnalysisText(Base):
    """Everything that an analysis read in its photo, as `app.store.base.searchable` writes it; no row where nothing."""

    __tablename__ = "analysis_texts"

    analysis_id: Mapped[str] = mapped_column(ForeignKey("analyses.id", ondelete="CASCADE"), primary_key=True)
    text: Mapped[str] = mapped_column(Text)


class Batch(Base):
    """Several photos sent in one go. refused: [{"name", "message"}] of the files that were not taken."""

    __tablename__ = "batches"
    __table_args__ = (Index("ix_batches_history", "owner", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(22), primary_key=True, default=new_id)
    owner: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    refused: Mapped[list[dict[str, str]]] = mapped_column(JSON, default=list)


class Run(Base):
    """One request to analyse one photo. Its state follows its analyses (see `app/store/states.py`).

    removed_at: when its owner removed it. Nobody sees it from then on, and the owner can restore it for a while.
    correction: the newest version of its correction, None where it has none.
    webhook_secret: `whsec_...`, which signs its webhook besides others; never shown, and forgotten when that is over.
    """

    __tablename__ = "runs"
    __table_args__ = (Index("ix_runs_history", "owner", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(22), primary_key=True, default=new_id)
    owner: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(255))
    photo_sha256: Mapped[str] = mapped_column(ForeignKey("photos.sha256"), index=True)
    batch_id: Mapped[str | None] = mapped_column(ForeignKey("batches.id", ondelete="SET NULL"), index=True)
    state: Mapped[State] = mapped_column(StateType, default=State.QUEUED)
    error: Mapped[str | None] = mapped_column(String(400))
    deduplicated: Mapped[bool] = mapped_column(Boolean, default=False)
    options: Mapped[RunOptions] = mapped_column(JSON, default=dict)
    webhook: Mapped[str | None] = mapped_column(String(2000))
    webhook_secret: Mapped[str | None] = mapped_column(String(100))
    correction: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)

    photo: Mapped[Photo] = relationship(lazy="joined")
    analyses: Mapped[list[Analysis]] = relationship(
        secondary="run_analyses", lazy="selectin", order_by="Analysis.analyzer"
    )


class RunAnalysis(Base):
    """Which analyses a run asked for."""

    __tablename__ = "run_analyses"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    analysis_id: Mapped[str] = mapped_column(ForeignKey("analyses.id"), primary_key=True, index=True)


class Correction(Base):
    """One version of what a person says is in a run's photo, beside the model's answer.

    author: as the owner of a run, a visitor or a key; checked: whether nothing is missing; changes: how many objects
    differ from the model's answer, by what was done to them; document: gzip of the JSON of `Corrected.to_dict()`, kept
    of the newest version alone.
    """

    __tablename__ = "corrections"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    author: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    checked: Mapped[bool] = mapped_column(Boolean)
    changes: Mapped[dict[str, int]] = mapped_column(JSON)
    document: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)


class RunClass(Base):
    """A class found in a run, at its best score over the run's analyses.

    It repeats what `AnalysisClass` and `Run` say, in the order that the history's search by class reads: without it
    a search walks the owner's whole history (0.8 s in SQLite at 100,000 runs; with it, a few milliseconds).
    """

    __tablename__ = "run_classes"
    __table_args__ = (Index("ix_run_classes_history", "owner", "name", "created_at", "run_id", "best_score"),)

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    best_score: Mapped[float] = mapped_column(Float)


class DataSet(Base):
    """Photos with their truth, to train and to validate models. share: of the photos that are for validation."""

    __tablename__ = "data_sets"

    id: Mapped[str] = mapped_column(String(22), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(80))
    share: Mapped[float] = mapped_column(Float)
    seed: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class DataSetPhoto(Base):
    """A photo of a data set. It does not expire.

    part: train or validation; hash: the photo's difference hash, in hex; truth: `Truth.to_dict()` of each object.
    """

    __tablename__ = "data_set_photos"

    data_set_id: Mapped[str] = mapped_column(ForeignKey("data_sets.id", ondelete="CASCADE"), primary_key=True)
    photo_sha256: Mapped[str] = mapped_column(ForeignKey("photos.sha256"), primary_key=True, index=True)
    name: Mapped[str] = mapped_column(String(255))
    part: Mapped[str] = mapped_column(String(10))
    hash: Mapped[str] = mapped_column(String(16))
    truth: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    added_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)

    photo: Mapped[Photo] = relationship(lazy="joined")


class DataSetClass(Base):
    """How many objects of a class are in a photo of a data set. It repeats what `DataSetPhoto.truth` says."""

    __tablename__ = "data_set_classes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["data_set_id", "photo_sha256"],
            ["data_set_photos.data_set_id", "data_set_photos.photo_sha256"],
            ondelete="CASCADE",
        ),
    )

    data_set_id: Mapped[str] = mapped_column(String(22), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    photo_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    objects: Mapped[int] = mapped_column(Integer)


class Version(Base):
    """A trained model; its files are the blob `versions/<id>.zip`. card: what is known of it, as JSON for people."""

    __tablename__ = "versions"

    id: Mapped[str] = mapped_column(String(22), primary_key=True, default=new_id)
    title: Mapped[str] = mapped_column(String(160))
    card: Mapped[dict[str, Any]] = mapped_column(JSON)
    bytes: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class Promotion(Base):
    """A change of the default model; the last one counts. version_id: None for the model of the settings."""

    __tablename__ = "promotions"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    version_id: Mapped[str | None] = mapped_column(ForeignKey("versions.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)


class Training(Base):
    """A training of a model on a data set.

    base: name of the model that it begins with; classes: those of the base and the data set, or the data set's;
    minutes: effort; title: of the version that it becomes; stopping: whether it is to stop; progress: what its page
    shows, as JSON; alive_at: when its worker was last heard of.
    """

    __tablename__ = "trainings"

    id: Mapped[str] = mapped_column(String(22), primary_key=True, default=new_id)
    data_set_id: Mapped[str | None] = mapped_column(ForeignKey("data_sets.id", ondelete="SET NULL"))
    base: Mapped[str] = mapped_column(String(160))
    classes: Mapped[str] = mapped_column(String(10))
    minutes: Mapped[float] = mapped_column(Float)
    title: Mapped[str] = mapped_column(String(160))
    state: Mapped[State] = mapped_column(StateType, default=State.QUEUED)
    stopping: Mapped[bool] = mapped_column(Boolean, default=False)
    error: Mapped[str | None] = mapped_column(String(400))
    progress: Mapped[dict[str, Any]] = mapped_column(JSON)
    version_id: Mapped[str | None] = mapped_column(ForeignKey("versions.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    alive_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class ApiKey(Base):
    """An API key, kept as the SHA-256 of its secret."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(22), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(80))
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
    revoked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Delivery(Base):
    """A webhook to be delivered. due_at: the next try; None once delivered or given up."""

    __tablename__ = "deliveries"

    id: Mapped[str] = mapped_column(String(22), primary_key=True, default=new_id)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    url: Mapped[str] = mapped_column(String(2000))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime | None] = mapped_column(UTCDateTime, index=True)
    delivered_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    error: Mapped[str | None] = mapped_column(String(400))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=utcnow)
