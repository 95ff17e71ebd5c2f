"""Versions on the pages and in the API: who may, and what happens to results."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.config.settings import Settings
from app.datasets.compared import WORST_FILE, dump
from app.vision.results import ModelCard
from tests.fixtures.trained import write_trained
from tests.unit.api_service import Service, json_of, running
from tests.unit.test_data_sets_web import BEARER, KEY, OTHER, made, submit
from tests.unit.test_trainings_web import compared
from tests.unit.visitor import Visitor

SCORES = {"photos": 4, "box": {"AP": 31.5, "AP50": 60.0, "classes": {"screw": {"AP": 31.5, "AP50": 60.0}}}}
CARD = {
    "base": "Starter Mask R-CNN",
    "minutes": 2,
    "steps": 40,
    "seed": 0,
    "photos": 16,
    "data_set": {"name": "Screws", "hash": "0" * 64},
    "scores": SCORES,
    "confusion": [["screw", "screw", 6], ["screw", "nail", 1], ["screw", None, 2], [None, "nail", 1]],
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_trained(tmp_path_factory.mktemp("trained") / "out")


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from running(settings, admin_key=KEY)


@pytest.fixture
def admin(service: Service) -> Visitor:
    visitor = Visitor(service)
    submit(visitor, "/admin", "/admin", key=KEY)
    return visitor


def test_only_administrators_see_promote_roll_back_and_delete(
    service: Service, visitor: Visitor, trained: Path
) -> None:
    id = service.services.store.versions.add(trained, "Screws", {}).id
    assert visitor.get("/versions").status_code == 303
    for path in (f"/versions/{id}/promote", "/versions/back", f"/versions/{id}/delete"):
        assert submit(visitor, path, "/admin").status_code == 403
    for path in (f"/versions/{id}/promote", "/versions/default/back"):
        assert service.client.post(f"/api/v1{path}").status_code == 403
    assert service.client.post(f"/api/v1/versions/{id}/promote", headers=OTHER).status_code == 401
    assert service.client.delete(f"/api/v1/versions/{id}").status_code == 403
    assert service.services.store.versions.current() is None


def test_a_version_is_compared_promoted_and_rolled_back_at_the_page(
    service: Service, admin: Visitor, trained: Path
) -> None:
    store = service.services.store.versions
    id = store.add(trained, "Better screws", CARD).id
    page = admin.get("/versions").text
    assert "Box AP <b>31.5</b>" in page
    assert "from 16\u00a0photos of “Screws”" in page
    submit(admin, f"/versions/{id}/promote", "/versions")
    assert store.current() == id
    promoted = admin.get("/versions").text
    assert "Better screws is the default now." in promoted
    assert "not taken up by a worker yet" in promoted
    service.services.jobs.announce([ModelCard("objects", f"version-{id}", "Better screws", "1", "0" * 64)], {})
    assert "answers now" in admin.get("/versions").text
    assert submit(admin, f"/versions/{id}/delete", "/versions").status_code == 409
    submit(admin, "/versions/back", "/versions")
    assert store.current() is None
    submit(admin, f"/versions/{id}/delete", "/versions")
    assert "No version yet" in admin.get("/versions").text


def test_the_card_shows_what_is_taken_for_what_and_the_worst_photos(
    service: Service, admin: Visitor, tmp_path: Path
) -> None:
    [photo, *_] = compared(service, made(service))
    folder = write_trained(tmp_path / "out")
    (folder / WORST_FILE).write_bytes(dump([photo]))
    listed = {"sha256": photo.sha256, "name": photo.name, "size": photo.size, "missed": 3, "wrong": 0, "confused": 1}
    store = service.services.store.versions
    id = store.add(folder, "Screws", CARD | {"worst": [listed]}).id
    page = admin.get("/versions").text
    table = page[page.index('class="matrix"') : page.index("</table>", page.index('class="matrix"'))]
    assert re.findall(r'scope="(?:col|row)">(\w+)', table) == ["nail", "screw", "nothing"] * 2
    assert re.findall(r"<td class=\"(\w+) shade-(\d)\">(\d*)", table) == [
        *(("right", "0", ""), ("mistaken", "0", ""), ("mistaken", "0", "")),
        *(("mistaken", "1", "1"), ("right", "4", "6"), ("mistaken", "2", "2")),
        *(("mistaken", "5", "1"), ("mistaken", "0", ""), ("right", "0", "")),
    ]
    assert "3 not found, 1 taken for something else" in page
    pictures = re.findall(r'<img src="(/versions/[^"]+)"', page)
    assert [address.rpartition("/")[2] for address in pictures] == ["truth", "trained"]
    assert [admin.get(address).mimetype for address in pictures] == ["image/jpeg"] * 2
    store.delete(id)
    assert admin.get(pictures[0]).status_code == 404
    assert [*service.services.store.blobs.keys("versions/")] == []


def test_the_api_lists_promotes_rolls_back_and_deletes(service: Service, trained: Path) -> None:
    id = service.services.store.versions.add(trained, "Screws", CARD).id
    client, path = service.client, f"/api/v1/versions/{id}"
    assert json_of(client.post(f"{path}/promote", headers=BEARER))["default"] == id
    [listed] = json_of(client.get("/api/v1/versions", headers=BEARER))["versions"]
    assert (listed["title"], listed["default"], listed["card"]) == ("Screws", True, CARD)
    assert json_of(client.delete(path, headers=BEARER))["code"] == "version-in-use"
    assert json_of(client.post("/api/v1/versions/default/back", headers=BEARER))["default"] is None
    assert json_of(client.post("/api/v1/versions/default/back", headers=BEARER))["code"] == "nothing-before"
    assert client.delete(path, headers=BEARER).status_code == 204
    assert client.post(f"{path}/promote", headers=BEARER).status_code == 404


def test_the_commands_add_list_promote_and_roll_back(service: Service, trained: Path, tmp_path: Path) -> None:
    run = service.app.test_cli_runner().invoke
    id = run(args=["versions", "add", str(trained), "--title", "Screws"]).output.strip()
    assert run(args=["versions", "promote", id]).exit_code == 0
    assert "default  Screws" in run(args=["versions", "list"]).output
    assert "The model of the settings" in run(args=["versions", "roll-back"]).output
    assert "nothing to go back to" in run(args=["versions", "roll-back"]).output
    refused = run(args=["versions", "add", str(tmp_path)])
    assert refused.exit_code == 1
    assert "models.toml" in refused.output


def test_a_photo_is_analysed_again_by_the_model_of_now_and_the_old_result_stays(
    service: Service, visitor: Visitor
) -> None:
    run = visitor.run()
    assert "Analyse again" not in visitor.get(run).text
    card = ModelCard("objects", "version-new", "Better screws", "1", "1" * 64)
    service.services.jobs.announce([card], {})
    assert "Analyse again with Better screws" in visitor.get(run).text
    assert submit(Visitor(service), f"{run}/again", "/").status_code == 403
    again = submit(visitor, f"{run}/again", "/").location
    assert again != run
    service.answer({"objects": replace(service.found["objects"], card=card)})
    assert "Better screws" in visitor.get(again).text
    assert "Mask R-CNN</a>" in visitor.get(run).text
