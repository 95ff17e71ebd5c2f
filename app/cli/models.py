"""`flask models`: what can be served, how good it is, and what is installed."""

import click
from flask import Flask

from app.vision.catalogue import load_catalogue


def init_app(app: Flask) -> None:
    """Add the command."""
    app.cli.add_command(models)


@click.command()
def models() -> None:
    """List the models that can be served."""
    for model in load_catalogue().values():
        click.echo(f"{model.name}  {model.title}")
