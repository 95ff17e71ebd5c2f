"""`flask cleanup` and `flask db-upgrade`: maintenance of the store."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from app.store import Store, StoreUnavailable

if TYPE_CHECKING:
    from app.queue.services import Services


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(cleanup)
    app.cli.add_command(db_upgrade)


@click.command()
@with_appcontext
def cleanup() -> None:
    """Delete expired runs, and photos and results that are no longer used."""
    with _store() as store:
        click.echo(str(store.cleanup()))


@click.command("db-upgrade")
@with_appcontext
def db_upgrade() -> None:
    """Update the database's tables, and check that photos can be stored."""
    with _store() as store:
        changed = store.migrate()
    click.echo("The database was updated." if changed else "The database was up to date already.")


@contextmanager
def _store() -> Iterator[Store]:
    services: Services = current_app.extensions["services"]
    try:
        yield services.store
    except StoreUnavailable as error:
        raise click.ClickException(str(error)) from error
