"""`flask models`: what can be served, how good it is, and what is installed."""

from collections.abc import Iterable, Sequence

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from app.config.analyses import ANALYSES
from app.config.settings import Settings
from app.queue.services import Services
from app.vision.analyses.offer import choose, installed, known_models
from app.vision.catalogue.checkpoints import CheckpointError
from app.vision.catalogue.models import CatalogueError, Model, load_catalogue

HEADINGS = ("NAME", "ANALYSIS", "DATA", "BOX AP", "MASK AP", "GFLOP", "SECONDS", "MB", "LICENCE", "STATE")
RIGHT_ALIGNED = ("BOX AP", "MASK AP", "GFLOP", "SECONDS", "MB")


def init_app(app: Flask) -> None:
    """Add the command."""
    app.cli.add_command(models)


@click.command()
@click.option("--zoo", is_flag=True, help="List every model of MMDetection's zoo too, not only installed ones.")
@click.option("--installed", "present", is_flag=True, help="List only what is installed.")
@click.option("--check", is_flag=True, help="Ask the sources of the catalogue's files whether they have them now.")
@with_appcontext
def models(zoo: bool, present: bool, check: bool) -> None:
    """List the models that can be served: their average precision, what a photo takes, their size, what is installed.

    `make weights MODEL=<name>` installs one of them, MODEL=<name> serves it. --check exits with 1 where a file cannot
    be had from any source.
    """
    services: Services = current_app.extensions["services"]
    settings = services.settings
    folder = settings.checkpoints_path
    try:
        catalogue, known = load_catalogue(), known_models()
    except CatalogueError as error:
        raise click.ClickException(str(error)) from error
    if check:
        return _check(catalogue.values(), settings)
    extra = sorted((m for name, m in known.items() if name not in catalogue), key=lambda m: (m.data, -(m.box_ap or 0)))
    listed = [*catalogue.values(), *(m for m in extra if zoo or installed(m, folder))]
    serving = {model.name for name in ANALYSES if (model := _chosen(name, settings))}
    rows = [_row(m, settings, m.name in serving) for m in listed if not present or installed(m, folder)]
    for line in table(HEADINGS, rows):
        click.echo(line)
    if not zoo and extra:
        click.echo(f"\n{len(extra)} more in MMDetection's zoo: flask models --zoo")


def _check(models: Iterable[Model], settings: Settings) -> None:
    """Print what each source says, and end with status 1 where a file cannot be had from any."""
    # Every web process has the commands, and few need an HTTP client.
    from app.vision.catalogue.check import check_sources
    from app.vision.catalogue.sources import place

    answers = check_sources(models, settings)
    rows = [(answer.model.name, place(answer.source), answer.problem or "has it") for answer in answers]
    for line in table(("NAME", "SOURCE", "ANSWER"), rows):
        click.echo(line)
    had = {answer.model.name for answer in answers if not answer.problem}
    lacking = sorted({answer.model.name for answer in answers} - had)
    if lacking:
        raise click.ClickException(f"{', '.join(lacking)} cannot be had now; set WEIGHTS_MIRROR to where a copy is.")


def _chosen(analysis: str, settings: Settings) -> Model | None:
    try:
        return choose(analysis, settings)[0]
    except (CheckpointError, CatalogueError):
        return None


def _row(model: Model, settings: Settings, serving: bool) -> Sequence[str]:
    precision = [_number(value, ".1f") for value in (model.box_ap, model.mask_ap)]
    cost = _number(model.gflop, ".0f"), _number(model.seconds, ".2f"), _number(model.megabytes, ".0f")
    if serving:
        state = "serving"
    elif installed(model, settings.checkpoints_path):
        state = "installed"
    else:
        state = "to fetch"
    if model.gpu_only:
        state += ", needs a GPU"
    return (model.name, model.analyzer, model.data, *precision, *cost, model.licence, state)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of text with aligned columns."""
    rows = [headings, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(headings))]
    right = [heading in RIGHT_ALIGNED for heading in headings]
    return [
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in rows
    ]
