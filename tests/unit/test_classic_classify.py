"""The first classic API: `POST /classify`."""

import io
from typing import Any

import numpy as np
import pytest

from app.config.settings import Settings
from tests.unit.api_service import PHOTO, SIZE, Service, json_of
from tests.unit.photos import encode, scene
from tests.unit.results import objects


def classify(service: Service, query: str = "", status: int = 200, **request: Any) -> Any:
    request = {"data": PHOTO, "content_type": "image/jpeg", **request}
    with service.answering():
        answer = service.client.post(f"/classify{query}", **request)
    assert answer.status_code == status, answer.data
    return answer.json


def test_the_answer_counts_objects_by_class_with_a_capital_letter(service: Service) -> None:
    box = (10, 20, 110, 90)
    service.found = objects(SIZE, ("dog", 0.98, box), ("dog", 0.93, box), ("potted plant", 0.9, box), ("cat", 0.7, box))
    assert classify(service) == {"Dog": 2, "Potted plant": 1}


@pytest.mark.parametrize(("query", "counts"), [("", 1), ("?threshold=0.7", 2), ("?threshold=0.25", 3)])
def test_the_threshold_is_075_unless_asked_otherwise(service: Service, query: str, counts: int) -> None:
    assert sum(classify(service, query).values()) == counts


def test_verbose_lists_each_object_with_normalized_coordinates_best_first(service: Service) -> None:
    found = classify(service, "?threshold=0.5&verbose=true")
    assert [list(thing) for thing in found] == [["class", "score", "x1", "y1", "x2", "y2"]] * 2
    first = found[0]
    assert first["class"] == "Car"
    assert first["score"] == pytest.approx(0.98)
    assert [first[k] for k in ("x1", "y1", "x2", "y2")] == [10 / 320, 20 / 240, 110 / 320, 90 / 240]
    assert found[1]["score"] < first["score"]


def test_nothing_found_is_an_empty_answer(service: Service) -> None:
    assert classify(service, "?threshold=1") == {}
    assert classify(service, "?threshold=1&verbose=true") == []


@pytest.mark.parametrize("content_type", ["image/png", "application/x-www-form-urlencoded", "text/plain", None])
def test_any_content_type_will_do(service: Service, content_type: str | None) -> None:
    assert classify(service, content_type=content_type) == {"Car": 1}


def test_png_works_too(service: Service) -> None:
    assert classify(service, data=encode(scene(SIZE[1], SIZE[0]), "PNG"), content_type="image/png") == {"Car": 1}


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (400, {"environ_overrides": {"CONTENT_LENGTH": "0"}, "data": b""}),
        (415, {"data": b"not a photo"}),
        (422, {"data": PHOTO[:400]}),
        (400, {"query_string": {"threshold": "high"}}),
        (400, {"query_string": {"threshold": "1.5"}}),
        (400, {"query_string": {"verbose": "perhaps"}}),
        (401, {"headers": {"Authorization": "Bearer wrong"}}),
    ],
)
def test_bad_input_is_refused_with_its_sentence(service: Service, status: int, request_: dict[str, Any]) -> None:
    body = classify(service, status=status, **request_)
    assert set(body) == {"error"}
    assert body["error"].endswith(".")


def test_other_methods_are_405_in_the_same_shape(service: Service) -> None:
    answer = service.client.get("/classify")
    assert (answer.status_code, set(json_of(answer))) == (405, {"error"})


def test_with_every_place_to_wait_taken_it_is_503_and_nothing_is_queued(service: Service) -> None:
    places = service.app.extensions["thread_slots"].results
    assert all(places.acquire() for _ in range(places.count))
    answer = service.client.post("/classify", data=PHOTO)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert service.services.jobs.waiting() == []


def test_it_may_take_a_place_that_others_have_left(service: Service) -> None:
    slots = service.app.extensions["thread_slots"]
    assert all(slots.polls.acquire() for _ in range(slots.polls.count))
    assert classify(service) != {}


def test_a_result_that_does_not_come_in_time_is_503(settings: Settings) -> None:
    slow = Service(settings, job_timeout=0.05)
    answer = slow.client.post("/classify", data=PHOTO)
    assert (answer.status_code, set(json_of(answer))) == (503, {"error"})
    slow.close()


def test_a_failed_analysis_is_reported_with_its_reason(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    store, jobs = service.services.store, service.services.jobs

    def fail(id: str) -> None:
        store.start_analysis(id)
        jobs.publish(store.fail_analysis(id, "This photo needs more memory than there is."))

    monkeypatch.setattr(jobs, "enqueue", fail)
    answer = service.client.post("/classify", data=PHOTO)
    assert (answer.status_code, answer.json) == (500, {"error": "This photo needs more memory than there is."})


def test_a_photo_as_the_file_of_a_form_is_the_same_photo(service: Service) -> None:
    form = {"file": (io.BytesIO(PHOTO), "a.jpg")}
    assert classify(service, data=form, content_type="multipart/form-data") == classify(service)


def test_coordinates_stay_within_the_photo(service: Service) -> None:
    found = objects(SIZE, ("dog", 0.98, (0, 0, 320, 240)))
    found["objects"].result.boxes[0] += np.float32(0.5)  # type: ignore[union-attr]
    service.found = found
    first = classify(service, "?verbose=true")[0]
    assert (first["x2"], first["y2"]) == (1, 1)
