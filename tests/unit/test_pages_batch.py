"""The page of a batch fills in, names what was refused, and gives one ZIP."""

import io
import re
import zipfile
from datetime import timedelta

from PIL import Image

from app.config.settings import Settings
from app.errors import NotAPhoto
from app.store.models import utcnow
from app.vision.export.names import safe_path
from tests.unit.api_service import PHOTO, Service, json_of
from tests.unit.photos import jpeg
from tests.unit.visitor import Visitor


def send(visitor: Visitor) -> str:
    return visitor.send((PHOTO, "a.jpg"), (b"text", "notes.txt"), (jpeg(65), "A.jpg"), (jpeg(66), "b.png")).location


def test_a_batch_at_work_shows_places_progress_and_refused_files(visitor: Visitor) -> None:
    address = send(visitor)
    page = visitor.get(address).text
    assert "0 of 3\u00a0photos looked at" in page
    assert "Next in the queue" in page
    assert "3rd in the queue" in page
    assert "notes.txt" in page
    assert NotAPhoto.message in page
    assert 'http-equiv="refresh"' in page
    assert visitor.get(f"{address}/download").status_code == 409


def test_the_status_tells_each_photos_state(visitor: Visitor, service: Service) -> None:
    address = send(visitor)
    before = json_of(visitor.get(f"{address}/status"))
    assert (before["total"], before["ended"], before["finished"]) == (3, 0, False)
    assert "plain=1" in before["runs"][0]["image"]
    service.answer()
    after = json_of(visitor.get(f"{address}/status"))
    assert (after["done"], after["finished"], after["text"]) == (3, True, "3\u00a0photos, all looked at")
    assert {run["state"] for run in after["runs"]} == {"done"}
    assert visitor.get(after["runs"][0]["image"]).status_code == 200
    assert [file["name"] for file in after["refused"]] == ["notes.txt"]


def test_a_failed_photo_keeps_its_sentence_and_the_rest_goes_on(visitor: Visitor, service: Service) -> None:
    address = send(visitor)
    first = service.services.jobs.waiting()[0]
    service.services.store.fail_analysis(first, "This photo was too much.")
    service.services.jobs.cancel(first)
    service.answer()
    page = visitor.get(address).text
    assert "This photo was too much." in page
    assert "2 of 3 worked" in page


def test_a_photo_of_which_one_analysis_failed_says_so_beside_its_picture(visitor: Visitor, service: Service) -> None:
    address = visitor.send((PHOTO, "a.jpg"), (jpeg(65), "b.jpg"), analyses=["objects", "faces"]).location
    run = service.services.store.batch_runs(address.removeprefix("/batches/"))[0]
    service.fail(run.id, "faces", "The faces were too many.")
    service.answer()
    status = json_of(visitor.get(f"{address}/status"))
    assert [(tile["state"], tile["text"]) for tile in status["runs"]] == [
        ("done", "The faces were too many."),
        ("done", "1\u00a0face, 1\u00a0car, 1\u00a0dog"),
    ]
    assert "The faces were too many." in visitor.get(address).text


def test_a_threshold_and_classes_hold_for_the_whole_batch(visitor: Visitor, service: Service) -> None:
    address = send(visitor)
    service.answer()
    page = visitor.get(address).text
    assert re.findall(r"<span>(car|dog)</span> <b>(\d+)", page) == [("car", "3"), ("dog", "3")]
    form = "apply=1&percent=25&asked=0.5&slider=50&offered=car&offered=dog&ticked=car"
    answer = visitor.get(f"{address}?{form}")
    assert (answer.status_code, answer.location) == (303, f"{address}?threshold=0.25&exclude=dog")
    page = visitor.get(answer.location).text
    assert page.count('<span class="what">2\u00a0cars</span>') == 3
    query = "threshold=0.25&amp;exclude=dog"
    for link in (f"{address}/download?{query}", f"{address}/status?{query}"):
        assert link in page
    assert re.search(rf"/export\?{query}&amp;format=coco", page)
    assert re.search(r"/image\?[^\"]*" + query, page)
    assert re.search(rf'href="/runs/[^?"]+\?{query}"', page)


def test_a_class_hidden_in_a_batch_stays_hidden_where_no_threshold_shows_it(visitor: Visitor, service: Service) -> None:
    address = send(visitor)
    service.answer()
    page = visitor.get(f"{address}?threshold=0.9&exclude=dog").text
    assert '<input type="hidden" name="offered" value="dog">' in page
    assert '<input type="checkbox" name="ticked" value="dog"' not in page


def test_a_photo_leads_to_the_ones_beside_it_in_its_batch(visitor: Visitor, service: Service) -> None:
    address = send(visitor)
    service.answer()
    ids = [run.id for run in service.services.store.batch_runs(address.rsplit("/", 1)[-1])]
    page = visitor.get(f"/runs/{ids[1]}?threshold=0.3").text
    links = re.findall(r'rel="(prev|next)" href="/runs/([^?"]+)\?threshold=0.3"', page)
    assert links == [("prev", ids[0]), ("next", ids[2])]
    assert f'<a href="{address}?threshold=0.3">2 of 3</a>' in page
    assert 'rel="prev"' not in visitor.get(f"/runs/{ids[0]}").text
    assert 'rel="next"' not in visitor.get(f"/runs/{ids[2]}").text


def test_who_was_sent_one_photo_learns_of_no_other(visitor: Visitor, service: Service) -> None:
    address = send(visitor)
    service.answer()
    ids = [run.id for run in service.services.store.batch_runs(address.rsplit("/", 1)[-1])]
    page = Visitor(service).get(f"/runs/{ids[1]}").text
    assert address not in page
    assert not any(id in page for id in (ids[0], ids[2]))


def test_photos_chosen_in_a_batch_are_deleted_and_restored_there(visitor: Visitor, service: Service) -> None:
    address = send(visitor)
    service.answer()
    batch = address.rsplit("/", 1)[-1]
    run = service.services.store.batch_runs(batch)[0]
    form = {"csrf_token": visitor.token(address), "page": batch, "run": run.id, "threshold": "0.3"}
    answer = visitor.client.post("/runs/chosen/delete", data=form)
    assert answer.location.startswith(f"{address}?threshold=0.3&removed=")
    page = visitor.get(answer.location).text
    assert "2\u00a0photos, all looked at" in page
    assert "1\u00a0photo deleted" in page
    assert run.id not in page


def test_the_zip_holds_every_annotated_photo_under_its_own_name(visitor: Visitor, service: Service) -> None:
    address = send(visitor)
    service.answer()
    answer = visitor.get(f"{address}/download")
    assert answer.mimetype == "application/zip"
    assert "attachment; filename=detected_" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.namelist() == ["detected_a.jpg", "detected_A_2.jpg", "detected_b.png"]
        run = service.services.store.batch_runs(address.removeprefix("/batches/"))[0]
        assert archive.read("detected_a.jpg") == visitor.get(f"/runs/{run.id}/image").data


def test_no_name_in_the_zip_leads_out_of_the_folder_that_it_is_unpacked_in(visitor: Visitor, service: Service) -> None:
    names = ["../../../evil.jpg", "/etc/x.jpg", "photos/y.jpg"]
    files = [(io.BytesIO(jpeg(64 + n)), name) for n, name in enumerate(names)]
    batch = json_of(service.client.post("/api/v1/runs", data={"file": files}))
    service.answer()
    answer = visitor.get(f"/batches/{batch['id']}/download")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.namelist() == ["detected_evil.jpg", "detected_x.jpg", "photos/detected_y.jpg"]


def test_names_that_were_sent_stay_with_their_photos_in_pictures_and_exports(
    visitor: Visitor, service: Service
) -> None:
    names = ["x.jpg", "x.jpg", "x_2.jpg", "a/y.jpg", "b/y.jpg"]
    address = visitor.send(*((jpeg(64 + n), name) for n, name in enumerate(names))).location
    service.answer()
    with zipfile.ZipFile(io.BytesIO(visitor.get(f"{address}/download").data)) as archive:
        widths = {name: Image.open(archive.open(name)).width for name in archive.namelist()}
    assert widths == {
        "detected_x.jpg": 64,
        "detected_x_2.jpg": 66,
        "detected_x_3.jpg": 65,
        "a/detected_y.jpg": 67,
        "b/detected_y.jpg": 68,
    }
    images = json_of(visitor.get(f"{address}/export?format=coco"))["images"]
    assert [image["file_name"] for image in images] == ["x.jpg", "x_3.jpg", "x_2.jpg", "a/y.jpg", "b/y.jpg"]


def test_every_name_in_the_zip_can_be_unpacked_on_any_disk(visitor: Visitor, service: Service) -> None:
    names = ["12:30.jpg", "12?30.JPG", "a <b>|*.png", "CON.jpg", "e\u0301.jpg", f"{'x' * 190}.jpg"]
    files = [(io.BytesIO(jpeg(64 + n)), name) for n, name in enumerate(names)]
    batch = json_of(service.client.post("/api/v1/runs", data={"file": files}))
    service.answer()
    with zipfile.ZipFile(io.BytesIO(visitor.get(f"/batches/{batch['id']}/download").data)) as archive:
        kept = archive.namelist()
    assert [safe_path(name) for name in kept] == kept
    assert kept[:3] == ["detected_12_30.jpg", "detected_12_30_2.JPG", "detected_a _b___.png"]
    assert len(set(kept)) == len(names)


def test_the_export_holds_all_photos(visitor: Visitor, service: Service) -> None:
    address = send(visitor)
    service.answer()
    answer = visitor.get(f"{address}/export?format=coco")
    assert len(json_of(answer)["images"]) == 3


def test_the_export_holds_what_was_asked_for_when_the_photos_were_sent(visitor: Visitor, service: Service) -> None:
    files = [(io.BytesIO(jpeg(64 + n)), f"{n}.jpg") for n in range(2)]
    options = {"threshold": "0.3", "classes": "dog"}
    batch = json_of(service.client.post("/api/v1/runs", data={"file": files, **options}))
    service.answer()
    export = json_of(visitor.get(f"/batches/{batch['id']}/export?format=coco"))
    names = {category["id"]: category["name"] for category in export["categories"]}
    assert [names[found["category_id"]] for found in export["annotations"]] == ["dog", "dog"]


def test_a_batch_of_nothing_readable_says_what_works(visitor: Visitor) -> None:
    page = visitor.get(visitor.send((b"one", "1.txt"), (b"two", "2.txt")).location).text
    assert "None of these is a photo we can read" in page
    assert "1.txt" in page
    assert "2.txt" in page


def test_a_batch_of_which_nothing_was_taken_for_other_reasons_does_not_call_it_unreadable(
    settings: Settings,
) -> None:
    small = Service(settings, max_megapixels=0.001)
    visitor = Visitor(small)
    page = visitor.get(visitor.send((jpeg(65), "1.jpg"), (jpeg(66), "2.jpg")).location).text
    assert "None of these files was taken" in page
    assert "a photo we can read" not in page
    small.close()


def test_a_batch_without_any_file_says_that_there_are_no_photos(visitor: Visitor, service: Service) -> None:
    address = visitor.send((jpeg(65), "1.jpg"), (jpeg(66), "2.jpg")).location
    for run in service.services.store.batch_runs(address.removeprefix("/batches/")):
        visitor.post(f"/runs/{run.id}/delete", page=f"/runs/{run.id}")
    page = visitor.get(address).text
    assert "There are no photos here" in page
    assert "a photo we can read" not in page


def test_only_the_owner_can_delete_a_batch_and_restore_it_for_a_while(visitor: Visitor, service: Service) -> None:
    address = send(visitor)
    service.answer()
    run = service.services.store.batch_runs(address.removeprefix("/batches/"))[0]
    assert Visitor(service).post(f"{address}/delete", page="/").status_code == 403
    for restored in (True, False):
        answer = visitor.post(f"{address}/delete", page=address)
        assert answer.status_code == 303
        assert visitor.get(f"/runs/{run.id}").status_code == 404
        assert f"/runs/{run.id}" not in visitor.get(address).text
        page = visitor.get(answer.location).text
        assert "photos deleted, for good after ten minutes" in page
        if restored:
            (moment,) = re.findall(r'name="removed" value="([^"]+)"', page)
            form = {"csrf_token": visitor.token(answer.location), "removed": moment}
            assert visitor.client.post("/runs/chosen/restore", data=form).status_code == 303
            assert visitor.get(f"/runs/{run.id}").status_code == 200
    service.services.store.delete_removed(utcnow() + timedelta(minutes=11))
    assert visitor.get(address).status_code == 404


def test_a_batch_without_photos_is_deleted_at_once(visitor: Visitor) -> None:
    address = visitor.send((b"hello", "a.txt"), (b"hello", "b.txt")).location
    assert visitor.post(f"{address}/delete", page=address).status_code == 303
    assert visitor.get(address).status_code == 404


def test_an_unknown_batch_is_not_found(visitor: Visitor) -> None:
    assert visitor.get("/batches/AAAAAAAAAAAAAAAAAAAAAA").status_code == 404
