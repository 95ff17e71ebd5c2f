"""Data sets on the pages and in the API: who may, what is taken, what comes out."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.config.settings import Settings
from tests.unit.api_service import Service, json_of, running
from tests.unit.photos import encode, jpeg
from tests.unit.visitor import Visitor

KEY = "the key of the admin"
BEARER = {"Authorization": f"Bearer {KEY}"}
OTHER = {"Authorization": "Bearer not the key of the admin"}


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from running(settings, admin_key=KEY)


@pytest.fixture
def admin(service: Service) -> Visitor:
    """A visitor who has given the key."""
    visitor = Visitor(service)
    visitor.client.post("/admin", data={"csrf_token": visitor.token("/admin"), "key": KEY})
    return visitor


def unlike(number: int) -> bytes:
    """A photo of 64 + number x 48 pixels that is not near another one."""
    blocks = np.random.default_rng(number).integers(0, 255, (8, 9, 3), np.uint8)
    return encode(Image.fromarray(blocks).resize((64 + number, 48), Image.Resampling.NEAREST), "JPEG", quality=90)


def coco_zip(*, photos: int = 2, bad: bool = False) -> bytes:
    """A ZIP of photos with one cat each; with a box outside the photo of another one if bad."""
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 64 + i, "height": 48} for i in range(photos)]
    annotations = [{"id": i + 1, "image_id": i, "category_id": 1, "bbox": [1, 2, 10, 10]} for i in range(photos)]
    if bad:
        annotations.append({"id": 99, "image_id": 0, "category_id": 1, "bbox": [500, 2, 10, 10]})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "cat"}]}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("set/instances.json", json.dumps(content))
        for i in range(photos):
            archive.writestr(f"set/images/{i}.jpg", unlike(i))
    return buffer.getvalue()


def made(service: Service, data: bytes | None = None) -> str:
    """The id of a data set of the API, filled."""
    created = service.client.post("/api/v1/datasets", json={"name": "Cats", "share": 0.5}, headers=BEARER)
    id = str(json_of(created)["id"])
    answer = service.client.post(
        f"/api/v1/datasets/{id}/photos", data=data or coco_zip(), content_type="application/zip", headers=BEARER
    )
    assert answer.status_code == 200, answer.text
    return id


def submit(visitor: Visitor, path: str, page: str, /, **fields: Any) -> Any:
    return visitor.client.post(path, data={"csrf_token": visitor.token(page), **fields})


def test_a_batch_leads_an_administrator_to_a_data_set(service: Service, admin: Visitor) -> None:
    id, batch = made(service), admin.send((jpeg(60, 40), "a.jpg"), (jpeg(61, 40), "b.jpg")).location
    service.answer()
    [link] = re.findall(r'href="(/datasets\?batch=[^"]+)"', admin.get(batch).text)
    page = admin.get(link).text
    assert f'href="/datasets/{id}?batch=' in page
    [named] = re.findall(r'type="hidden" name="batch" value="([^"]+)"', page)
    one = submit(admin, "/datasets", "/datasets", name="Screws", batch=named).location
    assert f'name="address" value="{batch}"' in admin.get(one).text


# Who may


def test_nobody_but_an_administrator_sees_or_changes_data_sets(service: Service, visitor: Visitor) -> None:
    id = made(service)
    for address in ("/datasets", f"/datasets/{id}", f"/datasets/{id}/export"):
        assert visitor.get(address).location.startswith("/admin?next=/datasets")
    for address in ("/datasets", f"/datasets/{id}/photos", f"/datasets/{id}/classes", f"/datasets/{id}/delete"):
        assert submit(visitor, address, "/admin").status_code == 403
    for address in ("", f"/{id}", f"/{id}/export?format=coco"):
        assert service.client.get(f"/api/v1/datasets{address}").status_code == 403
    for address, body in (("", {"name": "x"}), (f"/{id}/classes", {"class": "cat"}), (f"/{id}/runs", {"all": True})):
        assert service.client.post(f"/api/v1/datasets{address}", json=body).status_code == 403
    for address in (f"/{id}/photos", f"/{id}"):
        method = "DELETE" if address.endswith(id) else "POST"
        assert service.client.open(f"/api/v1/datasets{address}", method=method).status_code == 403
    assert service.client.get(f"/api/v1/datasets/{id}", headers=OTHER).status_code == 401
    assert json_of(service.client.get(f"/api/v1/datasets/{id}", headers=BEARER))["photos"] == 2


def test_an_api_key_is_no_key_of_administrators_and_the_other_way_round(service: Service) -> None:
    _, secret = service.services.store.keys.create("app")
    assert service.client.get("/api/v1/datasets", headers={"Authorization": f"Bearer {secret}"}).status_code == 403
    assert service.client.get("/api/v1/models", headers=BEARER).status_code == 200


def test_without_an_admin_key_the_page_says_how_to_set_one(settings: Settings) -> None:
    for service in running(settings):
        visitor = Visitor(service)
        assert "has no key for administrators yet" in visitor.get("/admin").text
        assert visitor.get("/datasets").status_code == 303
        assert service.client.get("/api/v1/datasets", headers=BEARER).status_code == 401
        assert ">Data sets<" not in visitor.get("/").text


def test_signing_in_leads_on_inside_this_site_only_and_out_again(service: Service, visitor: Visitor) -> None:
    wrong = submit(visitor, "/admin", "/admin", key="wrong")
    assert (wrong.status_code, "This is not the key." in wrong.text) == (403, True)
    assert submit(visitor, "/admin", "/admin", key=KEY, next="/datasets?x=1").location == "/datasets?x=1"
    assert visitor.get("/datasets").status_code == 200
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example"):
        page = Visitor(service)
        assert submit(page, "/admin", "/admin", key=KEY, next=elsewhere).location == "/admin"
    submit(visitor, "/admin/out", "/admin")
    assert visitor.get("/datasets").status_code == 303


def test_another_admin_key_ends_every_sign_in(service: Service, admin: Visitor) -> None:
    assert admin.get("/datasets").status_code == 200
    object.__setattr__(service.settings, "admin_key", "quite another key")
    assert admin.get("/datasets").status_code == 303


# Pages


def test_a_data_set_is_made_filled_changed_and_deleted_at_the_pages(admin: Visitor, service: Service) -> None:
    page = submit(admin, "/datasets", "/datasets", name=" My  cats ", share="50", seed="1").location
    added = submit(admin, f"{page}/photos", page, zip=(io.BytesIO(coco_zip(photos=4)), "cats.zip"))
    assert added.location == page
    shown = admin.get(page).text
    assert "My cats" in shown
    assert "4\u00a0photos added." in shown
    assert "2 to learn from, 2 to measure" in shown
    picture = admin.get(shown.split('<img src="')[1].split('"')[0])
    assert (picture.status_code, picture.mimetype) == (200, "image/jpeg")
    assert submit(admin, f"{page}/classes", page, **{"class": "cat", "new": "kitten"}).location == page
    assert ">kitten</a>" in admin.get(page).text
    assert admin.get(f"{page}?part=validation&class=kitten").text.count('class="tile"') == 2
    assert admin.get(f"{page}?class=dog").text.count('class="tile"') == 0
    [first, *_] = service.services.store.data_sets.photos(page.split("/")[-1])
    submit(admin, f"{page}/photos/{first.photo_sha256}/remove", page)
    assert "3\u00a0photos" in admin.get(page).text
    submit(admin, f"{page}/rename", page, name="Kittens")
    assert "Kittens" in admin.get("/datasets").text
    submit(admin, f"{page}/delete", page)
    assert "Kittens" not in admin.get("/datasets").text
    assert admin.get(page).status_code == 404


def test_a_folder_is_taken_as_the_browser_sends_it(admin: Visitor) -> None:
    page = submit(admin, "/datasets", "/datasets", name="Cats").location
    files = [
        (io.BytesIO(b"names: [cat]\n"), "set/data.yaml"),
        (io.BytesIO(jpeg(64, 48)), "set/images/a.jpg"),
        (io.BytesIO(b"0 0.5 0.5 0.5 0.5\n"), "set/labels/a.txt"),
    ]
    submit(admin, f"{page}/photos", page, folder=files)
    shown = admin.get(page).text
    assert "1\u00a0photo added." in shown
    assert "set/images/a.jpg" in shown


def test_what_is_left_out_is_named(admin: Visitor) -> None:
    page = submit(admin, "/datasets", "/datasets", name="Cats").location
    partly = submit(admin, f"{page}/photos", page, zip=(io.BytesIO(coco_zip(bad=True)), "cats.zip"))
    assert partly.status_code == 200
    assert "set/images/0.jpg: annotation 99 has a box outside the 64 x 48 photo" in partly.text
    nothing = submit(admin, f"{page}/photos", page, zip=(io.BytesIO(b"hello"), "cats.txt"))
    assert (nothing.status_code, "There are no annotations here" in nothing.text) == (422, True)


@pytest.mark.parametrize(
    "fields", [{"name": ""}, {"name": "x" * 81}, {"name": "x", "share": "95"}, {"name": "x", "seed": "a"}]
)
def test_a_malformed_form_makes_no_data_set(admin: Visitor, fields: dict[str, str]) -> None:
    assert submit(admin, "/datasets", "/datasets", **fields).status_code == 400
    assert 'class="card"' not in admin.get("/datasets").text


# The API


def test_the_api_makes_lists_changes_exports_and_deletes(service: Service) -> None:
    id = made(service)
    [listed] = json_of(service.client.get("/api/v1/datasets", headers=BEARER))["datasets"]
    assert (listed["name"], listed["photos"], listed["train"], listed["objects"]) == ("Cats", 2, 1, 2)
    assert listed["classes"] == [{"name": "cat", "objects": 2, "train": 1, "validation": 1}]
    address = f"/api/v1/datasets/{id}"
    changed = service.client.post(f"{address}/classes", json={"class": "cat", "name": "dog"}, headers=BEARER)
    assert json_of(changed)["classes"][0]["name"] == "dog"
    exported = service.client.get(f"{address}/export?format=yolo", headers=BEARER)
    assert exported.headers["Content-Disposition"] == "attachment; filename=Cats_yolo.zip"
    names = zipfile.ZipFile(io.BytesIO(exported.data)).namelist()
    assert {"classes.txt", "data.yaml"} < set(names)
    assert len(names) == 6
    assert service.client.get(f"{address}/export?format=x", headers=BEARER).status_code == 400
    removed = service.client.post(f"{address}/classes", json={"class": "dog"}, headers=BEARER)
    assert json_of(removed)["objects"] == 0
    assert service.client.delete(address, headers=BEARER).status_code == 204
    assert service.client.get(address, headers=BEARER).status_code == 404


def test_what_an_export_holds_can_be_added_to_another_data_set(service: Service) -> None:
    exported = service.client.get(f"/api/v1/datasets/{made(service)}/export?format=coco", headers=BEARER)
    again = made(service, exported.data)
    assert json_of(service.client.get(f"/api/v1/datasets/{again}", headers=BEARER))["objects"] == 2


def test_data_that_cannot_be_used_is_named_in_the_problem(service: Service) -> None:
    id = made(service)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.json", "{")
    for data, code, said in (
        (buffer.getvalue(), "unusable-data", ["a.json: the file is not valid JSON"]),
        (b"", "length-required", []),
    ):
        answer = service.client.post(
            f"/api/v1/datasets/{id}/photos", data=data, content_type="application/zip", headers=BEARER
        )
        assert json_of(answer)["code"] == code
        assert [error["msg"] for error in json_of(answer)["errors"]] == said


def test_runs_that_were_checked_are_added_as_they_were_corrected(service: Service, admin: Visitor) -> None:
    id = made(service)
    runs = [json_of(service.post(unlike(number)))["id"] for number in (10, 11, 12)]
    service.answer()
    for run, checked in ((runs[0], True), (runs[1], False)):
        objects = [{"class": "screw", "box": [1, 2, 30, 40]}]
        body = {"version": 0, "instances": objects, "checked": checked}
        answer = service.client.put(f"/api/v1/runs/{run}/correction", json=body)
        assert answer.status_code == 200, answer.text
    added = service.client.post(f"/api/v1/datasets/{id}/runs", json={"runs": runs}, headers=BEARER)
    assert json_of(added)["added"] == 1
    assert json_of(added)["problems"] == ["photo.jpg: nobody has checked this photo"] * 2
    classes = json_of(service.client.get(f"/api/v1/datasets/{id}", headers=BEARER))["classes"]
    assert {each["name"]: each["objects"] for each in classes} == {"cat": 2, "screw": 1}
    again = service.client.post(f"/api/v1/datasets/{id}/runs", json={"all": True}, headers=BEARER)
    assert (json_of(again)["added"], json_of(again)["updated"]) == (0, 1)
    page = f"/datasets/{id}"
    shown = submit(admin, f"{page}/runs", page, address=f"http://localhost/runs/{runs[1]}?threshold=1")
    assert "photo.jpg: nobody has checked this photo" in shown.text
    assert submit(admin, f"{page}/runs", page, address="https://example.org/").status_code == 400
    assert submit(admin, f"{page}/runs", page).location == page


def test_pictures_and_exports_of_data_sets_are_paid_for_as_others_are(settings: Settings) -> None:
    for service in running(settings, admin_key=KEY, render_limit="1/hour"):
        id = made(service, coco_zip())
        export = f"/api/v1/datasets/{id}/export?format=coco"
        assert [service.client.get(export, headers=BEARER).status_code for _ in range(2)] == [200, 429]
        visitor = Visitor(service)
        visitor.client.post("/admin", data={"csrf_token": visitor.token("/admin"), "key": KEY})
        [address, *_] = re.findall(rf"/datasets/{id}/photos/[0-9a-f]{{64}}", visitor.get(f"/datasets/{id}").text)
        assert visitor.get(address).status_code == 429
