"""Runs of the REST API: what is asked, what is answered, who may change it."""

from typing import Any

import pytest
from pycocotools import mask as coco

from app.config.settings import Settings
from app.queue.status import WorkerStatus
from app.vision.export import FORMATS
from app.web.api.runs import EXPORT_TYPES
from tests.unit.api_service import PHOTO, Service, json_of
from tests.unit.photos import jpeg


def done(service: Service, query: str = "") -> dict[str, Any]:
    """A finished run of everything, as this client sees it."""
    service.know(PHOTO, "objects", "faces", "labels")
    answer = service.post(PHOTO, f"?analyses=objects,faces,labels{query}")
    assert answer.status_code == 200, answer.json
    return dict(json_of(answer))


def get(service: Service, path: str, status: int = 200) -> Any:
    answer = service.client.get(f"/api/v1{path}")
    assert answer.status_code == status, answer.json
    return answer.json


def test_a_new_photo_is_accepted_with_its_place_and_its_address(service: Service) -> None:
    service.add(jpeg(80, 60))
    answer = service.post(PHOTO, "?name=car.jpg")
    assert answer.status_code == 202
    body = json_of(answer)
    assert (body["state"], body["position"], body["name"], body["results"]) == ("queued", 2, "car.jpg", {})
    assert answer.headers["Location"] == body["links"]["self"] == f"http://localhost/api/v1/runs/{body['id']}"
    assert json_of(service.client.get(answer.headers["Location"]))["id"] == body["id"]


def test_a_known_photo_is_answered_at_once_and_says_that_nothing_was_computed(service: Service) -> None:
    run = done(service)
    assert run["state"] == "done"
    assert run["deduplicated"] is True
    assert service.services.jobs.waiting() == []


def test_links_lead_to_the_public_address_where_there_is_one(settings: Settings) -> None:
    with_address = Service(settings, public_url="https://photos.example/")
    answer = with_address.post(PHOTO)
    assert answer.headers["Location"].startswith("https://photos.example/api/v1/runs/")
    with_address.close()


def test_a_result_lists_instances_faces_and_labels_best_first(service: Service) -> None:
    results = done(service)["results"]
    assert [(i["class"], i["score"], i["box"]) for i in results["objects"]["instances"]] == [
        ("car", 0.98, [10, 20, 110, 90]),
        ("dog", 0.7, [150, 60, 300, 220]),
    ]
    assert set(results["faces"]["faces"][0]["landmarks"]) == {
        "left_eye",
        "right_eye",
        "nose",
        "mouth_left",
        "mouth_right",
    }
    assert results["labels"]["labels"][0] == {"class": "sports_car", "score": 0.7}
    assert results["objects"]["model"]["title"] == "Mask R-CNN"


def test_masks_are_rle_that_pycocotools_reads(service: Service) -> None:
    mask = done(service)["results"]["objects"]["instances"][0]["mask"]
    bitmap = coco.decode({"size": mask["size"], "counts": mask["counts"].encode()})
    assert bitmap.shape == (240, 320)
    assert bitmap[55, 60] == 1
    assert bitmap[:20].sum() == 0


def test_masks_come_as_polygons_inside_the_box_or_not_at_all(service: Service) -> None:
    id = done(service)["id"]
    first = get(service, f"/runs/{id}?masks=polygon")["results"]["objects"]["instances"][0]
    xs, ys = zip(*[point for polygon in first["mask"] for point in polygon], strict=True)
    assert (min(xs), min(ys), max(xs), max(ys)) == tuple(first["box"])
    assert get(service, f"/runs/{id}?masks=none")["results"]["objects"]["instances"][0]["mask"] is None


def test_coordinates_can_be_normalized_for_boxes_landmarks_and_polygons(service: Service) -> None:
    id = done(service)["id"]
    plain = get(service, f"/runs/{id}?masks=polygon")["results"]
    scaled = get(service, f"/runs/{id}?masks=polygon&coordinates=normalized")["results"]
    assert scaled["objects"]["instances"][0]["box"] == [10 / 320, 20 / 240, 110 / 320, 90 / 240]
    nose, nose_scaled = (r["faces"]["faces"][0]["landmarks"]["nose"] for r in (plain, scaled))
    assert nose_scaled == pytest.approx([nose[0] / 320, nose[1] / 240])
    point, point_scaled = (r["objects"]["instances"][0]["mask"][0][0] for r in (plain, scaled))
    assert point_scaled == pytest.approx([point[0] / 320, point[1] / 240])


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["car", "dog"]),
        ("?threshold=0.2", ["car", "dog", "car"]),
        ("?threshold=0.8", ["car"]),
        ("?classes=dog", ["dog"]),
        ("?classes=dog&classes=cat", ["dog"]),
        ("?exclude=dog", ["car"]),
    ],
)
def test_a_result_is_a_view_at_the_asked_threshold_and_classes(service: Service, query: str, names: list[str]) -> None:
    id = done(service)["id"]
    found = get(service, f"/runs/{id}{query}")["results"]["objects"]["instances"]
    assert [instance["class"] for instance in found] == names


def test_what_the_run_asked_for_is_the_default_of_later_requests(service: Service) -> None:
    id = done(service, "&threshold=0.2&classes=car")["id"]
    run = get(service, f"/runs/{id}")
    assert (run["threshold"], run["classes"]) == (0.2, ["car"])
    assert [i["class"] for i in run["results"]["objects"]["instances"]] == ["car", "car"]
    assert len(get(service, f"/runs/{id}?threshold=0.5")["results"]["objects"]["instances"]) == 1


def test_the_image_is_drawn_at_the_asked_threshold_and_revalidates(service: Service) -> None:
    id = done(service)["id"]
    first = service.client.get(f"/api/v1/runs/{id}/image?max_size=160&format=png")
    assert first.mimetype == "image/png"
    again = service.client.get(
        f"/api/v1/runs/{id}/image?max_size=160&format=png", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert (again.status_code, again.data) == (304, b"")
    other = service.client.get(f"/api/v1/runs/{id}/image?max_size=160&format=png&threshold=0.9")
    assert other.data != first.data


def test_image_and_export_of_an_unfinished_run_are_409(service: Service) -> None:
    id = json_of(service.post(PHOTO))["id"]
    for path in ("image", "export?format=coco"):
        assert get(service, f"/runs/{id}/{path}", 409)["code"] == "not-ready"


@pytest.mark.parametrize("format", FORMATS)
def test_every_export_format_is_offered_with_a_documented_media_type(service: Service, format: str) -> None:
    answer = service.client.get(f"/api/v1/runs/{done(service)['id']}/export?format={format}")
    assert (answer.status_code, answer.mimetype in EXPORT_TYPES) == (200, True)
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_an_export_is_the_file_of_the_asked_format(service: Service) -> None:
    id = done(service)["id"]
    answer = service.client.get(f"/api/v1/runs/{id}/export?format=coco&threshold=0.9")
    assert answer.status_code == 200
    names = {category["id"]: category["name"] for category in json_of(answer)["categories"]}
    found = [names[annotation["category_id"]] for annotation in json_of(answer)["annotations"]]
    assert found.count("car") == 1
    assert "dog" not in found
    assert get(service, f"/runs/{id}/export?format=papyrus", 400)["detail"]


def test_an_answer_is_held_until_the_result_is_there(service: Service) -> None:
    with service.answering():
        answer = service.post(PHOTO, "?wait=20")
    assert answer.status_code == 200
    assert json_of(answer)["state"] == "done"
    assert json_of(answer)["results"]["objects"]["instances"]


def test_prefer_wait_holds_the_answer_too_and_says_so(service: Service) -> None:
    with service.answering():
        answer = service.post(PHOTO, Prefer="respond-async, wait=20")
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=20"


def test_waiting_in_vain_gives_202(service: Service) -> None:
    answer = service.post(PHOTO, "?wait=0.05")
    assert (answer.status_code, json_of(answer)["state"]) == (202, "queued")


def test_with_every_place_to_wait_taken_the_answer_is_202_at_once(service: Service) -> None:
    places = service.app.extensions["thread_slots"].polls
    taken = [places.acquire() for _ in range(places.count)]
    assert all(taken)
    answer = service.post(PHOTO, "?wait=60")
    assert answer.status_code == 202


def test_the_list_shows_own_runs_newest_first_page_by_page(service: Service) -> None:
    service.add(PHOTO, owner="v:somebody else")
    ids = [json_of(service.post(PHOTO, f"?name={n}.jpg"))["id"] for n in range(3)]
    first = get(service, "/runs?limit=2")
    assert [run["id"] for run in first["runs"]] == [ids[2], ids[1]]
    second = get(service, f"/runs?limit=2&cursor={first['next']}")
    assert [run["id"] for run in second["runs"]] == [ids[0]]
    assert second["next"] is None


def test_the_list_can_be_narrowed_to_a_class_and_to_times(service: Service) -> None:
    id = done(service)["id"]
    assert [run["id"] for run in get(service, "/runs?class=dog")["runs"]] == [id]
    assert get(service, "/runs?class=zebra")["runs"] == []
    assert get(service, "/runs?until=2020-01-01T00:00:00Z")["runs"] == []
    assert get(service, "/runs?since=2020-01-01T00:00:00")["runs"] != []


@pytest.mark.parametrize(
    "query",
    ["since=0001-01-01T00:00:00%2B23:59", "until=9999-12-31T23:59:59-23:59", "class=%00", "limit=0", "cursor=x"],
)
def test_a_list_that_cannot_be_is_refused(service: Service, query: str) -> None:
    assert service.client.get(f"/api/v1/runs?{query}").status_code in (400, 422)


def test_the_smallest_threshold_is_a_threshold(service: Service) -> None:
    id = done(service)["id"]
    assert get(service, f"/runs/{id}?threshold=0.00001")["threshold"] == 0
    assert len(get(service, f"/runs/{id}?threshold=0")["results"]["objects"]["instances"]) == 3


def test_a_cancelled_run_leaves_the_queue(service: Service) -> None:
    id = json_of(service.post(PHOTO))["id"]
    answer = service.client.post(f"/api/v1/runs/{id}/cancel")
    assert (answer.status_code, json_of(answer)["state"]) == (200, "cancelled")
    assert service.services.jobs.waiting() == []


def test_cancelling_a_finished_run_changes_nothing(service: Service) -> None:
    id = done(service)["id"]
    assert json_of(service.client.post(f"/api/v1/runs/{id}/cancel"))["state"] == "done"


def test_a_deleted_run_is_gone(service: Service) -> None:
    id = done(service)["id"]
    assert service.client.delete(f"/api/v1/runs/{id}").status_code == 204
    get(service, f"/runs/{id}", 404)


def test_others_may_read_a_run_but_not_change_it(service: Service) -> None:
    id = done(service)["id"]
    stranger = service.app.test_client()
    assert stranger.get(f"/api/v1/runs/{id}").status_code == 200
    assert stranger.delete(f"/api/v1/runs/{id}").status_code == 403
    assert stranger.post(f"/api/v1/runs/{id}/cancel").status_code == 403


def test_the_models_say_who_answers(service: Service) -> None:
    models = get(service, "/models")
    assert {model["analyzer"] for model in models["models"]} == {"objects", "faces", "labels"}
    assert models["workers"] == 0
    service.services.jobs.heartbeat("w", WorkerStatus(ready=True, job=None))
    service.services.jobs.record_duration("faces", 0.25)
    models = get(service, "/models")
    assert models["workers"] == 1
    assert next(m for m in models["models"] if m["analyzer"] == "faces")["seconds"] == 0.25


def test_a_failed_run_says_why(service: Service) -> None:
    id = json_of(service.post(PHOTO))["id"]
    (analysis,) = service.services.jobs.waiting()
    service.services.store.start_analysis(analysis)
    service.services.store.fail_analysis(analysis, "It took too long.")
    run = get(service, f"/runs/{id}")
    assert (run["state"], run["error"], run["eta"]) == ("failed", "It took too long.", None)
