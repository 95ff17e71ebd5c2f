"""Rendered views of runs, kept on disk in a bounded cache: the same view twice is drawn once."""

import hashlib
from typing import cast

from flask import current_app

from app.errors import NotReady
from app.intake.budget import room
from app.intake.decode import decode
from app.store.models import DONE, Run
from app.vision.render import VERSION, render
from app.vision.view import View
from app.web import services
from app.web.view_cache import ViewCache


def rendered(run: Run, view: View) -> tuple[bytes, str, str]:
    """What a run's view looks like.

    Args:
        run: done, or, for a view that draws nothing, in any state.
        view: what to show of it.

    Returns:
        The picture as a file, its media type and its ETag (without quotes), which changes when the picture does.

    Raises:
        NotReady: nothing of this run is finished that could be drawn.
    """
    finished = sorted(analysis.id for analysis in run.analyses if analysis.state == DONE) if view.draws else []
    if view.draws and not finished:
        raise NotReady
    etag = hashlib.sha256("\n".join([VERSION, run.photo_sha256, *finished, view.key()]).encode()).hexdigest()[:32]
    cache = _cache()
    with cache.one_at_a_time(etag):
        data = cache.get(run.photo_sha256, etag)
        if data is None:
            data = _render(run, view)
            cache.put(run.photo_sha256, etag, data)
    return data, view.media_type, etag


def forget(photo_sha256: str) -> None:
    """Drop every kept view of a photo, as when it is deleted."""
    _cache().forget(photo_sha256)


def _render(run: Run, view: View) -> bytes:
    store = services().store
    results = store.results(run) if view.draws else {}
    data = store.photo_bytes(run.photo_sha256)
    with room.hold(run.photo.width * run.photo.height):
        return render(decode(data, at_least=view.max_size), results, view)


def _cache() -> ViewCache:
    """The application's cache, in DATA_DIR/cache."""
    settings = services().settings
    made = current_app.extensions.get("view_cache")
    if made is None:
        limit = settings.view_cache_mb * 1024 * 1024
        made = current_app.extensions.setdefault("view_cache", ViewCache(settings.data_path / "cache", limit))
    return cast(ViewCache, made)
