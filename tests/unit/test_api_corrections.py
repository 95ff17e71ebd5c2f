"""Corrections by the REST API: what is kept beside the model's answer, who may correct, and newer versions."""

import json
from typing import Any

import numpy as np
import pytest

from app.vision import masks
from app.vision.analyses.objects.result import Instances
from tests.unit.api_service import PHOTO, SIZE, Service, json_of, module_service

CAR, DOG, WEAK_CAR = [10.0, 20.0, 110.0, 90.0], [150.0, 60.0, 300.0, 220.0], [5.0, 150.0, 90.0, 230.0]


service = module_service  # Each test sends a run of its own.


def sent(service: Service, query: str = "") -> str:
    """A finished run of this client; its id. The model found a car, a dog, and a weaker car."""
    service.know(PHOTO, "objects", "faces", "labels")
    return str(json_of(service.post(PHOTO, query))["id"])


def correction(service: Service, run: str, query: str = "") -> Any:
    return json_of(service.client.get(f"/api/v1/runs/{run}/correction{query}"))


def correct(service: Service, run: str, status: int = 200, client: Any = None, **body: Any) -> Any:
    headers = body.pop("headers", {})
    answer = (client or service.client).put(
        f"/api/v1/runs/{run}/correction", json={"version": 0} | body, headers=headers
    )
    assert answer.status_code == status, answer.json
    return answer.json


def found(service: Service, run: str, query: str = "") -> list[tuple[str, float]]:
    """Class and score of what a run's result holds."""
    body = json_of(service.client.get(f"/api/v1/runs/{run}{query}"))
    return [(i["class"], i["score"]) for i in body["results"]["objects"]["instances"]]


def test_a_correction_begins_with_what_the_model_found_from_the_threshold_on(service: Service) -> None:
    begun = correction(service, sent(service))
    assert (begun["version"], begun["checked"], begun["history"]) == (0, False, [])
    kept = [(i["from"], i["class"], i["accepted"], i["box"]) for i in begun["instances"]]
    assert kept == [(0, "car", False, CAR), (1, "dog", False, DOG)]
    assert len(correction(service, sent(service, "?threshold=0.2"))["instances"]) == 3
    assert begun["classes"][:3] == ["person", "bicycle", "car"]


def test_a_correction_stands_beside_the_answer_and_is_shown_in_its_place(service: Service) -> None:
    run = sent(service)
    drawn = {"class": "robot", "box": [0, 0, 50.5, 40]}
    kept = correct(service, run, instances=[{"from": 0, "class": "truck"}, {"from": 2, "accepted": True}, drawn])
    assert kept["version"] == 1
    assert kept["classes"][-1] == "robot"
    assert found(service, run) == [("truck", 1.0), ("car", 1.0), ("robot", 1.0)]
    assert found(service, run, "?source=model") == [("car", 0.98), ("dog", 0.7)]
    [change] = kept["history"]
    assert change["changes"] == {"renamed": 1, "accepted": 1, "drawn": 1, "deleted": 1}
    assert (change["by"], change["checked"]) == ("visitor", False)
    assert json_of(service.client.get(f"/api/v1/runs/{run}"))["correction"] == 1


def test_what_nobody_has_looked_at_keeps_the_models_score(service: Service) -> None:
    run = sent(service)
    correct(service, run, instances=[{"from": 0}, {"from": 1, "accepted": True}])
    assert found(service, run) == [("dog", 1.0), ("car", 0.98)]


def test_a_photo_can_be_checked_without_a_change(service: Service) -> None:
    run = sent(service)
    checked = correct(service, run, checked=True)
    assert checked["checked"] is True
    assert checked["history"][0]["changes"] == {"accepted": 2}
    assert found(service, run, "?threshold=0.1") == [("car", 1.0), ("dog", 1.0)]
    assert correct(service, run, version=1)["checked"] is False


@pytest.mark.parametrize("form", ["rle", "polygon"])
def test_a_mask_comes_back_as_it_was_sent(service: Service, form: str) -> None:
    run = sent(service)
    bitmap = np.zeros(SIZE, bool)
    bitmap[50:80, 40:90] = bitmap[90:99, 40:55] = True
    bitmap[60:70, 50:60] = False
    rle = masks.from_bitmap(bitmap)
    polygons = [polygon.tolist() for polygon in masks.polygons(rle)]
    mask = {"size": list(SIZE), "counts": rle.counts} if form == "rle" else polygons
    kept = correct(service, run, instances=[{"from": 0, "mask": mask}])
    assert kept["instances"][0]["mask"] == {"size": list(SIZE), "counts": rle.counts}
    assert kept["history"][0]["changes"]["outlined"] == 1
    assert correction(service, run, "?masks=polygon")["instances"][0]["mask"] == polygons


def test_a_mask_can_be_taken_away_and_one_without_pixels_is_none(service: Service) -> None:
    empty = {"size": list(SIZE), "counts": masks.from_bitmap(np.zeros(SIZE, bool)).counts}
    run = sent(service)
    kept = correct(service, run, instances=[{"from": 0, "mask": None}, {"from": 1, "mask": empty}])
    assert [i["mask"] for i in kept["instances"]] == [None, None]
    assert [i["accepted"] for i in kept["instances"]] == [True, True]


def test_a_box_is_kept_inside_the_photo(service: Service) -> None:
    run = sent(service)
    kept = correct(service, run, instances=[{"from": 0, "box": [-9, 20, 500, 90]}])
    assert kept["instances"][0]["box"] == [0, 20, SIZE[1], 90]


def test_a_known_class_keeps_its_spelling(service: Service) -> None:
    kept = correct(service, sent(service), instances=[{"from": 0, "class": " Truck "}])
    assert kept["instances"][0]["class"] == "truck"


def test_an_older_version_is_told_and_changes_nothing(service: Service) -> None:
    run = sent(service)
    correct(service, run, instances=[{"from": 0}])
    refused = correct(service, run, 409, instances=[])
    assert refused["code"] == "corrected-meanwhile"
    assert len(correction(service, run)["instances"]) == 1
    assert correct(service, run, version=1, instances=[])["version"] == 2


def test_only_the_owner_and_the_holders_of_keys_may_correct(service: Service) -> None:
    run = sent(service)
    stranger = service.app.test_client()
    assert correct(service, run, 403, client=stranger, checked=True)["code"] == "forbidden"
    _, secret = service.services.store.keys.create("labeller")
    headers = {"Authorization": f"Bearer {secret}"}
    assert correct(service, run, client=stranger, checked=True, headers=headers)["history"][0]["by"] == "key"
    assert correct(service, run, version=1)["history"][1]["by"] == "visitor"
    assert stranger.get(f"/api/v1/runs/{run}/correction").status_code == 200


@pytest.mark.parametrize(
    "instance",
    [
        {"from": 3},
        {"from": -1},
        {"class": "car"},
        {"box": CAR},
        {"from": 0, "class": " "},
        {"from": 0, "class": "x" * 81},
        {"from": 0, "box": [10, 10, 10, 90]},
        {"from": 0, "box": [400, 0, 500, 9]},
        {"from": 0, "mask": {"size": [1, 1], "counts": "1"}},
        {"from": 0, "mask": {"size": list(SIZE), "counts": "1"}},
        {"from": 0, "mask": [[[0, 0], [9, 9]]]},
        {"from": 0, "sure": True},
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(service: Service, instance: dict[str, Any]) -> None:
    run = sent(service)
    correct(service, run, 422, instances=[instance])
    assert correction(service, run)["version"] == 0


def test_what_is_not_json_or_far_too_much_of_it_is_refused(service: Service) -> None:
    path = f"/api/v1/runs/{sent(service)}/correction"
    assert service.client.put(path, data=b"{", content_type="application/json").status_code == 400
    many = b'{"version": 0, "instances": [' + b"[]," * 300_000 + b"0]}"
    refused = service.client.put(path, data=many, content_type="application/json")
    assert (refused.status_code, "far more values" in json_of(refused)["detail"]) == (422, True)


def test_an_object_of_the_model_counts_once(service: Service) -> None:
    correct(service, sent(service), 422, instances=[{"from": 0}, {"from": 0, "class": "dog"}])


def test_a_run_without_objects_or_without_a_result_has_nothing_to_correct(service: Service) -> None:
    service.know(PHOTO, "labels")
    run = json_of(service.post(PHOTO, "?analyses=labels"))["id"]
    assert correct(service, run, 409, checked=True)["code"] == "nothing-to-correct"
    queued = service.add(PHOTO + b"other").id
    assert service.client.get(f"/api/v1/runs/{queued}/correction").json["code"] == "not-ready"
    service.answer()


def test_picture_overlay_and_exports_show_the_correction_or_the_models_answer(service: Service) -> None:
    run = sent(service)

    def get(path: str) -> bytes:
        answer = service.client.get(path)
        assert answer.status_code == 200, answer.json
        return answer.data

    api, page = f"/api/v1/runs/{run}", f"/runs/{run}"
    before, overlay = get(f"{api}/image"), json.loads(get(f"{page}/overlay"))
    correct(service, run, instances=[{"class": "robot", "box": CAR}])
    assert get(f"{api}/image") != before == get(f"{api}/image?source=model")
    [robot] = json.loads(get(f"{page}/overlay"))["instances"]
    assert (robot["class"], robot["polygons"]) == ("robot", [])
    assert json.loads(get(f"{page}/overlay?source=model")) == overlay
    for path in (f"{api}/export?format=coco", f"{page}/export?format=coco"):
        coco, model = json.loads(get(path)), json.loads(get(f"{path}&source=model"))
        names = {category["id"]: category["name"] for category in coco["categories"]}
        assert [names[a["category_id"]] for a in coco["annotations"]] == ["robot"]
        assert len(model["annotations"]) > 1


def test_a_search_finds_the_classes_of_the_correction(service: Service) -> None:
    run = sent(service)
    correct(service, run, instances=[{"from": 0, "class": "sheepdog"}], checked=True)

    def runs(name: str) -> list[str]:
        return [each["id"] for each in json_of(service.client.get(f"/api/v1/runs?class={name}"))["runs"]]

    assert run in runs("sheepdog")
    assert run not in runs("dog")


def test_a_deleted_run_takes_its_correction_along(service: Service) -> None:
    run = sent(service)
    correct(service, run, checked=True)
    assert service.client.delete(f"/api/v1/runs/{run}").status_code == 204
    assert service.services.store.corrections(run) == []


def test_the_corrected_result_is_of_the_models_own_type(service: Service) -> None:
    id = sent(service)
    correct(service, id, instances=[{"from": 1, "class": "robot"}, {"class": "cat", "box": CAR}])
    store = service.services.store
    result = store.results_from(store.get_run(id))["objects"].result
    assert isinstance(result, Instances)
    assert Instances.from_dict(result.to_dict()).to_dict() == result.to_dict()
    assert result.names == ["robot", "cat"]
    assert result.masks is not None
    assert [mask is None for mask in result.masks] == [False, True]
