"""Tags go where the shared vectors say; the page is held to the same file in tests/e2e/test_labels_layout.py."""

import json

from tests.vectors import labels_layout


def test_tags_go_where_the_shared_vectors_say() -> None:
    vectors = {vector["name"]: vector["places"] for vector in json.loads(labels_layout.FILE.read_text())}
    assert vectors == {name: labels_layout.placed(layout) for name, layout in labels_layout.layouts().items()}


def test_the_vectors_hold_every_kind_of_place() -> None:
    places = [place for vector in json.loads(labels_layout.FILE.read_text()) for place in vector["places"]]
    assert sum(place is None for place in places) > 10
    assert sum(place is not None and place["leader"] is None for place in places) > 100
    assert sum(place is not None and place["leader"] is not None for place in places) > 20
