"""Where the page that asks administrators for their key leads on to."""

from collections.abc import Iterator

import pytest

from app.config.settings import Settings
from tests.unit import api_service
from tests.unit.api_service import Service
from tests.unit.visitor import Visitor

KEY = "a key of administrators"


@pytest.fixture
def service(settings: Settings) -> Iterator[Service]:
    yield from api_service.running(settings, admin_key=KEY)


@pytest.mark.parametrize(
    ("asked", "led_to"),
    [
        ("/data-sets?page=2", "/data-sets?page=2"),
        ("//evil.example", "/admin"),
        ("/\\evil.example", "/admin"),
        ("/\t/evil.example", "/admin"),
        ("https://evil.example", "/admin"),
    ],
)
def test_it_leads_to_pages_of_this_site_alone(service: Service, asked: str, led_to: str) -> None:
    visitor = Visitor(service)
    data = {"csrf_token": visitor.token("/admin"), "key": KEY, "next": asked}
    assert visitor.client.post("/admin", data=data).location == led_to
