"""What is true of a store at every moment, and after a clean-up."""

import gzip
import hashlib
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from app.store import Store
from app.store.folder_blobs import FolderBlobs
from app.store.models import Analysis, Photo, Run
from app.store.states import FINISHED, State, run_state


def audit(store: Store) -> None:
    """What is true at every moment."""
    with store.database.reading() as session:
        runs, analyses = session.scalars(select(Run)).all(), session.scalars(select(Analysis)).all()
    for run in runs:
        assert hashlib.sha256(store.photo_bytes(run.photo_sha256)).hexdigest() == run.photo_sha256
        assert run.analyses
        assert run.state in FINISHED or run.state == run_state([analysis.state for analysis in run.analyses])
        if run.state not in FINISHED:
            pending = {analysis.id for analysis in store.pending_analyses()}
            assert pending & {analysis.id for analysis in run.analyses}
    for analysis in analyses:
        if analysis.state == State.DONE:
            assert gzip.decompress(store.blobs.get(f"results/{analysis.id}.json.gz"))


def assert_nothing_is_left_over(store: Store) -> None:
    """After a clean-up, every blob belongs to a row and every row to a run."""
    store.cleanup(datetime.now(UTC) + timedelta(hours=2))
    with store.database.reading() as session:
        photos = {f"photos/{sha256}" for sha256 in session.scalars(select(Photo.sha256))}
        results = {
            f"results/{id}.json.gz" for id in session.scalars(select(Analysis.id).where(Analysis.state == State.DONE))
        }
        assert photos == {f"photos/{sha256}" for sha256 in session.scalars(select(Run.photo_sha256))}
    assert {key for key, _ in store.blobs.keys("photos/")} == photos
    assert {key for key, _ in store.blobs.keys("results/")} == results
    store.blobs.discard_partial(datetime.now(UTC) + timedelta(seconds=5))
    if isinstance(store.blobs, FolderBlobs):
        assert sum(path.is_file() for path in store.blobs.root.rglob("*")) == len(photos | results)
