"""`flask keys`: API keys, made, listed and revoked."""

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from app.errors import PublicError
from app.services import Services
from app.store.keys import ApiKeys

keys = AppGroup("keys", help="API keys.")


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(keys)


@keys.command("create")
@click.argument("name")
def create(name: str) -> None:
    """Make a key for NAME, and show it: the only time that it can be seen."""
    try:
        key, secret = _keys().create(name)
    except PublicError as error:
        raise click.ClickException(error.message) from error
    click.echo(f"Key {key.id} for {key.name}. Keep it now, it is not shown again:", err=True)
    click.echo(secret)


@keys.command("list")
def list_() -> None:
    """Show every key's id, name, and state."""
    try:
        found = _keys().all()
    except PublicError as error:
        raise click.ClickException(error.message) from error
    for key in found:
        state = f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "valid"
        click.echo(f"{key.id}  {key.created_at:%Y-%m-%d %H:%M}  {state:<24}  {key.name}")
    if not found:
        click.echo("There are no API keys. `flask keys create NAME` makes one.")


@keys.command("revoke")
@click.argument("id")
def revoke(id: str) -> None:
    """Make the key ID useless from now on."""
    try:
        _keys().revoke(id)
    except PublicError as error:
        raise click.ClickException(error.message) from error
    click.echo(f"Key {id} is revoked.")


def _keys() -> ApiKeys:
    services: Services = current_app.extensions["services"]
    return services.store.keys
