"""Runs with their photos and analyses, read in one statement and without the ORM.

Loading them by the ORM took four fifths of a request for a run's state. A snapshot has the columns of its row and no
session: it stays as it was read.
"""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import Select, inspect, select
from sqlalchemy.orm import Mapper, configure_mappers

from app.store.models import Analysis, Base, Photo, Run, RunAnalysis

R = TypeVar("R", bound=Base)

# Relationships are known only then. A statement of the ORM does it by itself, but none may have come before.
configure_mappers()


class _Columns:
    """The columns of one table in the rows of a statement that reads several, from one of them on."""

    def __init__(self, table: type[Base], first: int):
        mapper: Mapper[Any] = inspect(table)
        self.names = [column.key for column in mapper.local_table.columns]
        self.end = first + len(self.names)
        self._values = itemgetter(slice(first, self.end))
        self._make = mapper.class_manager.new_instance

    def record(self, row: Any) -> Any:
        """A detached record of the table."""
        record = self._make()
        record.__dict__.update(zip(self.names, self._values(row), strict=True))
        return record


_run = _Columns(Run, 0)
_photo = _Columns(Photo, _run.end)
_analysis = _Columns(Analysis, _photo.end)
_RUN_ID, _ANALYSIS_ID = _run.names.index("id"), _photo.end + _analysis.names.index("id")

# What `runs_of` reads, to be narrowed and ordered. The analyses of a run follow each other, in alphabetical order.
SNAPSHOTS: Select[Any] = (
    select(Run.__table__, Photo.__table__, Analysis.__table__)
    .join(Photo.__table__, Photo.sha256 == Run.photo_sha256)
    .outerjoin(RunAnalysis.__table__, RunAnalysis.run_id == Run.id)
    .outerjoin(Analysis.__table__, Analysis.id == RunAnalysis.analysis_id)
)


def runs_of(rows: Iterable[Any]) -> list[Run]:
    """The runs in the rows of SNAPSHOTS, in their order, each with its photo and analyses."""
    runs: dict[str, Run] = {}
    for row in rows:
        run = runs.get(row[_RUN_ID])
        if run is None:
            run = runs[row[_RUN_ID]] = _run.record(row)
            run.__dict__ |= {"photo": _photo.record(row), "analyses": []}
        if row[_ANALYSIS_ID] is not None:
            analysis = _analysis.record(row)
            analysis.__dict__["photo"] = run.photo
            run.analyses.append(analysis)
    return list(runs.values())
