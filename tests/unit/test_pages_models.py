"""The page of the models, and the ways to it."""

import re

from app.config.settings import ROOT
from app.vision.catalogue.models import load_catalogue
from app.vision.results import ModelCard
from tests.unit.api_service import Service
from tests.unit.visitor import Visitor


def test_the_page_says_how_good_the_starter_is_what_it_misses_and_what_it_knows(
    visitor: Visitor, service: Service
) -> None:
    model = load_catalogue()["starter"]
    card = ModelCard("objects", "starter", model.title, "f32", model.sha256, model.classes, model.note)
    service.services.jobs.announce([card], {})
    page = visitor.get("/models").text
    assert "<b>22</b> for boxes and <b>18</b> for outlines" in page
    assert "it finds <b>6 of 10\u00a0persons</b>, <b>5 of 10\u00a0cars</b>, <b>2 of 10\u00a0chairs</b>" in page
    assert "and <b>4 of 10\u00a0objects</b> in all." in page
    assert model.limits in page
    assert "One cat, found twice" in page
    for picture in re.findall(r'src="([^"]+_failure.webp)"', page):
        assert visitor.get(picture).status_code == 200
    assert "make up" in page
    assert "Licence: Apache-2.0" in page
    assert "80\u00a0classes" in page
    assert "teddy bear" in page
    assert "They are sent to no other service for that." in page


def test_other_weights_under_a_known_name_are_not_praised(visitor: Visitor, service: Service) -> None:
    service.services.jobs.announce([ModelCard("objects", "starter", "Mine", "f32", "0" * 64)], {})
    page = visitor.get("/models").text
    assert "Objects: Mine" in page
    assert "On a scale from 0" not in page
    assert "_failure.webp" not in page


def test_the_page_without_a_model_says_so(visitor: Visitor, service: Service) -> None:
    service.services.jobs.announce([], {})
    assert "no model answers at the moment" in visitor.get("/models").text


def test_limits_are_those_that_were_seen() -> None:
    seen = " ".join((ROOT / "checkpoints" / "README.md").read_text().split())
    limits = [model.limits for model in load_catalogue().values() if model.limits]
    assert limits
    for text in limits:
        assert text.lower() in seen.lower()


def test_what_is_found_is_what_was_counted() -> None:
    counted = " ".join((ROOT / "checkpoints" / "README.md").read_text().split())
    for name, found, labelled in load_catalogue()["starter"].found:
        assert f"{found} of {labelled} {name}s" in counted


def test_the_status_and_a_result_lead_to_the_page(visitor: Visitor) -> None:
    assert '<a href="/models"><i' in visitor.get("/").text
    page = visitor.get(visitor.run()).text
    assert '<a href="/models#objects">Mask R-CNN</a>' in page
