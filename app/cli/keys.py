"""`flask keys`: API keys, made, listed and revoked."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from app.errors import PublicError
from app.queue.services import Services
from app.store.keys import ApiKeys

keys = AppGroup("keys", help="API keys.")


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(keys)


@keys.command("create")
@click.argument("name")
def create(name: str) -> None:
    """Make a key for NAME, and show it: the only time that it can be seen."""
    with _keys() as known:
        key, secret = known.create(name)
    click.echo(f"Key {key.id} for {key.name}. Keep it now, it is not shown again:", err=True)
    click.echo(secret)


@keys.command("list")
def list_() -> None:
    """Show every key's id, name, and state."""
    with _keys() as known:
        found = known.all()
    for key in found:
        state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "valid"
        click.echo(f"{key.id}  {key.created_at:%Y-%m-%d %H:%M}  {state:<24}  {key.name}")
    if not found:
        click.echo("There are no API keys. `flask keys create NAME` makes one.")


@keys.command("revoke")
@click.argument("id")
def revoke(id: str) -> None:
    """Make the key ID useless from now on."""
    with _keys() as known:
        known.revoke(id)
    click.echo(f"Key {id} is revoked.")


@contextmanager
def _keys() -> Iterator[ApiKeys]:
    """The keys; what goes wrong with them ends the command with the line meant for whoever runs the service."""
    services: Services = current_app.extensions["services"]
    try:
        yield services.store.keys
    except PublicError as error:
        raise click.ClickException(str(error)) from error
