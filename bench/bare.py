"""A bare Flask view that reads one row: what the requests of `bench.requests` are compared with."""

import os
import sqlite3
import threading
from typing import Any

from flask import Flask, jsonify

FILE = "BARE_DATABASE"


def make_app() -> Flask:
    """One view at `/rows/<id>`, on the SQLite file that the environment names; each thread keeps its connection."""
    app = Flask(__name__)
    kept = threading.local()

    @app.get("/rows/<id>")
    def row(id: str) -> Any:
        if not hasattr(kept, "connection"):
            kept.connection = sqlite3.connect(os.environ[FILE])
        found = kept.connection.execute("SELECT id, state, name, created_at FROM runs WHERE id = ?", (id,)).fetchone()
        return jsonify(dict(zip(("id", "state", "name", "created_at"), found, strict=True)))

    return app
