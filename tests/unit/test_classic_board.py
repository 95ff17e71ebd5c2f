"""The board: a visitor's photos as cards."""

import io
import re
from typing import Any

import pytest

from tests.unit.api_service import PHOTO, SIZE, Service, json_of
from tests.unit.photos import jpeg
from tests.unit.results import objects


def board(service: Service) -> str:
    answer = service.client.get("/board")
    assert answer.status_code == 200
    return answer.text


def add(service: Service, *photos: bytes, **fields: Any) -> None:
    token = re.search(r'name="csrf_token" value="([^"]+)"', board(service))
    assert token
    files = [(io.BytesIO(data), f"{n}.jpg") for n, data in enumerate(photos)]
    answer = service.client.post("/board", data={"csrf_token": token[1], "photo": files, **fields})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/board")


def cards(page: str) -> list[str]:
    return re.findall(r'<li class="card.*?</details>\s*</li>', page, re.DOTALL)


def test_added_photos_wait_as_cards_and_then_show_what_was_found(service: Service) -> None:
    add(service, PHOTO, jpeg(50, 40))
    assert len(cards(board(service))) == 2
    assert board(service).count("data-waiting") == 2
    assert "not ready yet" in board(service)
    service.answer()
    page = board(service)
    assert "data-waiting" not in page
    assert "not ready yet" not in page
    for card in cards(page):
        assert "car" in card
        assert "98\u00a0%" in card


def test_the_board_never_reloads_by_itself_which_would_lose_a_chosen_file(service: Service) -> None:
    add(service, PHOTO)
    page = board(service)
    assert "data-waiting" in page
    assert 'http-equiv="refresh"' not in page


def test_a_card_lists_objects_of_at_least_70_percent_and_counts_the_rest(service: Service) -> None:
    box = (10, 20, 110, 90)
    service.found |= objects(SIZE, *[("cat", 0.9 - n / 100, box) for n in range(8)], ("dog", 0.6, box))
    add(service, PHOTO)
    service.answer()
    (card,) = cards(board(service))
    assert card.count('class="what">cat') == 6
    assert "and 2 more" in card
    assert "dog" not in card


@pytest.mark.parametrize(("failing", "found"), [("faces", True), ("objects", False)])
def test_a_card_of_which_one_analysis_failed_says_so(service: Service, failing: str, found: bool) -> None:
    add(service, PHOTO, analyses=["objects", "faces"])
    (run,) = re.findall(r'data-card="/board/([^"]+)"', board(service))
    service.fail(run, failing, "This was too much.")
    service.answer()
    (card,) = cards(board(service))
    assert "This was too much." in card
    assert ("98\u00a0%" in card) is found
    assert "Nothing above" not in card


def test_a_card_of_which_only_faces_were_looked_for_says_nothing_of_objects(service: Service) -> None:
    add(service, PHOTO, analyses=["faces"])
    service.answer()
    assert "Nothing above" not in board(service)


def test_one_card_can_be_asked_for_by_itself(service: Service) -> None:
    add(service, PHOTO)
    (address,) = re.findall(r'data-card="([^"]+)"', board(service))
    assert "data-waiting" in service.client.get(address).text
    service.answer()
    assert "data-waiting" not in service.client.get(address).text


def test_a_removed_card_is_gone_and_only_its_owner_may_remove_it(service: Service) -> None:
    add(service, PHOTO)
    (address,) = re.findall(r'action="(/board/[^"]+/remove)"', board(service))
    stranger = service.app.test_client()
    theirs = re.search(r'name="csrf_token" value="([^"]+)"', stranger.get("/board").text)
    assert theirs
    assert stranger.post(address, data={"csrf_token": theirs[1]}).status_code == 403
    mine = re.search(r'name="csrf_token" value="([^"]+)"', board(service))
    assert mine
    assert service.client.post(address, data={"csrf_token": mine[1]}).status_code == 303
    assert cards(board(service)) == []


def test_others_photos_are_not_on_the_board(service: Service) -> None:
    service.know(PHOTO)
    assert cards(board(service)) == []


def test_forms_without_a_token_are_refused(service: Service) -> None:
    assert service.client.post("/board", data={"photo": (io.BytesIO(PHOTO), "a.jpg")}).status_code == 400


def test_a_file_that_is_not_a_photo_is_reported_to_the_script_as_json(service: Service) -> None:
    token = re.search(r'name="csrf_token" value="([^"]+)"', board(service))
    assert token
    form = {"csrf_token": token[1], "photo": (io.BytesIO(b"text"), "a.txt")}
    answer = service.client.post("/board", data=form, headers={"Accept": "application/json"})
    assert (answer.status_code, "error" in json_of(answer)) == (415, True)
