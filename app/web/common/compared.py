"""Photos of a comparison as pictures: the truth, and what a model found."""

from collections.abc import Sequence
from dataclasses import replace

from flask import Response, request

from app.datasets.compared import THRESHOLD, Compared
from app.errors import NotFound
from app.vision.view import View
from app.web.common.rendering import picture_of
from app.web.common.services import services

THUMBNAIL = 480
VIEW = View(threshold=THRESHOLD, boxes=True)


def picture(photos: Sequence[Compared], sha256: str, layer: str) -> Response:
    """A photo with one of its layers, as a picture of at most `THUMBNAIL` pixels, or with `full=1` in its own size.

    Raises NotFound: the comparison has no such photo or layer, or the photo was deleted.
    """
    photo = next((photo for photo in photos if photo.sha256 == sha256), None)
    if photo is None or layer not in photo.layers:
        raise NotFound
    view = VIEW if "full" in request.args else replace(VIEW, max_size=THUMBNAIL)
    return picture_of(services().store.photo(sha256), photo.results(layer), view, photo.colours)
