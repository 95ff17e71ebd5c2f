"""`flask versions`: trained models in the store, and which is the default."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from app.errors import PublicError
from app.queue.services import Services
from app.store.versions import Versions
from app.vision.catalogue.models import CatalogueError

versions = AppGroup("versions", help="Versions: trained models in the store.")


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(versions)


@versions.command("add")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--title", default="", help="What it is called. Default: the name of the folder.")
def add(folder: Path, title: str) -> None:
    """Keep the model in FOLDER, which a training left, and print its id."""
    with _versions() as versions:
        click.echo(versions.add(folder, title or folder.resolve().name, {}).id)


@versions.command("list")
def list_() -> None:
    """List every version with its id, date, state and title."""
    with _versions() as versions:
        current, listed = versions.current(), versions.all()
    for version in listed:
        state = "default" if version.id == current else ""
        click.echo(f"{version.id}  {version.created_at:%Y-%m-%d %H:%M}  {state:<7}  {version.title}")


@versions.command("promote")
@click.argument("id")
def promote(id: str) -> None:
    """Make the version ID the default; workers take it up without a restart."""
    with _versions() as versions:
        versions.promote(id)


@versions.command("roll-back")
def roll_back() -> None:
    """Make the default what was it before."""
    with _versions() as versions:
        click.echo(versions.roll_back() or "The model of the settings is the default.")


@contextmanager
def _versions() -> Iterator[Versions]:
    services: Services = current_app.extensions["services"]
    try:
        yield services.store.versions
    except (PublicError, CatalogueError) as error:
        raise click.ClickException(str(error)) from error
