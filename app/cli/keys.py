"""`flask keys`: create, list and revoke API keys."""

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
    """Create a key for NAME and print it. It cannot be shown again."""
    with _keys() as keys:
        key, secret = keys.create(name)
    click.echo(f"Key {key.id} for {key.name}. Keep it, because it cannot be shown again:", err=True)
    click.echo(secret)


@keys.command("list")
def list_() -> None:
    """List every key with its id, date, state and name."""
    with _keys() as keys:
        listed = keys.all()
    for key in listed:
        state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "valid"
        click.echo(f"{key.id}  {key.created_at:%Y-%m-%d %H:%M}  {state:<24}  {key.name}")
    if not listed:
        click.echo("There are no API keys. `flask keys create NAME` makes one.")


@keys.command("revoke")
@click.argument("id")
def revoke(id: str) -> None:
    """Revoke the key ID."""
    with _keys() as keys:
        keys.revoke(id)
    click.echo(f"Key {id} is revoked.")


@contextmanager
def _keys() -> Iterator[ApiKeys]:
    """The keys of the store. A public error ends the command with its line for the operator."""
    services: Services = current_app.extensions["services"]
    try:
        yield services.store.keys
    except PublicError as error:
        raise click.ClickException(str(error)) from error
