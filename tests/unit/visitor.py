"""A browser without JavaScript: keeps cookies, sends forms with their tokens, follows no redirects."""

import io
import re
import tracemalloc
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse

from tests.unit.api_service import PHOTO, Service


class Visitor:
    """A visitor of a service's pages."""

    def __init__(self, service: Service):
        self.service = service
        self.client = service.app.test_client()

    def get(self, address: str, **options: Any) -> TestResponse:
        return self.client.get(address, **options)

    def token(self, address: str = "/") -> str:
        """The token of a page's form."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(address).text)
        assert found, f"{address} has no form with a token"
        return found[1]

    def send(self, *files: tuple[bytes, str], accept: str = "text/html", **fields: Any) -> TestResponse:
        """Send the start page's form with files as (bytes, name)."""
        data = {"csrf_token": self.token(), "photo": [(io.BytesIO(body), name) for body, name in files], **fields}
        return self.client.post("/", data=data, headers={"Accept": accept})

    def post(self, address: str, page: str) -> TestResponse:
        """Submit a form of a page that has no other fields."""
        return self.client.post(address, data={"csrf_token": self.token(page)})

    def run(self, body: bytes = PHOTO, name: str = "street.jpg", analyses: tuple[str, ...] = ("objects",)) -> str:
        """Send a photo and analyse it; returns the address of its page."""
        address = self.send((body, name), analyses=list(analyses)).location
        self.service.answer()
        return address


def form_body(**fields: Any) -> tuple[bytes, str]:
    """A form as a browser sends it: the body and its content type."""
    environ = EnvironBuilder(method="POST", data=fields).get_environ()
    return environ["wsgi.input"].read(), environ["CONTENT_TYPE"]


def peak_memory(client: FlaskClient, address: str, body: bytes, content_type: str) -> tuple[int, int]:
    """The status of a POST, and the most bytes that were allocated during it."""
    tracemalloc.start()
    try:
        response = client.post(address, data=body, content_type=content_type)
        return response.status_code, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
