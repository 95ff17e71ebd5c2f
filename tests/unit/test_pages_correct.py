"""Correcting without scripts, and the queue of photos to correct."""

import re
from typing import Any

from werkzeug.test import TestResponse

from tests.unit.api_service import SIZE, Service, json_of, module_service
from tests.unit.photos import jpeg
from tests.unit.results import objects
from tests.unit.visitor import Visitor

service = module_service  # Each test has visitors of its own.
BOX = (10, 20, 110, 90)


def names(page: str) -> list[str]:
    return re.findall(r'<span class="name">([^<]+)', page)


def submit(visitor: Visitor, address: str, **fields: Any) -> TestResponse:
    data = {"csrf_token": visitor.token(f"{address}/correct"), "version": "0", "then": "checked"} | fields
    return visitor.client.post(f"{address}/correct", data=data)


def found(service: Service, address: str) -> list[tuple[str, float]]:
    store = service.services.store
    run = store.get_run(address.rsplit("/")[-1])
    return [(row.name, row.shown_score) for row in store.results_from(run)["objects"].result.rows()]


def test_the_list_offers_what_was_found_ticked_and_what_is_weaker_not(service: Service) -> None:
    visitor = Visitor(service)
    address = visitor.run()
    assert f'href="{address}/correct"' in visitor.get(address).text
    page = visitor.get(f"{address}/correct").text
    assert re.findall(r'name="keep" value="(\w+)"( checked)?', page) == [
        ("o0", " checked"),
        ("o1", " checked"),
        ("m2", ""),
    ]
    assert '<option value="toothbrush">' in page
    assert "1\N{NO-BREAK SPACE}weaker guess" in page


def test_what_is_ticked_is_accepted_renamed_or_else_rejected(service: Service) -> None:
    visitor = Visitor(service)
    address = visitor.run()
    answer = submit(visitor, address, keep=["o0", "m2"], **{"name-o0": "Robot taxi", "name-m2": " CAR "})
    assert (answer.status_code, answer.location) == (303, address)
    assert found(service, address) == [("Robot taxi", 1.0), ("car", 1.0)]
    page = visitor.get(address).text
    assert "This was corrected by hand." in page
    assert "Show it corrected" in visitor.get(f"{address}?source=model").text


def test_an_older_page_is_told_and_changes_nothing(service: Service) -> None:
    visitor = Visitor(service)
    address = visitor.run()
    submit(visitor, address, keep=["o0"])
    answer = submit(visitor, address, keep=[])
    assert answer.location == f"{address}/correct"
    assert "was corrected meanwhile" in visitor.get(answer.location).text
    assert len(found(service, address)) == 1


def test_nobody_else_may_correct_or_be_shown_how(service: Service) -> None:
    address, stranger = Visitor(service).run(), Visitor(service)
    assert "/correct" not in stranger.get(address).text
    assert stranger.get(f"{address}/correct").status_code == 403
    data = {"csrf_token": stranger.token(), "version": "0", "then": "checked"}
    assert stranger.client.post(f"{address}/correct", data=data).status_code == 403


def test_the_editor_reads_and_keeps_its_state_as_the_api_has_it_for_the_owner_alone(service: Service) -> None:
    visitor, stranger = Visitor(service), Visitor(service)
    address = f"{visitor.run()}/correct"
    state = json_of(visitor.get(f"{address}/state"))
    assert [each["class"] for each in state["instances"]] == ["car", "dog"]
    assert [(each["class"], each["from"]) for each in state["guesses"]] == [("car", 2)]
    assert set(state["colours"]) == {"car", "dog"}
    body: dict[str, Any] = {"version": 0, "instances": [{"from": 1, "class": "wolf"}]}

    def put(who: Visitor, token: str) -> TestResponse:
        headers = {"X-CSRFToken": token, "Accept": "application/json"}
        return who.client.put(f"{address}/state", json=body, headers=headers)

    assert put(visitor, "").status_code == 400
    assert put(stranger, stranger.token()).status_code == 403
    assert stranger.get(f"{address}/state").status_code == 403
    kept = json_of(put(visitor, visitor.token()))
    assert (kept["version"], kept["instances"][0]["class"], len(kept["guesses"])) == (1, "wolf", 2)
    assert json_of(put(visitor, visitor.token()))["version"] == 1, "the same once more changes nothing"
    body["instances"] = []
    assert put(visitor, visitor.token()).status_code == 409


def test_a_photo_in_which_no_objects_were_looked_for_cannot_be_corrected(service: Service) -> None:
    visitor = Visitor(service)
    address = visitor.run(analyses=("labels",))
    assert "/correct" not in visitor.get(address).text
    assert visitor.get(f"{address}/correct").status_code == 409


def test_a_name_that_is_too_long_is_refused(service: Service) -> None:
    visitor = Visitor(service)
    address = visitor.run()
    assert submit(visitor, address, keep=["o0"], **{"name-o0": "x" * 81}).status_code == 422
    assert len(found(service, address)) == 3


def test_a_page_that_shows_the_models_answer_stays_with_it_when_its_form_is_sent(service: Service) -> None:
    visitor = Visitor(service)
    address = visitor.run()
    submit(visitor, address, keep=["o1"])
    page = visitor.get(f"{address}?source=model").text
    assert '<input type="hidden" name="source" value="model">' in page
    assert "source=model" in visitor.get(f"{address}?apply=1&source=model&percent=30").location
    assert "source" not in visitor.get(f"{address}?apply=1&source=corrected&percent=30").location


def test_the_queue_leads_from_photo_to_photo_until_all_are_checked(service: Service) -> None:
    visitor = Visitor(service)
    assert "No photos yet" in visitor.get("/teach").text
    sent = {}
    for name, score in (("sure.jpg", 0.99), ("doubtful.jpg", 0.52), ("fair.jpg", 0.8)):
        service.found |= objects(SIZE, ("kite", score, BOX))
        sent[name] = visitor.run(jpeg(60 + len(sent), 50), name=name)
    page = visitor.get("/teach").text
    assert names(page) == ["doubtful.jpg", "fair.jpg", "sure.jpg"]
    assert "3\N{NO-BREAK SPACE}photos to check" in page
    assert visitor.get("/teach/next").location == f"{sent['doubtful.jpg']}/correct"
    answer = submit(visitor, sent["doubtful.jpg"], keep=["o0"], then="next")
    assert visitor.get(answer.location).location == f"{sent['fair.jpg']}/correct"
    submit(visitor, sent["sure.jpg"], keep=["o0"], then="save")
    assert names(visitor.get("/teach").text) == ["fair.jpg", "sure.jpg"]
    submit(visitor, sent["sure.jpg"], keep=["o0"], version="1")
    answer = submit(visitor, sent["fair.jpg"], then="next")
    assert visitor.get(answer.location).location == "/teach"
    assert "All checked" in visitor.get("/teach").text


def test_a_batch_is_corrected_in_a_row_and_leads_back_and_to_a_data_set(service: Service) -> None:
    visitor, page = Visitor(service), ""
    visitor.run(jpeg(50, 70))
    batch = visitor.send(*[(jpeg(80 + n, 50), f"{n}.jpg") for n in range(2)]).location
    service.answer()
    assert "Add to a data set" not in visitor.get(batch).text
    [link] = re.findall(r'href="(/teach/next[^"]+)"', visitor.get(batch).text)
    for _ in range(2):
        page = visitor.get(link).location
        fields = dict(re.findall(r'type="hidden" name="(version|batch)" value="([^"]+)"', visitor.get(page).text))
        assert page.endswith(f"/correct?batch={batch.rpartition('/')[2]}")
        form = {"csrf_token": visitor.token(page), "then": "next", **fields}
        link = visitor.client.post(page.partition("?")[0], data=form).location
    assert visitor.get(link).location == batch
    assert "All photos of this batch are checked." in visitor.get(batch).text
    assert len(names(visitor.get("/teach").text)) == 1


def test_the_queue_holds_a_visitors_own_photos_alone(service: Service) -> None:
    Visitor(service).run()
    assert names(Visitor(service).get("/teach").text) == []
