"""The page of a run: waiting, done, failed; its images, overlay, exports; deleting."""

import csv
import gzip
import html
import io
import json
import re
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest
from sqlalchemy import update

from app.config.settings import Settings
from app.intake import decode
from app.queue.status import WorkerStatus
from app.store.models import Run
from tests.unit.api_service import PHOTO, SIZE, Service, json_of
from tests.unit.photos import encode, jpeg, scene
from tests.unit.results import objects
from tests.unit.visitor import Visitor

ALL = ("objects", "faces", "labels")


def test_a_waiting_run_says_its_place_and_refreshes_without_scripts(visitor: Visitor, service: Service) -> None:
    address = visitor.send((PHOTO, "street.jpg")).location
    service.services.jobs.heartbeat("host:a", WorkerStatus(ready=True, job=None))
    page = visitor.get(address).text
    assert "Next in the queue" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "<title>Next in the queue · street.jpg" in page
    assert f'width="{SIZE[1]}" height="{SIZE[0]}"' in page


def test_a_waiting_photo_can_be_deleted_without_scripts_though_the_page_refreshes(visitor: Visitor) -> None:
    address = visitor.send((PHOTO, "street.jpg")).location
    waiting, done = visitor.get(address).text, visitor.get(visitor.run(jpeg(50, 40))).text
    assert '<details class="sure js-only">' in waiting
    assert re.search(r'<noscript><div class="sure"><b>[^<]+</b>\s*<form method="post" action="[^"]+/delete"', waiting)
    assert '<details class="sure">' in done
    assert done.count("/delete") == 1


def test_the_status_follows_the_run(visitor: Visitor, service: Service) -> None:
    address = visitor.send((PHOTO, "street.jpg")).location
    service.services.jobs.heartbeat("host:a", WorkerStatus(ready=True, job=None))
    waiting = json_of(visitor.get(f"{address}/status"))
    assert (waiting["state"], waiting["position"], waiting["text"]) == ("queued", 1, "Next in the queue")
    assert waiting["links"]["overlay"] == f"{address}/overlay"
    service.answer()
    done = json_of(visitor.get(f"{address}/status"))
    assert (done["state"], done["position"], done["eta"], done["error"]) == ("done", None, None, None)


def test_a_run_that_no_worker_can_take_says_so_and_expects_no_time(visitor: Visitor, service: Service) -> None:
    address, jobs = visitor.send((PHOTO, "street.jpg")).location, service.services.jobs
    jobs.record_duration("objects", 2.0)
    waiting = json_of(visitor.get(f"{address}/status"))
    assert (waiting["eta"], waiting["text"]) == (None, "Waiting: no worker is running")
    jobs.heartbeat("host:a", WorkerStatus(ready=False, job=None))
    waiting = json_of(visitor.get(f"{address}/status"))
    assert (waiting["eta"], waiting["text"]) == (None, "Waiting: the models are being loaded")
    jobs.heartbeat("host:a", WorkerStatus(ready=True, job=None))
    waiting = json_of(visitor.get(f"{address}/status"))
    assert (waiting["eta"], waiting["text"]) == (2.0, "Next in the queue, about\u00a02\u00a0s")


def test_the_photo_is_there_at_once_and_the_picture_when_it_is_done(visitor: Visitor, service: Service) -> None:
    address = visitor.send((PHOTO, "street.jpg")).location
    plain = visitor.get(f"{address}/image?plain=1&format=png")
    assert np.array_equal(decode(plain.data), decode(PHOTO))
    for name in ("image", "download", "overlay", "export"):
        assert visitor.get(f"{address}/{name}").status_code == 409
    service.answer()
    assert visitor.get(f"{address}/image").status_code == 200


def test_a_finished_run_lists_what_was_found_with_scores_and_counts(visitor: Visitor) -> None:
    page = visitor.get(visitor.run(analyses=ALL)).text
    assert "2\u00a0objects" in page
    assert "1\u00a0face" in page
    assert "98\u00a0%" in page
    assert page.count('name="ticked"') == 2
    assert "sports car" in page
    assert "kept until" in page
    assert "found in" in page


def test_the_address_names_the_view(visitor: Visitor) -> None:
    address = visitor.run()
    page = visitor.get(f"{address}?threshold=0.2&exclude=dog&masks=0").text
    assert "2\u00a0objects" in page
    assert 'name="ticked" value="car" checked' in page
    assert 'name="ticked" value="dog">' in page
    assert 'data-hidden="[&#34;dog&#34;]"' in page
    assert "threshold=0.2" in page
    assert 'value="masks">' in page


def test_a_link_preview_shows_the_picture_to_whoever_has_the_address(visitor: Visitor, service: Service) -> None:
    address = visitor.run(name="secret.jpg")
    page = service.app.test_client().get(f"{address}?threshold=0.2&exclude=dog").text
    meta = dict(re.findall(r'<meta property="(og:[a-z]+)" content="([^"]*)"', page))
    assert (meta["og:title"], meta["og:description"]) == ("secret.jpg", "With car (2).")
    picture = html.unescape(meta["og:image"])
    assert picture.startswith(f"http://localhost{address}/image?")
    view = "threshold=0.2&exclude=dog&max_size=1200"
    assert visitor.get(picture.removeprefix("http://localhost")).data == visitor.get(f"{address}/image?{view}").data


def test_the_link_preview_of_a_waiting_photo_is_the_photo_alone(visitor: Visitor) -> None:
    address = visitor.send((jpeg(70, 40), "street.jpg")).location
    found = re.search(r'<meta property="og:image" content="([^"]*)"', visitor.get(address).text)
    assert found
    assert visitor.get(html.unescape(found[1]).removeprefix("http://localhost")).status_code == 200


def test_without_the_address_a_link_preview_gives_nothing_away(visitor: Visitor) -> None:
    address = visitor.run(name="secret.jpg")
    for other in ("/", "/runs", f"{address[:-1]}{'0' if address[-1] != '0' else '1'}"):
        page = Visitor(visitor.service).get(other).text
        assert 'property="og:title" content="Flask Detector"' in page
        assert "og:image" not in page
        assert "secret" not in page


def test_a_malformed_threshold_is_refused_in_plain_words(visitor: Visitor) -> None:
    answer = visitor.get(f"{visitor.run()}?threshold=much")
    assert answer.status_code == 400
    assert "threshold must be a number" in answer.text


def test_without_scripts_the_form_leads_to_the_same_view(visitor: Visitor) -> None:
    address = visitor.run()
    form = "apply=1&percent=25&offered=car&offered=dog&ticked=car&layer=boxes&layer=labels&layer=faces&colours=object"
    answer = visitor.get(f"{address}?{form}")
    assert answer.status_code == 303
    query = parse_qs(urlsplit(answer.location).query)
    wanted = {"threshold": ["0.25"], "exclude": ["dog"], "masks": ["0"], "boxes": ["1"], "colours": ["object"]}
    assert query == wanted
    assert "2\u00a0objects" in visitor.get(answer.location).text


def pressed(page: str, **changed: str) -> str:
    """The query that the page's form sends, with the controls as they are but for some."""
    form = re.search(r'<form class="panel" id="view".*?</form>', page, re.DOTALL)
    assert form
    fields = [("apply", "1")]
    for tag in re.findall(r"<input [^>]*>", form[0]):
        control = dict(re.findall(r'([a-z]+)="([^"]*)"', tag))
        if control["name"] != "apply" and (control["type"] != "checkbox" or tag.endswith(" checked>")):
            fields.append((control["name"], changed.get(control["name"], control["value"])))
    return urlencode(fields)


def shown_by_form(visitor: Visitor, address: str, **changed: str) -> dict[str, list[str]]:
    """The view that the page's form leads to."""
    page = visitor.get(address).text
    location = visitor.get(f"{address.split('?')[0]}?{pressed(page, **changed)}").location
    return parse_qs(urlsplit(location).query)


def test_a_hidden_class_stays_hidden_while_the_threshold_is_too_high_for_it(visitor: Visitor) -> None:
    address = visitor.run()
    view = shown_by_form(visitor, f"{address}?threshold=0.5&exclude=dog", percent="90")
    assert view == {"threshold": ["0.9"], "exclude": ["dog"]}
    view = shown_by_form(visitor, f"{address}?{urlencode(view, doseq=True)}", percent="50")
    assert view == {"threshold": ["0.5"], "exclude": ["dog"]}


def test_faces_that_the_view_leaves_out_are_not_ticked(visitor: Visitor) -> None:
    address = visitor.run(analyses=ALL)
    for query in ("classes=dog", "exclude=face", "faces=0"):
        assert 'value="faces"><span>' in visitor.get(f"{address}?{query}").text
    assert 'value="faces" checked>' in visitor.get(address).text
    assert shown_by_form(visitor, f"{address}?classes=dog") == {
        "threshold": ["0.5"],
        "exclude": ["car"],
        "faces": ["0"],
    }


def test_a_threshold_between_two_places_of_the_slider_stays_until_it_is_moved(visitor: Visitor) -> None:
    address = visitor.run()
    assert 'step="1" value="99"' in visitor.get(f"{address}?threshold=0.995").text
    assert shown_by_form(visitor, f"{address}?threshold=0.995") == {"threshold": ["0.995"]}
    assert shown_by_form(visitor, f"{address}?threshold=0.995", percent="98") == {"threshold": ["0.98"]}
    assert 'step="1" value="29"' in visitor.get(f"{address}?threshold=0.29").text


def test_the_download_is_the_image_as_a_file_of_the_photos_name(visitor: Visitor) -> None:
    address = visitor.run(name="street.jpg")
    query = "?threshold=0.3&exclude=dog&boxes=0"
    image, file = visitor.get(f"{address}/image{query}"), visitor.get(f"{address}/download{query}")
    assert image.data == file.data
    assert file.headers["Content-Disposition"] == "attachment; filename=detected_street.jpg"
    assert file.mimetype == "image/jpeg"
    assert visitor.get(f"{address}/image").data != image.data


@pytest.mark.parametrize(
    ("name", "expected", "media_type"),
    [
        ("photo.PNG", "detected_photo.PNG", "image/png"),
        ("photo.webp", "detected_photo.webp", "image/webp"),
        ("photo.gif", "detected_photo.jpg", "image/jpeg"),
        ("photo", "detected_photo.jpg", "image/jpeg"),
    ],
)
def test_the_download_has_the_format_that_its_name_promises(
    visitor: Visitor, name: str, expected: str, media_type: str
) -> None:
    file = visitor.get(f"{visitor.run(name=name)}/download")
    assert file.headers["Content-Disposition"].endswith(expected)
    assert file.mimetype == media_type


@pytest.mark.parametrize("path", ["image", "download", "image?plain=1"])
def test_a_run_that_kept_an_unclean_name_still_shows_its_picture(visitor: Visitor, service: Service, path: str) -> None:
    address = visitor.run()
    with service.services.store.database.writing() as session:
        session.execute(update(Run).values(name="../../a\nb.jpg"))
    file = visitor.get(f"{address}/{path}")
    assert file.status_code == 200
    assert file.headers["Content-Disposition"].endswith('filename="detected_a b.jpg"')


def test_an_image_that_has_not_changed_is_not_sent_again(visitor: Visitor) -> None:
    address = visitor.run()
    image = visitor.get(f"{address}/image")
    again = visitor.get(f"{address}/image", headers={"If-None-Match": image.headers["ETag"]})
    assert again.status_code == 304
    assert visitor.get(f"{address}/image?masks=0").headers["ETag"] != image.headers["ETag"]


def test_the_overlay_holds_every_instance_whatever_the_threshold(visitor: Visitor) -> None:
    data = json_of(visitor.get(f"{visitor.run(analyses=ALL)}/overlay"))
    assert (data["height"], data["width"]) == SIZE
    assert [entry["class"] for entry in data["instances"]] == ["car", "dog", "car"]
    assert len(data["faces"]) == 1


def test_the_list_of_a_crowd_is_grouped_by_class_without_scripts_too(visitor: Visitor, service: Service) -> None:
    address = visitor.send((PHOTO, "street.jpg")).location
    many = 26
    places = [(n % 8 * 8, n // 8 * 8) for n in range(many)]
    found = [("dog" if n > 21 else "car", 0.9, (x, y, x + 6, y + 6)) for n, (x, y) in enumerate(places)]
    service.answer(objects(SIZE, *found))
    page = visitor.get(address).text
    heads = re.findall(r"<summary>.*?<span>([^<]+)</span><b>(\d+)</b></summary>", page)
    assert heads == [("car", "22"), ("dog", "4")]
    assert page.count('class="item"') == many
    fewer = visitor.get(f"{address}?exclude=dog").text
    assert '<li class="group">' not in fewer
    assert fewer.count('class="item"') == 22


def test_the_overlay_is_compressed_for_whoever_takes_it(visitor: Visitor) -> None:
    address = f"{visitor.run()}/overlay"
    plain, packed = visitor.get(address), visitor.get(address, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert plain.headers["ETag"] != packed.headers["ETag"]
    assert visitor.get(address, headers={"If-None-Match": plain.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [("dog", 0.7)]),
        ("&threshold=0.2", [("car", 0.98), ("dog", 0.7), ("car", 0.3)]),
        ("&classes=car", [("car", 0.98), ("car", 0.3)]),
        ("&exclude=car", [("dog", 0.7)]),
    ],
)
def test_an_export_without_a_view_holds_what_the_run_asked_for(
    visitor: Visitor, service: Service, query: str, found: list[tuple[str, float]]
) -> None:
    run = service.add(PHOTO, threshold=0.3, classes=["dog"])
    service.answer()
    rows = csv.DictReader(io.StringIO(visitor.get(f"/runs/{run.id}/export?format=csv{query}").data.decode("utf-8-sig")))
    assert [(row["class"], float(row["score"])) for row in rows] == found


def test_the_export_holds_what_the_view_selects(visitor: Visitor) -> None:
    file = visitor.get(f"{visitor.run()}/export?format=coco&threshold=0.2&exclude=dog")
    assert "attachment" in file.headers["Content-Disposition"]
    assert len(json.loads(file.data)["annotations"]) == 2


def test_nothing_found_shows_the_weaker_guesses(visitor: Visitor, service: Service) -> None:
    service.found |= objects(SIZE, ("car", 0.4, (10, 20, 110, 90)), ("dog", 0.1, (150, 60, 300, 220)))
    page = visitor.get(visitor.run()).text
    assert "Nothing above 50\u00a0%. 2\u00a0weaker guesses:" in page
    assert "40\u00a0%" in page


def test_nothing_found_leads_to_the_best_guess_of_what_is_shown(visitor: Visitor, service: Service) -> None:
    service.found |= objects(SIZE, ("car", 0.419, (10, 20, 110, 90)), ("dog", 0.2, (150, 60, 300, 220)))
    address = visitor.run()
    page = visitor.get(address).text
    lower = re.search(r'<a href="([^"]+)">Lower to 41\u00a0%</a>', page)
    assert lower
    assert "1\u00a0object" in visitor.get(html.unescape(lower[1])).text
    assert "threshold=0.2&amp;exclude=car" in visitor.get(f"{address}?exclude=car").text


def test_hiding_everything_says_so(visitor: Visitor) -> None:
    assert "Everything that was found is hidden." in visitor.get(f"{visitor.run()}?exclude=car,dog").text


def test_a_failed_run_says_why_and_what_next(visitor: Visitor, service: Service) -> None:
    address = visitor.send((PHOTO, "street.jpg")).location
    for id in service.services.jobs.waiting():
        service.services.store.fail_analysis(id, "This photo needs more memory than the server has.")
    page = visitor.get(address).text
    assert "needs more memory" in page
    assert "Try another photo" in page
    assert "refresh" not in page


def test_a_run_of_which_one_analysis_failed_says_which_and_why(visitor: Visitor, service: Service) -> None:
    address = visitor.send((PHOTO, "street.jpg"), analyses=["objects", "faces"]).location
    store = service.services.store
    run = store.get_run(address.rsplit("/", 1)[1])
    (faces,) = [analysis for analysis in run.analyses if analysis.analyzer == "faces"]
    store.fail_analysis(faces.id, "This photo needs more memory than the server has.")
    service.answer()
    page = visitor.get(address).text
    assert "2\u00a0objects" in page
    assert '<p class="problem" role="status"><b>Faces:</b> This photo needs more memory than the server has.' in page
    assert 'class="problem"' not in visitor.get(visitor.run(jpeg(50, 40))).text


def test_a_stand_in_is_named_where_its_result_is_shown(visitor: Visitor, service: Service) -> None:
    card = service.found["objects"].card
    object.__setattr__(card, "note", "A stand-in: run `make weights`.")
    try:
        assert "A stand-in: run <code>make weights</code>." in visitor.get(visitor.run()).text
    finally:
        object.__setattr__(card, "note", "")


def test_the_address_opens_for_others_but_only_the_owner_can_delete(visitor: Visitor, service: Service) -> None:
    address = visitor.run()
    other = Visitor(service)
    page = other.get(address)
    assert page.status_code == 200
    assert "Delete" not in page.text
    refused = other.post(f"{address}/delete", page="/")
    assert refused.status_code == 403
    assert visitor.get(address).status_code == 200


def test_a_deleted_run_is_gone_at_once(visitor: Visitor, service: Service) -> None:
    address = visitor.run()
    answer = visitor.post(f"{address}/delete", page=address)
    assert (answer.status_code, answer.location) == (303, "/runs")
    assert "street.jpg was deleted." in visitor.get("/runs").text
    assert visitor.get(address).status_code == visitor.get(f"{address}/image").status_code == 404
    assert list(service.services.store.blobs.keys("photos/")) == []


def test_a_deleted_run_leaves_no_picture_in_the_cache(visitor: Visitor, settings: Settings) -> None:
    address = visitor.run()
    assert visitor.get(f"{address}/image").status_code == 200
    kept = settings.data_path / "cache"
    assert [path for path in kept.rglob("*") if path.is_file()]
    visitor.post(f"{address}/delete", page=address)
    assert not [path for path in kept.rglob("*") if path.is_file()]


def test_deleting_a_waiting_run_takes_it_out_of_the_queue(visitor: Visitor, service: Service) -> None:
    address = visitor.send((PHOTO, "street.jpg")).location
    visitor.post(f"{address}/delete", page=address)
    assert service.services.jobs.waiting() == []


def test_names_are_escaped(visitor: Visitor) -> None:
    page = visitor.get(visitor.run(name="<script>alert(1)</script>.jpg")).text
    assert "<script>alert" not in page


def test_a_photo_without_masks_offers_no_mask_switch(visitor: Visitor, service: Service) -> None:
    from tests.unit.results import CARD, instances

    found = instances(SIZE, [("car", 0.9, (10, 20, 110, 90))], masked=False)
    service.found["objects"] = type(service.found["objects"])(CARD, found)
    page = visitor.get(visitor.run(encode(scene(SIZE[1], SIZE[0])[::-1], "PNG"))).text
    assert "<span>Masks</span>" not in page
    assert "<span>Boxes</span>" in page
