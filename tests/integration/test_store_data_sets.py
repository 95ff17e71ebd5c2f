"""Data sets in the store, over every pair of database and blob store."""

import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest

from app.datasets.check import Checked
from app.datasets.truth import Truth
from app.errors import NotFound
from app.intake.photo import Photo
from app.store import Store
from app.store.data_sets import CHUNK
from app.store.models import utcnow
from tests import made

CAT, DOG = Truth("cat", (1, 2, 30, 40)), Truth("dog", (0, 0, 10.5, 20))


def checked(number: int, *truths: Truth, name: str = "") -> Checked:
    """A photo whose difference hash is unlike those of others."""
    photo = made.photo(f"photo {number}".encode())
    return taken(photo, name or f"{number:03}.jpg", *truths)


def taken(photo: Photo, name: str, *truths: Truth) -> Checked:
    known = (photo.sha256, photo.md5, photo.format, photo.width, photo.height, len(photo.data))
    return Checked(name, *known, int(photo.sha256[:16], 16), truths, lambda: photo.data)


def names(store: Store, id: str, **where: str) -> list[str]:
    return [photo.name for photo in store.data_sets.photos(id, **where)]  # type: ignore[arg-type]


def test_photos_are_kept_with_their_truth_and_counted_by_class(store: Store) -> None:
    sets = store.data_sets
    id = sets.create("Screws", share=0.25, seed=3).id
    photos = [checked(n, CAT, *[DOG] * (n % 2)) for n in range(CHUNK + 4)]
    assert sets.add(id, photos) == CHUNK + 4
    summary = sets.summary(id)
    assert (summary.photos, summary.validation, summary.objects) == (CHUNK + 4, 6, 36)
    assert [(each.name, each.objects, each.train + each.validation) for each in summary.classes] == [
        ("cat", 24, 24),
        ("dog", 12, 12),
    ]
    assert names(store, id) == sorted(photo.name for photo in photos)
    assert len(names(store, id, part="validation")) == 6
    assert len(names(store, id, class_name="dog")) == 12
    first = next(iter(sets.examples(id)))
    assert (first.name, first.truths, first.load_photo()) == ("000.jpg", (CAT,), photos[0].load())
    assert [each.data_set.name for each in sets.summaries()] == ["Screws"]


def test_a_photo_that_comes_again_gets_the_new_truth_and_stays_on_its_side(store: Store) -> None:
    sets = store.data_sets
    id = sets.create("Screws", share=0.5).id
    sets.add(id, [checked(n, CAT) for n in range(4)])
    before, hash = {p.photo_sha256: p.part for p in sets.photos(id)}, sets.hash(id)
    assert sets.add(id, [checked(0, DOG), checked(9)]) == 1
    after = {p.photo_sha256: p.part for p in sets.photos(id)}
    assert {sha256: after[sha256] for sha256 in before} == before
    assert {each.name: each.objects for each in sets.summary(id).classes} == {"cat": 3, "dog": 1}
    assert sets.hash(id) != hash


def test_classes_are_renamed_merged_and_removed(store: Store) -> None:
    sets = store.data_sets
    id = sets.create("Screws").id
    sets.add(id, [checked(0, CAT, DOG), checked(1, DOG), checked(2)])
    assert sets.rename_class(id, "dog", "hound") == 2
    assert sets.rename_class(id, "hound", "cat") == 2
    assert [(each.name, each.objects) for each in sets.summary(id).classes] == [("cat", 3)]
    assert sets.remove_class(id, "cat") == 2
    assert sets.summary(id).objects == 0
    with pytest.raises(NotFound):
        sets.rename_class(id, "cat", "dog")


def test_photos_of_a_data_set_do_not_expire_and_go_with_it(store: Store) -> None:
    sets = store.data_sets
    id = sets.create("Screws").id
    photo = made.photo()
    run = made.finished(store, photo, retention_days=1)
    sets.add(id, [taken(photo, "a.jpg", CAT), checked(1)])
    store.cleanup(utcnow() + timedelta(days=2), grace=timedelta(0))
    with pytest.raises(NotFound):
        store.get_run(run.id)
    assert store.photo_bytes(photo.sha256) == photo.data
    sets.remove(id, photo.sha256)
    assert made.blobs(store) == [f"photos/{checked(1).sha256}"]
    sets.delete(id)
    assert made.blobs(store) == []
    assert store.cleanup(grace=timedelta(0)).photos == 0


def test_a_photo_of_a_run_stays_when_its_data_set_goes(store: Store) -> None:
    photo = made.photo()
    run = made.finished(store, photo)
    id = store.data_sets.create("Screws").id
    store.data_sets.add(id, [taken(photo, "a.jpg")])
    store.data_sets.delete(id)
    assert store.photo_bytes(store.get_run(run.id).photo_sha256) == photo.data


def test_two_who_add_the_same_photos_at_once_end_with_each_once(either_store: Store) -> None:
    sets = either_store.data_sets
    id = sets.create("Screws").id
    added: list[int] = []

    def add(photos: Sequence[Checked]) -> None:
        added.append(sets.add(id, photos))

    photos = [checked(n, CAT) for n in range(30)]
    threads = [threading.Thread(target=add, args=[chosen]) for chosen in (photos[:20], photos[10:], photos[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(added) == 30
    assert sets.summary(id).photos == 30
    assert sets.summary(id).objects == 30


def test_what_is_not_there_is_not_found(either_store: Store) -> None:
    sets = either_store.data_sets
    id = sets.create("Screws").id
    for id_asked in ("x", "a" * 22):
        for ask in (sets.get, sets.summary, sets.delete):
            with pytest.raises(NotFound):
                ask(id_asked)
        with pytest.raises(NotFound):
            sets.add(id_asked, [checked(1)])
    for ask in (sets.photo, sets.remove):
        with pytest.raises(NotFound):
            ask(id, "0" * 64)
