"""Pictures that show only some of a run's analyses."""

from collections.abc import Collection

from app.intake.decode import decode
from app.store.models import Run
from app.vision.render import render
from app.vision.view import View
from app.web import services


def draw(run: Run, analyses: Collection[str], threshold: float) -> bytes:
    """The upright photo of a finished run as a JPEG, with the results of the named analyses drawn on it."""
    held = services()
    results = {name: found for name, found in held.store.results(run).items() if name in analyses}
    return render(decode(held.store.photo_bytes(run.photo_sha256)), results, View(threshold=threshold))
