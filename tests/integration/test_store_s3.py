"""Blobs in S3: what a wrong setting, a refusal or a silent server is answered with, and what else S3 brings."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from app.config.settings import Settings
from app.launch.redis_server import free_port
from app.store import BlobMissing, Store, StoreUnavailable
from app.store.s3 import S3Blobs
from tests.conftest import ROOT

KEY = "photos/" + "ab" * 32


class Refusals(BaseHTTPRequestHandler):
    """Answers as S3 does a key that may not do what is asked."""

    code = b"SignatureDoesNotMatch"
    allowed: tuple[str, ...] = ()

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        allowed = self.command in self.allowed
        body = b"" if allowed else b"<Error><Code>" + self.code + b"</Code><Message>No</Message></Error>"
        self.send_response(200 if allowed else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        """Silent."""


@contextmanager
def serving(handler: type[Refusals]) -> Iterator[str]:
    """The address of a server with this handler."""
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def line(settings: Settings) -> str:
    """What the start says."""
    store = Store.from_settings(settings)
    with pytest.raises(StoreUnavailable) as caught:
        store.migrate()
    store.close()
    assert "\n" not in str(caught.value)
    assert settings.s3_bucket not in caught.value.message
    return str(caught.value)


def test_a_bucket_that_does_not_exist_is_one_line_at_the_start(s3_settings: Settings):
    missing = replace(s3_settings, s3_bucket="nowhere")
    assert line(missing) == f"The S3 bucket nowhere at {s3_settings.s3_endpoint_url} cannot be used: it does not exist."


def test_a_refusal_is_one_line_at_the_start_and_unavailable_later(s3_settings: Settings):
    with serving(Refusals) as url:
        refusing = replace(s3_settings, s3_endpoint_url=url)
        assert "access is denied: check S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY." in line(refusing)
        blobs = S3Blobs(refusing)
        for use in (lambda: blobs.put(KEY, b"x"), lambda: blobs.get(KEY), lambda: list(blobs.keys("photos/"))):
            with pytest.raises(StoreUnavailable, match="the secret is wrong: check S3_SECRET_ACCESS_KEY"):
                use()


def test_a_key_that_may_look_but_not_write_is_one_line_at_the_start(s3_settings: Settings):
    class ReadOnly(Refusals):
        code, allowed = b"AccessDenied", ("HEAD", "GET")

    with serving(ReadOnly) as url:
        assert "access is denied: check the rights of" in line(replace(s3_settings, s3_endpoint_url=url))


def test_a_server_that_is_away_is_one_line_at_the_start(s3_settings: Settings):
    address = f"http://127.0.0.1:{free_port()}"
    assert line(replace(s3_settings, s3_endpoint_url=address)).startswith(
        f"The S3 bucket test at {address} cannot be used"
    )


def test_missing_credentials_are_one_line_at_the_start(s3_settings: Settings, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert "credentials" in line(replace(s3_settings, s3_access_key_id="", s3_secret_access_key=""))


def test_every_key_begins_with_the_prefix(s3_settings: Settings):
    blobs = S3Blobs(replace(s3_settings, s3_prefix="/some/where/"))
    blobs.put(KEY, b"bytes")
    listed = blobs.client.list_objects_v2(Bucket=blobs.bucket, Prefix="some/where/photos/")
    assert [entry["Key"] for entry in listed["Contents"]] == [f"some/where/{KEY}"]
    assert [key for key, _ in blobs.keys("photos/")] == [KEY]
    blobs.delete(KEY)
    assert not blobs.exists(KEY)
    with pytest.raises(BlobMissing):
        blobs.get(KEY)


def test_more_blobs_than_one_answer_holds_are_all_listed(s3_settings: Settings):
    blobs = S3Blobs(s3_settings)
    for number in range(7):
        blobs.put(f"photos/{number:064x}", b"")
    original = blobs.client.list_objects_v2
    blobs.client.meta.events.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 3}
    )
    assert len(original(Bucket=blobs.bucket, Prefix=blobs.prefix)["Contents"]) == 3
    assert len({key for key, _ in blobs.keys("photos/")}) == 7


def test_a_key_that_is_a_path_trick_is_refused(s3_settings: Settings):
    with pytest.raises(ValueError, match="not a blob key"):
        S3Blobs(s3_settings).get("photos/../secret")


def test_boto3_is_imported_only_where_a_bucket_is_set(settings: Settings):
    program = (
        "import sys; from app.config.settings import Settings; from app.store import Store;"
        f"store = Store.from_settings(Settings(data_dir={settings.data_dir!r})); store.migrate(); store.check();"
        "print([name for name in ('boto3', 'psycopg', 'torch', 'mmcv', 'mmdet') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
