"""Trainings: a data set, a base and some minutes, which become a version."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.datasets.classes import BOTH, Classes
from app.errors import NotFound, PublicError
from app.store.base import ERROR_LENGTH, StorePart, storable
from app.store.errors import BlobMissing
from app.store.models import DataSet, Training, utcnow
from app.store.runs import ID
from app.store.states import FINISHED, State

# A training whose worker has not been heard of for so long is free for another one.
LOST_AFTER = timedelta(seconds=30)
# What is kept of a training as blobs: what it learns from, its state, and photos for its page.
DATA, STATE, PHOTOS = "data", "state", "photos"


class TakenOver(Exception):
    """Another worker has taken a training for lost, and goes on with it."""


class StillRunning(PublicError):
    status, code, message = 409, "training-running", "This training is running. Stop it first."


class Trainings(StorePart):
    """Trainings and how far they are."""

    def create(self, data_set_id: str, base: str, minutes: float, title: str, classes: Classes = BOTH) -> Training:
        """A training to be queued. Raises NotFound: there is no such data set."""
        with self.database.writing() as session:
            if not ID.fullmatch(data_set_id) or session.get(DataSet, data_set_id) is None:
                raise NotFound
            known = {"data_set_id": data_set_id, "base": base, "classes": classes, "minutes": minutes}
            training = Training(**known, title=storable(title, 160), progress={})
            session.add(training)
        return training

    def get(self, id: str) -> Training:
        """A training. Raises NotFound."""
        with self.database.reading() as session:
            return _get(session, id)

    def all(self) -> Sequence[Training]:
        """Every training, newest first."""
        with self.database.reading() as session:
            return session.scalars(select(Training).order_by(Training.created_at.desc(), Training.id)).all()

    def stop(self, id: str) -> None:
        """Ask a training to stop after its current step; one that waits is cancelled at once. Raises NotFound."""
        with self.database.writing() as session:
            training = _get(session, id)
            training.stopping = training.state == State.RUNNING
            if training.state == State.QUEUED:
                training.state, training.finished_at = State.CANCELLED, utcnow()

    def resume(self, id: str) -> bool:
        """Set a training that was stopped or failed to `queued`; whether it was one. Raises NotFound."""
        with self.database.writing() as session:
            training = _get(session, id)
            if training.state not in (State.CANCELLED, State.FAILED):
                return False
            training.state, training.error, training.stopping = State.QUEUED, None, False
            training.finished_at = None
        return True

    def delete(self, id: str) -> None:
        """Delete a training; what it became stays. Raises NotFound, StillRunning."""
        with self.database.writing() as session:
            training = _get(session, id)
            if training.state == State.RUNNING and not _lost(training):
                raise StillRunning
            session.delete(training)
        self._forget(id, DATA, STATE, PHOTOS)

    def kept(self, id: str, part: str) -> bytes | None:
        """What is kept of a training: DATA, STATE or PHOTOS; None where it is not there."""
        try:
            return self.blobs.get(training_key(id, part))
        except BlobMissing:
            return None

    # What the worker does

    def keep(self, id: str, part: str, data: bytes) -> None:
        """Keep what another worker needs to go on, or PHOTOS, until the training is done or deleted."""
        self.blobs.put(training_key(id, part), data)
        with self.database.reading() as session:
            deleted = session.get(Training, id) is None
        if deleted:
            self._forget(id, part)

    def pending(self) -> Sequence[str]:
        """Ids of the trainings that wait, or whose worker is lost, oldest first."""
        lost = (Training.state == State.RUNNING) & (Training.alive_at < utcnow() - LOST_AFTER)
        query = select(Training.id).where(or_(Training.state == State.QUEUED, lost))
        with self.database.reading() as session:
            return session.scalars(query.order_by(Training.created_at)).all()

    def start(self, id: str) -> Training | None:
        """Set a training to `running`; None where it does not wait, is another worker's, or is gone."""
        with self.database.writing() as session:
            training = session.get(Training, id, with_for_update=True)
            if training is None or training.state in FINISHED:
                return None
            if training.state == State.RUNNING and not _lost(training):
                return None
            training.state, training.alive_at = State.RUNNING, utcnow()
            training.started_at = training.started_at or training.alive_at
        return training

    def beat(self, training: Training, progress: dict[str, Any]) -> bool:
        """Say that a training is alive, and how far; whether it is to stop. training: as `start` gave it.

        Raises TakenOver: nobody had heard of it for long, perhaps because its machine slept, and another worker has it.
        """
        with self.database.writing() as session:
            known = session.get(Training, training.id, with_for_update=True)
            if known is None:
                return True
            if known.state != State.RUNNING or known.alive_at != training.alive_at:
                raise TakenOver
            training.alive_at = known.alive_at = utcnow()
            known.progress = progress
            return known.stopping

    def release(self, id: str) -> None:
        """Let a training wait again: its worker ends."""
        with self.database.writing() as session:
            training = session.get(Training, id)
            if training and training.state == State.RUNNING:
                training.state = State.QUEUED

    def end(self, id: str, state: State, *, error: str = "", version_id: str | None = None) -> None:
        """End a training. version_id: what it became."""
        with self.database.writing() as session:
            training = session.get(Training, id)
            if training and training.state not in FINISHED:  # Another worker may have taken it for lost, and ended it.
                training.state, training.finished_at, training.stopping = state, utcnow(), False
                training.error, training.version_id = storable(error, ERROR_LENGTH) or None, version_id
        if state == State.DONE:
            self._forget(id, DATA, STATE)

    def _forget(self, id: str, *parts: str) -> None:
        for part in parts:
            self.blobs.delete(training_key(id, part))


def training_key(id: str, part: str) -> str:
    """The key of the blob that holds a part of a training."""
    return f"trainings/{id}.{part}"


def _lost(training: Training) -> bool:
    """Whether nobody has heard of its worker for long."""
    return training.alive_at is None or training.alive_at < utcnow() - LOST_AFTER


def _get(session: Session, id: str) -> Training:
    training = session.get(Training, id) if ID.fullmatch(id) else None
    if training is None:
        raise NotFound
    return training
