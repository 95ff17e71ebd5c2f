"""Runs: requests to analyse one photo."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.store.analyses import requeue
from app.store.base import (
    NAME_LENGTH,
    StorePart,
    index_classes,
    kept,
    photo_key,
    set_run_state,
    storable,
    unfinished_runs,
    update_runs,
)
from app.store.database import Database
from app.store.models import Analysis, Photo, Run, RunAnalysis, RunOptions, new_id, utcnow
from app.store.snapshots import SNAPSHOTS, runs_of
from app.store.states import FINISHED, State

if TYPE_CHECKING:
    from app.intake.photo import Photo as CheckedPhoto

ID = re.compile(r"[A-Za-z0-9_-]{22}")
# A run by its id that has not expired now.
_RUN = SNAPSHOTS.where(Run.id == bindparam("id"), kept(Run, bindparam("now"))).order_by(Analysis.analyzer)
# The analyses of a photo in a pool.
_STATES = select(Analysis.id, Analysis.analyzer, Analysis.identity, Analysis.state).where(
    Analysis.photo_sha256 == bindparam("sha256"), Analysis.pool == bindparam("pool")
)


class Runs(StorePart):
    """What the web process does with the store."""

    def add_run(
        self,
        photo: "CheckedPhoto",
        *,
        name: str,
        identities: Mapping[str, str],
        owner: str,
        pool: str = "",
        batch_id: str | None = None,
        options: RunOptions | None = None,
        webhook: str | None = None,
        webhook_secret: str | None = None,
        retention_days: float = 0,
    ) -> tuple[Run, list[str]]:
        """Store a photo and the request to analyse it.

        Args:
            identities: the model identity of each analyzer asked for, by the analyzer's name; at least one.
            pool: whose results it shares: an owner's, or everybody's where it is empty.
            retention_days: how long the run is kept; 0 for ever.

        Returns:
            The run, and the ids of the analyses that this call set to `queued`: the caller enqueues them. An analysis
            that is already queued, running or done, in the pool, is shared and not among them; one that failed or was
            cancelled is tried again. A run that queues nothing is `deduplicated`.
        """
        if not identities:
            raise ValueError("a run asks for at least one analysis")
        key = photo_key(photo.sha256)
        self.blobs.put(key, photo.data)  # Also where it is there already: the time tells nobody.
        with self.database.writing(photo.sha256) as session:
            if not self.blobs.exists(key):  # the photo was deleted with its last run before we had the lock
                self.blobs.put(key, photo.data)
            self.database.insert_new(session.connection(), Photo, [_photo_row(photo)])
            analyses, queued = self._analyses(session, photo.sha256, pool, identities)
            id, created = new_id(), utcnow()
            row = {
                "id": id,
                "owner": owner,
                "name": storable(name, NAME_LENGTH),
                "photo_sha256": photo.sha256,
                "batch_id": batch_id,
                "state": State.QUEUED,
                "deduplicated": not queued,
                "options": RunOptions(**(options or {})),
                "webhook": webhook,
                "webhook_secret": webhook_secret,
                "created_at": created,
                "expires_at": created + timedelta(days=retention_days) if retention_days else None,
            }
            _link(self.database, session, row, analyses)
            [run] = runs_of(self.database.read_in(session.connection(), _RUN, id=id, now=created))
        return run, queued

    def _analyses(
        self, session: Session, sha256: str, pool: str, identities: Mapping[str, str]
    ) -> tuple[dict[str, State], list[str]]:
        """The states of a photo's analyses by id, created where they are missing, and the ids of those queued now."""
        rows = [
            {"id": new_id(), "photo_sha256": sha256, "pool": pool, "analyzer": analyzer, "identity": identity}
            for analyzer, identity in identities.items()
        ]
        connection = session.connection()
        self.database.insert_new(connection, Analysis, rows)
        known = self.database.read_in(connection, _STATES, sha256=sha256, pool=pool)
        states = {id: state for id, analyzer, identity, state in known if identities.get(analyzer) == identity}
        tried_again = [id for id, state in states.items() if state in (State.FAILED, State.CANCELLED)]
        for id in tried_again:
            self._try_again(session, id)
            states[id] = State.QUEUED
        new = {row["id"] for row in rows} | set(tried_again)
        return states, [id for id in states if id in new]

    @staticmethod
    def _try_again(session: Session, id: str) -> None:
        """Queue an analysis that failed or was cancelled. It may belong to other unfinished runs."""
        requeue(session.get_one(Analysis, id))
        session.flush()
        update_runs(session, unfinished_runs(session, id))

    def analyzers_to_queue(self, sha256: str, identities: Mapping[str, str], pool: str = "") -> list[str]:
        """The analyzers whose analyses of a photo `add_run` would queue now."""
        rows = self.database.read(_STATES, sha256=sha256, pool=pool)
        known = {
            (analyzer, identity)
            for _, analyzer, identity, state in rows
            if state not in (State.FAILED, State.CANCELLED)
        }
        return [analyzer for analyzer, identity in identities.items() if (analyzer, identity) not in known]

    def get_run(self, id: str) -> Run:
        """A run with its photo and analyses. Raises NotFound where there is none, or it has expired."""
        if not ID.fullmatch(id):
            raise NotFound
        found = runs_of(self.database.read(_RUN, id=id, now=utcnow()))
        if not found:
            raise NotFound
        return found[0]

    def photo(self, sha256: str) -> Photo:
        """A photo that was checked. Raises NotFound."""
        with self.database.reading() as session:
            photo = session.get(Photo, sha256)
        if photo is None:
            raise NotFound
        return photo

    def photo_bytes(self, sha256: str) -> bytes:
        """A photo as it was uploaded. Raises BlobMissing."""
        return self.blobs.get(photo_key(sha256))

    def cancel_run(self, id: str) -> list[str]:
        """Cancel an unfinished run; the ids of its queued analyses that no other run waits for, now cancelled too.

        An analysis that is already running goes on: its result serves the next request. Raises NotFound.
        """
        sha256 = self.get_run(id).photo_sha256
        with self.database.writing(sha256) as session:
            run = session.get(Run, id)
            if run is None:
                raise NotFound
            if run.state in FINISHED:
                return []
            set_run_state(session, run, State.CANCELLED)
            session.flush()
            alone = [
                analysis
                for analysis in run.analyses
                if analysis.state == State.QUEUED and not _wanted(session, analysis)
            ]
            for analysis in alone:
                analysis.state, analysis.finished_at = State.CANCELLED, utcnow()
            return [analysis.id for analysis in alone]


def _link(database: Database, session: Session, row: Mapping[str, Any], analyses: Mapping[str, State]) -> None:
    """Add a run, queued so far, of analyses of these states."""
    connection = session.connection()
    database.insert_new(connection, Run, [row])
    database.insert_new(connection, RunAnalysis, [{"run_id": row["id"], "analysis_id": id} for id in analyses])
    if set(analyses.values()) != {State.QUEUED}:
        index_classes(session, [row["id"]])
        update_runs(session, [session.get_one(Run, row["id"])])
        session.flush()


def _wanted(session: Session, analysis: Analysis) -> bool:
    """Whether an unfinished run waits for the analysis."""
    links = select(RunAnalysis).join(Run, Run.id == RunAnalysis.run_id)
    wanted = links.where(RunAnalysis.analysis_id == analysis.id, Run.state.not_in(FINISHED))
    return bool(session.scalar(select(wanted.exists())))


def _photo_row(photo: "CheckedPhoto") -> dict[str, Any]:
    return {
        "sha256": photo.sha256,
        "md5": photo.md5,
        "format": photo.format,
        "width": photo.width,
        "height": photo.height,
        "bytes": len(photo.data),
    }
