"""Somebody with a browser: keeps cookies, sends forms with their tokens, follows nothing by itself."""

import io
import re
from typing import Any

from werkzeug.test import TestResponse

from tests.unit.api_service import PHOTO, Service


class Visitor:
    """A visitor of a service's pages, without scripts."""

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
        """Press the button of a page's form."""
        return self.client.post(address, data={"csrf_token": self.token(page)})

    def run(self, body: bytes = PHOTO, name: str = "street.jpg", analyses: tuple[str, ...] = ("objects",)) -> str:
        """Send a photo and have it analysed; the address of its page."""
        address = self.send((body, name), analyses=list(analyses)).location
        self.service.answer()
        return address
