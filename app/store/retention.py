"""Retention: what is deleted, when, and in an order that leaves the store consistent after a crash at any point.

First the rows of a run, in one transaction; then the blobs of its results, whose names are never used again; last the
photo, with its row, blob and rendered views, under the photo's lock, because another run may be adding the same photo
at this moment. A crash leaves unused rows and orphaned blobs behind, which the next clean-up deletes, never a run
without its photo.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, CursorResult, Delete, Select, delete, func, select, update
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.store.base import StorePart, kept, photo_key, result_key
from app.store.models import (
    Analysis,
    Batch,
    DataSetPhoto,
    Delivery,
    Photo,
    Run,
    RunAnalysis,
    Training,
    Version,
    utcnow,
)
from app.store.runs import ID

T = TypeVar("T")
# A blob younger than this may belong to a write in progress.
GRACE = timedelta(hours=1)
# How long a removed run can be restored.
RESTORABLE = timedelta(minutes=10)
DELIVERIES_KEPT = timedelta(days=7)
# Runs deleted, or blobs looked up, in one transaction.
CHUNK = 100
# Photos whose blobs are deleted in one transaction. With S3 each takes a request, while other writers of SQLite wait.
PHOTOS_AT_ONCE = 20
PHOTO_BLOB = re.compile(r"photos/([0-9a-f]{64})")
# By the beginning of their keys, the blobs that belong to a row whose id is in the key: the key, and the row's table.
OWNED: Mapping[str, tuple[re.Pattern[str], type[Analysis] | type[Version] | type[Training]]] = {
    "results/": (re.compile(r"results/([A-Za-z0-9_-]{22})\.json\.gz"), Analysis),
    "versions/": (re.compile(r"versions/([A-Za-z0-9_-]{22})\.(?:zip|json\.gz)"), Version),
    "trainings/": (re.compile(r"trainings/([A-Za-z0-9_-]{22})\.[a-z]+"), Training),
}


SINGULAR = {
    "runs": "run",
    "analyses": "analysis",
    "photos": "photo",
    "batches": "batch",
    "deliveries": "delivery",
    "blobs": "blob",
}


@dataclass
class CleanupReport:
    """How many of each were deleted. blobs: only orphans, not those that were deleted with their rows."""

    runs: int = 0
    analyses: int = 0
    photos: int = 0
    batches: int = 0
    deliveries: int = 0
    blobs: int = 0

    def __str__(self) -> str:
        counts = [f"{count} {SINGULAR[name] if count == 1 else name}" for name, count in vars(self).items() if count]
        return f"Deleted {', '.join(counts)}." if counts else "Nothing to delete."


class Retention(StorePart):
    """Deletes runs, and everything that only they used."""

    def delete_run(self, id: str) -> None:
        """Delete a run now, with its photo and results if no other run uses them. Raises NotFound."""
        with self.database.reading() as session:
            sha256 = session.scalar(select(Run.photo_sha256).where(Run.id == id)) if ID.fullmatch(id) else None
        if sha256 is None:
            raise NotFound
        self._delete([id], {sha256}, CleanupReport())

    def delete_batch(self, id: str) -> None:
        """Delete a batch with its runs. Raises NotFound."""
        with self.database.reading() as session:
            if not ID.fullmatch(id) or session.get(Batch, id) is None:
                raise NotFound
            rows = session.execute(select(Run.id, Run.photo_sha256).where(Run.batch_id == id)).all()
        for chunk in _chunks(rows):
            self._delete([row.id for row in chunk], {row.photo_sha256 for row in chunk}, CleanupReport())
        with self.database.writing() as session:
            session.execute(delete(Batch).where(Batch.id == id))

    def forget_photos(self, photos: Collection[str]) -> None:
        """Delete those of the photos that nothing uses any more."""
        for chunk in _chunks(photos):
            self._delete([], set(chunk), CleanupReport())

    def remove_runs(self, runs: Collection[Run]) -> datetime:
        """Hide runs of one owner, who may restore them within RESTORABLE; the time by which they are named."""
        removed_at = utcnow()
        for chunk in _chunks(runs):
            with self.database.writing() as session:
                self.database.lock(session, {run.photo_sha256 for run in chunk})
                ids = [run.id for run in chunk]
                session.execute(update(Run).where(Run.id.in_(ids), kept(Run)).values(removed_at=removed_at))
        return removed_at

    def removed_runs(self, owner: str, removed_at: datetime) -> int:
        """How many of the owner's runs were removed at a time and can be restored."""
        with self.database.reading() as session:
            return session.scalar(select(func.count()).select_from(_removed(owner, removed_at).subquery())) or 0

    def restore_runs(self, owner: str, removed_at: datetime) -> int:
        """Show the owner's runs again that were removed at a time; how many."""
        with self.database.reading() as session:
            rows = session.execute(_removed(owner, removed_at)).all()
        for chunk in _chunks(rows):
            with self.database.writing() as session:
                self.database.lock(session, {row.photo_sha256 for row in chunk})
                ids = [row.id for row in chunk]
                session.execute(update(Run).where(Run.id.in_(ids)).values(removed_at=None))
        return len(rows)

    def delete_removed(self, now: datetime | None = None) -> int:
        """Delete the runs for good that can no longer be restored, and batches that lost their last one; how many."""
        report = CleanupReport()
        due = Run.removed_at <= (now or utcnow()) - RESTORABLE
        with self.database.reading() as session:
            batches = session.scalars(select(Run.batch_id).where(due, Run.batch_id.is_not(None)).distinct()).all()
        self._delete_runs(due, report)
        for chunk in _chunks(batches):
            with self.database.writing() as session:
                left = select(Run).where(Run.batch_id == Batch.id)
                _delete_rows(session, delete(Batch).where(Batch.id.in_(chunk), ~left.exists()))
        return report.runs

    def cleanup(self, now: datetime | None = None, *, grace: timedelta = GRACE) -> CleanupReport:
        """Delete what has expired and what nothing uses. Uses small transactions; two clean-ups may run at once.

        Args:
            now: the time that counts as now.
            grace: age from which a blob without a row counts as an orphan.
        """
        now = now or utcnow()
        report = CleanupReport()
        self._delete_runs(Run.expires_at <= now, report)
        self._unused_rows(report)
        with self.database.writing() as session:
            report.batches += _delete_rows(session, delete(Batch).where(Batch.expires_at <= now))
            old = delete(Delivery).where(Delivery.due_at.is_(None), Delivery.created_at < now - DELIVERIES_KEPT)
            report.deliveries += _delete_rows(session, old)
        self._orphaned_blobs(now - grace, report)
        return report

    def _delete_runs(self, due: ColumnElement[bool], report: CleanupReport) -> None:
        query = select(Run.id, Run.photo_sha256).where(due).order_by(Run.id).limit(CHUNK)
        while True:
            with self.database.reading() as session:
                rows = session.execute(query).all()
            if not rows:
                return
            self._delete([row.id for row in rows], {row.photo_sha256 for row in rows}, report)

    def _unused_rows(self, report: CleanupReport) -> None:
        """Delete what a killed clean-up or deletion left behind."""
        linked = select(RunAnalysis).where(RunAnalysis.analysis_id == Analysis.id)
        used = select(Run).where(Run.photo_sha256 == Photo.sha256)
        with self.database.reading() as session:
            photos = set(session.scalars(select(Analysis.photo_sha256).where(~linked.exists())))
            photos |= set(session.scalars(select(Photo.sha256).where(~used.exists(), ~_in_data_set())))
        for chunk in _chunks(sorted(photos)):
            self._delete([], set(chunk), report)

    def _delete(self, runs: Collection[str], photos: Collection[str], report: CleanupReport) -> None:
        """Delete runs, and those of the given photos and their analyses that no other run uses."""
        linked = select(RunAnalysis).where(RunAnalysis.analysis_id == Analysis.id)
        unused = select(Analysis.id).where(Analysis.photo_sha256.in_(photos), ~linked.exists())
        with self.database.writing() as session:
            self.database.lock(session, photos)
            report.runs += _delete_rows(session, delete(Run).where(Run.id.in_(runs)))
            analyses = session.scalars(unused).all()
            for chunk in _chunks(analyses):
                _delete_rows(session, delete(Analysis).where(Analysis.id.in_(chunk)))
        report.analyses += len(analyses)
        for id in analyses:
            self.blobs.delete(result_key(id))
        for chunk in _chunks(sorted(photos), PHOTOS_AT_ONCE):
            report.photos += self._delete_photos(chunk)

    def _delete_photos(self, photos: Collection[str]) -> int:
        """Delete those photos that neither a run nor a data set uses; how many.

        Whoever adds one at this moment stores a blob again that is deleted here.
        """
        used = select(Run).where(Run.photo_sha256 == Photo.sha256).exists() | _in_data_set()
        analysed = select(Analysis).where(Analysis.photo_sha256 == Photo.sha256).exists()
        unused = select(Photo.sha256).where(Photo.sha256.in_(photos), ~used, ~analysed)
        with self.database.writing() as session:
            self.database.lock(session, photos)
            unused_photos = session.scalars(unused).all()
            _delete_rows(session, delete(Photo).where(Photo.sha256.in_(unused_photos)))
            for sha256 in unused_photos:
                self.blobs.delete(photo_key(sha256))
                self.views.forget(sha256)
        return len(unused_photos)

    def _orphaned_blobs(self, before: datetime, report: CleanupReport) -> None:
        for prefix, (pattern, table) in OWNED.items():
            for owned in _chunks(self._blobs_before(pattern, prefix, before)):
                with self.database.reading() as session:
                    ids = select(table.id).where(table.id.in_({id for _, id in owned}))
                    known = set(session.scalars(ids))
                for key in (key for key, id in owned if id not in known):
                    self.blobs.delete(key)
                    report.blobs += 1
        for chunk in _chunks(self._blobs_before(PHOTO_BLOB, "photos/", before)):
            photos = {sha256 for _, sha256 in chunk}
            with self.database.reading() as session:
                known = set(session.scalars(select(Photo.sha256).where(Photo.sha256.in_(photos))))
            for sha256 in photos - known:
                with self.database.writing(sha256) as session:
                    if session.get(Photo, sha256) is None:
                        self.blobs.delete(photo_key(sha256))
                        report.blobs += 1
        report.blobs += self.blobs.discard_partial(utcnow() - GRACE)

    def _blobs_before(self, pattern: re.Pattern[str], prefix: str, before: datetime) -> Iterator[tuple[str, str]]:
        """The blobs last put before a time, each with the id in its key. Those with other keys are skipped."""
        for key, put_at in self.blobs.keys(prefix):
            match = pattern.fullmatch(key)
            if match and put_at < before:
                yield key, match[1]


def _in_data_set() -> ColumnElement[bool]:
    """The condition that a photo belongs to a data set, and so does not expire."""
    return select(DataSetPhoto).where(DataSetPhoto.photo_sha256 == Photo.sha256).exists()


def _removed(owner: str, removed_at: datetime) -> Select[str, str]:
    removed = select(Run.id, Run.photo_sha256).where(Run.owner == owner, Run.removed_at == removed_at)
    return removed.where(Run.removed_at > utcnow() - RESTORABLE)


def _delete_rows(session: Session, statement: Delete) -> int:
    """Delete rows; how many there were. RETURNING would say which, but SQLite has it only since 3.35."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", result).rowcount


def _chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
