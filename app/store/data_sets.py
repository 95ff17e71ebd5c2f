"""Data sets: named photos with their truth, which stay until they are taken out."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from app.datasets.check import Checked
from app.datasets.split import Known, Part, assign
from app.datasets.truth import Truth
from app.datasets.write import Example
from app.errors import NotFound
from app.store.base import NAME_LENGTH, StorePart, kept, photo_key, storable
from app.store.models import Correction, DataSet, DataSetClass, DataSetPhoto, Photo, Run
from app.store.retention import Retention
from app.store.runs import ID

SET_NAME = 80
# Photos in one transaction, and of one page.
CHUNK, PAGE = 20, 60


@dataclass(frozen=True)
class ClassCount:
    """A class of a data set: its objects, and the photos with it on each side."""

    name: str
    objects: int
    train: int
    validation: int


@dataclass(frozen=True)
class Summary:
    """A data set with its counts."""

    data_set: DataSet
    train: int
    validation: int
    classes: Sequence[ClassCount]

    @property
    def photos(self) -> int:
        """All photos."""
        return self.train + self.validation

    @property
    def objects(self) -> int:
        """All objects."""
        return sum(each.objects for each in self.classes)


class DataSets(StorePart):
    """Data sets with their photos and classes."""

    def create(self, name: str, *, share: float = 0.2, seed: int = 0) -> DataSet:
        """An empty data set. share: of its photos that are for validation; seed: of the choice of these."""
        data_set = DataSet(name=storable(name, SET_NAME), share=share, seed=seed)
        with self.database.writing() as session:
            session.add(data_set)
        return data_set

    def get(self, id: str) -> DataSet:
        """A data set. Raises NotFound."""
        with self.database.reading() as session:
            return _get(session, id)

    def summaries(self) -> list[Summary]:
        """Every data set, newest first."""
        with self.database.reading() as session:
            sets = session.scalars(select(DataSet).order_by(DataSet.created_at.desc(), DataSet.id)).all()
            return [_summary(session, data_set) for data_set in sets]

    def summary(self, id: str) -> Summary:
        """A data set with its counts. Raises NotFound."""
        with self.database.reading() as session:
            return _summary(session, _get(session, id))

    def rename(self, id: str, name: str) -> None:
        """Give a data set another name. Raises NotFound."""
        with self.database.writing() as session:
            _get(session, id).name = storable(name, SET_NAME)

    def delete(self, id: str) -> None:
        """Delete a data set, with its photos where nothing else uses them. Raises NotFound."""
        with self.database.writing() as session:
            data_set = _get(session, id)
            photos = session.scalars(select(DataSetPhoto.photo_sha256).where(DataSetPhoto.data_set_id == id)).all()
            session.delete(data_set)
        self._forget(photos)

    # Photos

    def add(self, id: str, photos: Sequence[Checked]) -> int:
        """Add photos in several transactions; how many were new. One that is there gets the new truth, and stays on
        its side. Raises NotFound."""
        left = {photo.sha256: photo for photo in photos}
        new = 0
        while left:
            chunk = list(left.values())[:CHUNK]
            for photo in chunk:
                self._keep(photo)
            with self.database.writing() as session:
                self.database.lock(session, [photo.sha256 for photo in chunk])
                new += self._add(session, id, chunk, list(left.values()))
            for photo in chunk:
                del left[photo.sha256]
        return new

    def _keep(self, photo: Checked) -> None:
        if not self.blobs.exists(photo_key(photo.sha256)):
            self.blobs.put(photo_key(photo.sha256), photo.load())

    def _add(self, session: Session, id: str, chunk: Sequence[Checked], left: Sequence[Checked]) -> int:
        """Add some of the photos that are left to add; all of these are split together."""
        data_set = session.get(DataSet, id, with_for_update=True)
        if data_set is None:
            raise NotFound
        known = {sha256: Known(sha256, int(hash, 16), cast(Part, part)) for sha256, hash, part in _sides(session, id)}
        new = [Known(photo.sha256, photo.hash) for photo in left if photo.sha256 not in known]
        parts = assign([*known.values(), *new], data_set.share, data_set.seed)
        for photo in chunk:
            self._keep(photo)  # It may have been deleted with its last run before we had the lock.
            row = {name: getattr(photo, name) for name in ("sha256", "md5", "format", "width", "height", "bytes")}
            self.database.insert_new(session.connection(), Photo, [row])
            old = session.get(DataSetPhoto, (id, photo.sha256))
            entry = old or DataSetPhoto(data_set_id=id, photo_sha256=photo.sha256, part=parts.get(photo.sha256))
            entry.name, entry.hash = storable(photo.name, NAME_LENGTH), f"{photo.hash:016x}"
            session.add(entry)
            _set_truth(session, entry, photo.truths)
        return sum(photo.sha256 not in known for photo in chunk)

    def checked_runs(self) -> Sequence[Run]:
        """Every run whose photo a person has checked, oldest first."""
        newest = (Correction.run_id == Run.id) & (Correction.version == Run.correction)
        query = select(Run).join(Correction, newest).where(Correction.checked, kept(Run))
        with self.database.reading() as session:
            return session.scalars(query.order_by(Run.created_at, Run.id)).all()

    def photos(
        self, id: str, *, part: str | None = None, class_name: str | None = None, offset: int = 0, limit: int = PAGE
    ) -> Sequence[DataSetPhoto]:
        """Photos of a data set by name, on one side or with one class where asked."""
        query = select(DataSetPhoto).where(DataSetPhoto.data_set_id == id)
        if part:
            query = query.where(DataSetPhoto.part == part)
        if class_name:
            named = select(DataSetClass.photo_sha256).where(DataSetClass.data_set_id == id)
            query = query.where(DataSetPhoto.photo_sha256.in_(named.where(DataSetClass.name == class_name)))
        order = query.order_by(DataSetPhoto.name, DataSetPhoto.photo_sha256).offset(offset).limit(limit)
        with self.database.reading() as session:
            return session.scalars(order).all()

    def photo(self, id: str, sha256: str) -> DataSetPhoto:
        """A photo of a data set. Raises NotFound."""
        with self.database.reading() as session:
            photo = session.get(DataSetPhoto, (id, sha256)) if ID.fullmatch(id) else None
        if photo is None:
            raise NotFound
        return photo

    def remove(self, id: str, sha256: str) -> None:
        """Take a photo out of a data set. Raises NotFound."""
        with self.database.writing() as session:
            photo = session.get(DataSetPhoto, (id, sha256)) if ID.fullmatch(id) else None
            if photo is None:
                raise NotFound
            session.delete(photo)
        self._forget([sha256])

    def examples(self, id: str, photo_bytes: Callable[[str], bytes] | None = None) -> Iterator[Example]:
        """Every photo of a data set with its truth, by name.

        photo_bytes: gives what stands for the photo of a SHA-256; by default the photo itself.
        """
        read = photo_bytes or (lambda sha256: self.blobs.get(photo_key(sha256)))
        offset = 0
        while page := self.photos(id, offset=offset, limit=500):
            offset += len(page)
            for photo in page:
                load = partial(read, photo.photo_sha256)
                sides = photo.photo.width, photo.photo.height
                yield Example(photo.name, cast(Part, photo.part), load, *sides, truths_of(photo))

    def hash(self, id: str) -> str:
        """SHA-256, in hex, of everything in a data set that a training sees."""
        digest = hashlib.sha256()
        query = select(DataSetPhoto.photo_sha256, DataSetPhoto.part, DataSetPhoto.truth)
        with self.database.reading() as session:
            ordered = query.where(DataSetPhoto.data_set_id == id).order_by(DataSetPhoto.photo_sha256)
            for row in session.execute(ordered):
                digest.update(json.dumps(list(row), sort_keys=True).encode())
        return digest.hexdigest()

    def _forget(self, photos: Collection[str]) -> None:
        """Delete the photos that nothing uses any more."""
        Retention(self.database, self.blobs, self.views).forget_photos(photos)

    # Classes

    def rename_class(self, id: str, name: str, new: str) -> int:
        """Rename a class in all photos, or merge it into the one of that name; how many photos. Raises NotFound."""
        return self._rewrite(id, name, lambda truth: truth.renamed(new) if truth.name == name else truth)

    def remove_class(self, id: str, name: str) -> int:
        """Remove the objects of a class from all photos; how many photos. Raises NotFound."""
        return self._rewrite(id, name, lambda truth: None if truth.name == name else truth)

    def _rewrite(self, id: str, name: str, change: Callable[[Truth], Truth | None]) -> int:
        with self.database.writing() as session:
            if session.get(DataSet, id, with_for_update=True) is None:
                raise NotFound
            named = select(DataSetClass.photo_sha256).where(DataSetClass.data_set_id == id, DataSetClass.name == name)
            query = select(DataSetPhoto).where(DataSetPhoto.data_set_id == id)
            photos = session.scalars(query.where(DataSetPhoto.photo_sha256.in_(named))).all()
            if not photos:
                raise NotFound("This data set has no such class.")
            for photo in photos:
                _set_truth(session, photo, [kept for truth in truths_of(photo) if (kept := change(truth))])
        return len(photos)


def truths_of(photo: DataSetPhoto) -> tuple[Truth, ...]:
    """The objects in a photo of a data set."""
    size = (photo.photo.height, photo.photo.width)
    return tuple(Truth.from_dict(entry, size) for entry in photo.truth)


def _get(session: Session, id: str) -> DataSet:
    data_set = session.get(DataSet, id) if ID.fullmatch(id) else None
    if data_set is None:
        raise NotFound
    return data_set


def _summary(session: Session, data_set: DataSet) -> Summary:
    of_set = select(DataSetPhoto.part, func.count()).where(DataSetPhoto.data_set_id == data_set.id)
    parts: dict[str, int] = dict(session.execute(of_set.group_by(DataSetPhoto.part)).all())
    rows = session.execute(
        select(DataSetClass.name, DataSetPhoto.part, func.sum(DataSetClass.objects), func.count())
        .join(DataSetPhoto)
        .where(DataSetClass.data_set_id == data_set.id)
        .group_by(DataSetClass.name, DataSetPhoto.part)
    ).all()
    objects: Counter[str] = Counter()
    photos: Counter[tuple[str, str]] = Counter()
    for name, part, found, count in rows:
        objects[name] += int(found)
        photos[name, part] = count
    classes = [
        ClassCount(name, objects[name], photos[name, "train"], photos[name, "validation"])
        for name in sorted(objects, key=lambda name: (-objects[name], name))
    ]
    return Summary(data_set, parts.get("train", 0), parts.get("validation", 0), classes)


def _sides(session: Session, id: str) -> Sequence[tuple[str, str, str]]:
    query = select(DataSetPhoto.photo_sha256, DataSetPhoto.hash, DataSetPhoto.part)
    return [(sha256, hash, part) for sha256, hash, part in session.execute(query.where(DataSetPhoto.data_set_id == id))]


def _set_truth(session: Session, photo: DataSetPhoto, truths: Sequence[Truth]) -> None:
    """Write what is in a photo, and count it by class."""
    photo.truth = [truth.to_dict() for truth in truths]
    session.flush()
    place = {"data_set_id": photo.data_set_id, "photo_sha256": photo.photo_sha256}
    own = (DataSetClass.data_set_id == photo.data_set_id, DataSetClass.photo_sha256 == photo.photo_sha256)
    session.execute(delete(DataSetClass).where(*own))
    counts = Counter(truth.name for truth in truths if not truth.crowd)
    if counts:
        session.execute(insert(DataSetClass), [{**place, "name": name, "objects": n} for name, n in counts.items()])
