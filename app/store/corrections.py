"""Corrections: what people say is in the photos of runs, version by version, beside the models' answers."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import Session, undefer

from app.errors import CorrectedMeanwhile, NotFound
from app.store.analyses import Analyses
from app.store.base import kept, storable
from app.store.models import Analysis, AnalysisClass, Correction, Run, RunAnalysis, RunClass
from app.store.snapshots import SNAPSHOTS, runs_of
from app.store.states import State
from app.vision.analyses.objects.correction import Corrected
from app.vision.results import Analysed
from app.vision.view import CORRECTED

OBJECTS = "objects"  # The analysis that is corrected.
MAX_WAITING = 1000  # Runs among which the next one to correct is chosen.


class Waiting(NamedTuple):
    """A run that waits to be checked, and how much a correction of it would tell."""

    id: str
    doubt: float | None


class Corrections(Analyses):
    """The corrections of runs, and results in which they count."""

    def correct(
        self, run: Run, corrected: Corrected, *, version: int, author: str, changes: Mapping[str, int]
    ) -> Correction:
        """Store the next version of a run's correction. The same once more changes nothing.

        Args:
            version: the one that it is based on, 0 for none.
            author: who corrects, as the owner of a run is written.
            changes: `corrected.changes` of the model's answer.

        Raises:
            CorrectedMeanwhile: there is a newer version; nothing is stored.
            NotFound: the run was deleted.
        """
        document = gzip.compress(json.dumps(corrected.to_dict(), separators=(",", ":")).encode(), 6, mtime=0)
        with self.database.writing(run.photo_sha256) as session:
            current = session.get(Run, run.id)
            if current is None:
                raise NotFound
            newest = _newest(session, run.id)
            if newest and newest.version == version + 1 and (newest.author, newest.document) == (author, document):
                return newest  # Sent again, because the answer was lost.
            if (newest.version if newest else 0) != version:
                raise CorrectedMeanwhile
            of_run = update(Correction).where(Correction.run_id == run.id)
            session.execute(of_run.where(Correction.version == version).values(document=None))
            added = Correction(
                run_id=run.id,
                version=version + 1,
                author=author,
                checked=corrected.checked,
                changes=dict(changes),
                document=document,
            )
            session.add(added)
            current.correction = added.version
            session.flush()
            _index_classes(session, current, corrected)
        return added

    def corrections(self, run_id: str) -> Sequence[Correction]:
        """Every version of a run's correction, the first one first, without their documents."""
        with self.database.reading() as session:
            query = select(Correction).where(Correction.run_id == run_id).order_by(Correction.version)
            return session.scalars(query).all()

    def corrected(self, run_id: str) -> Corrected | None:
        """The newest version of a run's correction, None where it has none."""
        with self.database.reading() as session:
            newest = select(Correction.document).where(Correction.run_id == run_id)
            document = session.scalar(newest.order_by(Correction.version.desc()).limit(1))
        return None if document is None else Corrected.from_dict(json.loads(gzip.decompress(document)))

    def unchecked(self, owner: str, *, also: str = "", batch: str = "") -> list[Waiting]:
        """The newest runs of an owner in which objects were looked for and that nobody has checked.

        also: the id of a run to be among them in any case; batch: the id of the only one to look into.
        """
        checked = select(Correction).where(
            Correction.run_id == Run.id, Correction.version == Run.correction, Correction.checked
        )
        query = (
            select(Run.id, Analysis.doubt)
            .join(RunAnalysis, RunAnalysis.run_id == Run.id)
            .join(Analysis, Analysis.id == RunAnalysis.analysis_id)
            .where(Run.owner == owner, Run.state == State.DONE, kept(Run), *([Run.batch_id == batch] if batch else []))
            .where(Analysis.analyzer == OBJECTS, Analysis.state == State.DONE, or_(~checked.exists(), Run.id == also))
            .order_by(Run.created_at.desc(), Run.id)
            .limit(MAX_WAITING)
        )
        with self.database.reading() as session:
            return [Waiting(row.id, row.doubt) for row in session.execute(query)]

    def runs(self, ids: Sequence[str]) -> list[Run]:
        """Runs in the order of their ids, without those that there are not."""
        rows = self.database.rows(SNAPSHOTS.where(Run.id.in_(ids)).order_by(Run.id, Analysis.analyzer))
        found = {run.id: run for run in runs_of(rows)}
        return [found[id] for id in ids if id in found]

    def results_from(self, run: Run, source: str = CORRECTED) -> dict[str, Analysed]:
        """The results that a run has so far, by analyzer; the objects as they were corrected, where they were.

        source: `model` for the models' own answers in any case. Raises BlobMissing if the run was just deleted.
        """
        results = self.results(run)
        corrected = self.corrected(run.id) if source == CORRECTED and run.correction else None
        if corrected is not None and OBJECTS in results:
            answer = results[OBJECTS]
            results[OBJECTS] = replace(answer, result=corrected.instances(answer.card.classes))
        return results


def _newest(session: Session, run_id: str) -> Correction | None:
    """The newest version of a run's correction, with its document."""
    versions = select(Correction).where(Correction.run_id == run_id).options(undefer(Correction.document))
    return session.scalar(versions.order_by(Correction.version.desc()).limit(1))


def _index_classes(session: Session, run: Run, corrected: Corrected) -> None:
    """Rewrite the classes found in a run: those of the correction, and of its other analyses."""
    others = (
        select(AnalysisClass.name, AnalysisClass.best_score)
        .join(Analysis, Analysis.id == AnalysisClass.analysis_id)
        .join(RunAnalysis, RunAnalysis.analysis_id == Analysis.id)
        .where(RunAnalysis.run_id == run.id, Analysis.analyzer != OBJECTS)
    )
    found = [(row.name, row.best_score) for row in session.execute(others)]
    found += [(storable(o.name, 80), o.sureness) for o in corrected.objects]
    best: dict[str, float] = {}
    for name, score in found:
        best[name] = max(score, best.get(name, 0.0))
    session.execute(delete(RunClass).where(RunClass.run_id == run.id))
    columns = {"run_id": run.id, "owner": run.owner, "created_at": run.created_at}
    if best:
        session.execute(insert(RunClass), [{**columns, "name": n, "best_score": s} for n, s in best.items()])
