"""How fast the history answers at 100,000 runs of one owner, on SQLite and on PostgreSQL.

Run as `python -m bench.history`.
"""

import hashlib
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from app.config.settings import Settings
from app.store import Store
from app.store.models import utcnow
from app.store.states import State

OWNER = "v:bench"
CLASSES = [f"class {number:02d}" for number in range(80)]
WEIGHTS = [1 / (rank + 1) ** 1.3 for rank in range(80)]  # a few classes are everywhere, most are seldom
RARE = "rare"  # in one run of a thousand
CHUNK = 5000
Rows = dict[str, list[tuple[Any, ...]]]
COLUMNS = {
    "photos": "sha256, md5, format, width, height, bytes, created_at",
    "analyses": "id, photo_sha256, analyzer, identity, state, attempts, created_at",
    "runs": "id, owner, name, photo_sha256, state, deduplicated, options, created_at, expires_at",
    "run_analyses": "run_id, analysis_id",
    "analysis_texts": "analysis_id, text",
    "run_classes": "run_id, name, owner, created_at, best_score",
}


def measure(runs: int = 100_000) -> dict[str, dict[str, float]]:
    """Median milliseconds of each kind of query, by database. PostgreSQL only where its server is installed."""
    from tests import servers

    with tempfile.TemporaryDirectory() as folder:
        report = {"sqlite": _measure(Settings(data_dir=folder), runs)}
        if servers.postgres_binaries() is not None:
            with servers.postgres() as url:
                report["postgres"] = _measure(Settings(data_dir=folder, database_url=url), runs)
    return report


def seed(store: Store, runs: int) -> None:
    """Write runs of OWNER, one every half minute up to now: each has its own photo, up to ten classes, and a text."""
    chance = random.Random(1)
    for first in range(0, runs, CHUNK):
        rows = _rows(range(first, min(runs, first + CHUNK)), runs, chance)
        with store.database.writing() as session:
            connection: Any = session.connection().connection
            for table, columns in COLUMNS.items():
                if store.database.sqlite:
                    marks = ", ".join("?" * len(columns.split(",")))
                    connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows[table])
                else:
                    with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                        for row in rows[table]:
                            copy.write_row(row)
    if not store.database.sqlite:
        with store.database.writing() as session:
            session.execute(text("ANALYZE"))  # as autovacuum does within a minute


def _rows(numbers: range, total: int, chance: random.Random) -> Rows:
    rows: Rows = {table: [] for table in COLUMNS}
    now = utcnow()
    expires = _stamp(now + timedelta(days=7))
    for number in numbers:
        sha256 = hashlib.sha256(str(number).encode()).hexdigest()
        run, analysis = f"run{number:019d}", f"ana{number:019d}"
        created = _stamp(now - timedelta(seconds=30 * (total - number)))
        rare = number % 1000 == 7
        found = set(chance.choices(CLASSES, WEIGHTS, k=10)) | ({RARE} if rare else set())
        rows["photos"].append((sha256, sha256[:32], "jpeg", 640, 480, 50_000, created))
        rows["analyses"].append((analysis, sha256, "objects", "model@0/1", State.DONE, 1, created))
        rows["runs"].append((run, OWNER, "photo.jpg", sha256, State.DONE, False, "{}", created, expires))
        rows["run_analyses"].append((run, analysis))
        rows["analysis_texts"].append((analysis, " ".join(chance.choices(CLASSES, WEIGHTS, k=30) + [RARE] * rare)))
        rows["run_classes"].extend((run, name, OWNER, created, 0.05 + 0.95 * chance.random()) for name in found)
    return rows


def _stamp(moment: Any) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def queries(store: Store) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every kind of query that the history's page makes, by name."""
    page = store.history(OWNER, limit=200)
    for _ in range(20):
        page = store.history(OWNER, limit=200, cursor=page.next_cursor)
    deep, old = page.next_cursor, utcnow() - timedelta(days=20)
    yield "newest", lambda: store.history(OWNER)
    yield "next page", lambda: store.history(OWNER, cursor=deep)
    yield "by date", lambda: store.history(OWNER, since=old - timedelta(days=1), until=old)
    yield "common class", lambda: store.history(OWNER, class_name=CLASSES[0])
    yield "seldom class", lambda: store.history(OWNER, class_name=CLASSES[-1])
    yield "rare class", lambda: store.history(OWNER, class_name=RARE)
    yield "rare class, next page", lambda: store.history(OWNER, class_name=RARE, cursor=deep)
    yield "no such class", lambda: store.history(OWNER, class_name="unicorn")
    yield "common text", lambda: store.history(OWNER, text=CLASSES[0])
    yield "rare text", lambda: store.history(OWNER, text=RARE)
    yield "no such text", lambda: store.history(OWNER, text="unicorn")
    yield "names of classes", lambda: store.history_classes(OWNER)
    yield "gallery", lambda: store.gallery(OWNER)
    yield "gallery, next page", lambda: store.gallery(OWNER, cursor=deep)
    yield "somebody else", lambda: store.history("v:nobody")


def _measure(settings: Settings, runs: int) -> dict[str, float]:
    store = Store.from_settings(settings)
    store.migrate()
    seed(store, runs)
    report = {}
    for name, query in queries(store):
        query()
        times = []
        for _ in range(15):
            began = time.perf_counter()
            query()
            times.append(time.perf_counter() - began)
        report[name] = round(statistics.median(times) * 1000, 2)
    store.close()
    return report


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
