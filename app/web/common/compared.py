"""Photos of a comparison as pictures: the truth, and what a model found."""

from collections.abc import Sequence
from dataclasses import replace

from flask import Response, request

from app.datasets.compared import THRESHOLD, Compared
from app.errors import NotFound
from app.intake.budget import pixel_budget
from app.intake.decode import decode
from app.vision.render.picture import render
from app.vision.view import View
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
    results, (height, width) = photo.results(layer), photo.layers[layer].size
    with pixel_budget.reserve(height * width):
        rgb = decode(services().store.photo_bytes(sha256), min_side=view.max_size)
        data = render(rgb, results, view, photo.colours)
    response = Response(data, mimetype=view.media_type)
    response.add_etag()
    response.make_conditional(request)
    return response
