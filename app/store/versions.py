"""Versions: trained models in the store, and which of them is the default."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.datasets.compared import WORST_FILE
from app.errors import NotFound, PublicError
from app.store.base import StorePart, storable
from app.store.models import Promotion, Version, new_id
from app.store.runs import ID
from app.vision.catalogue.packed import pack

TITLE = 160


class InUse(PublicError):
    status, code, message = 409, "version-in-use", "This version is the default. Promote another one first."


class NothingBefore(PublicError):
    status, code, message = 409, "nothing-before", "Nothing was promoted yet, so there is nothing to go back to."


class Versions(StorePart):
    """Trained models, and the promotions that make one of them the default."""

    def add(self, folder: Path, title: str, card: dict[str, Any], *, id: str = "") -> Version:
        """Keep the model in a folder that a training left.

        The blob comes first: a version that is listed can always be had. One that has this id already stays.

        Args:
            card: what is known of it; id: a new one by default.

        Raises CatalogueError: the folder holds no trained model.
        """
        id = id or new_id()
        data = pack(folder, model_name(id), storable(title, TITLE))
        self.blobs.put(version_key(id), data)
        if (folder / WORST_FILE).is_file():
            self.blobs.put(photos_key(id), (folder / WORST_FILE).read_bytes())
        row = {"id": id, "title": storable(title, TITLE), "card": card, "bytes": len(data)}
        with self.database.writing() as session:
            self.database.insert_new(session.connection(), Version, [row])
            return _get(session, id)

    def get(self, id: str) -> Version:
        """A version. Raises NotFound."""
        with self.database.reading() as session:
            return _get(session, id)

    def all(self) -> Sequence[Version]:
        """Every version, newest first."""
        with self.database.reading() as session:
            return session.scalars(select(Version).order_by(Version.created_at.desc(), Version.id)).all()

    def data(self, id: str) -> bytes:
        """The packed model. Raises BlobMissing."""
        return self.blobs.get(version_key(id))

    def photos(self, id: str) -> bytes:
        """The photos with its worst mistakes (`app.datasets.compared`). Raises BlobMissing: none are known."""
        return self.blobs.get(photos_key(id))

    def delete(self, id: str) -> None:
        """Delete a version. Raises NotFound; InUse: it is the default."""
        with self.database.writing() as session:
            version = _get(session, id)
            if _current(session) == id:
                raise InUse
            session.delete(version)
        self.blobs.delete(version_key(id))
        self.blobs.delete(photos_key(id))

    # Promotions

    def current(self) -> str | None:
        """The id of the version that is the default; None where that is the model of the settings."""
        with self.database.reading() as session:
            return _current(session)

    def promote(self, id: str | None) -> None:
        """Make a version the default, or with None the model of the settings. Raises NotFound."""
        with self.database.writing() as session:
            if id is not None:
                _get(session, id)
            if _current(session) != id:
                session.add(Promotion(version_id=id))

    def roll_back(self) -> str | None:
        """Make the default what was it before; the version's id, None for the model of the settings.

        Raises NothingBefore.
        """
        with self.database.writing() as session:
            newest = select(Promotion).order_by(Promotion.number.desc())
            last = session.scalar(newest.limit(1))
            if last is None:
                raise NothingBefore
            before = session.scalar(newest.offset(1).limit(1))
            id = before.version_id if before else None
            session.delete(last)
        return id


def model_name(id: str) -> str:
    """What the model of a version is called in cards and identities."""
    return f"version-{id}"


def version_key(id: str) -> str:
    """The key of the blob that holds a version."""
    return f"versions/{id}.zip"


def photos_key(id: str) -> str:
    """The key of the blob that holds the photos with the worst mistakes of a version."""
    return f"versions/{id}.json.gz"


def _get(session: Session, id: str) -> Version:
    version = session.get(Version, id) if ID.fullmatch(id) else None
    if version is None:
        raise NotFound
    return version


def _current(session: Session) -> str | None:
    return session.scalar(select(Promotion.version_id).order_by(Promotion.number.desc()).limit(1))
