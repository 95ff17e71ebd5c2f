"""`flask cleanup` and `flask db-upgrade`."""

from dataclasses import replace
from types import SimpleNamespace

from click.testing import Result
from flask import Flask

from app.cli import cleanup
from app.config.settings import Settings
from app.store import Store
from tests import made


def command(store: Store, name: str) -> Result:
    app = Flask("commands")
    app.extensions["services"] = SimpleNamespace(store=store)
    cleanup.init_app(app)
    return app.test_cli_runner().invoke(args=[name])


def test_db_upgrade_makes_the_tables_and_says_when_there_is_nothing_to_do(settings: Settings):
    store = Store.from_settings(settings)
    assert command(store, "db-upgrade").output == "The database was updated.\n"
    assert command(store, "db-upgrade").output == "The database was up to date already.\n"
    assert store.history("v:anybody").runs == []


def test_cleanup_says_what_it_deleted(store: Store):
    store.add_run(made.photo(), name="a", identities=made.IDENTITIES, owner="v:x", retention_days=1e-9)
    assert command(store, "cleanup").output == "Deleted 1 run, 1 analysis, 1 photo.\n"
    assert command(store, "cleanup").output == "Nothing to delete.\n"


def test_a_store_that_does_not_work_is_one_line_and_an_exit_code(settings: Settings):
    away = Store.from_settings(replace(settings, database_url="postgres://127.0.0.1:1/nothing"))
    for name in ("cleanup", "db-upgrade"):
        ended = command(away, name)
        assert ended.exit_code == 1
        assert ended.output.startswith("Error: The database 127.0.0.1:1 cannot be used right now")
        assert ended.output.count("\n") == 1
