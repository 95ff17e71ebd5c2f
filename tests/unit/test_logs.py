"""The log: one form for all processes, the id of the request in its lines, and no secrets."""

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config.settings import Settings
from app.queue.jobs import Jobs
from app.system.logs import (
    QUIET,
    JsonFormatter,
    TextFormatter,
    accept_request_id,
    logging_config,
    request_context,
    request_id,
)
from app.web.common.access_log import MAX_PATH, loggable_path
from app.worker.recovery import Reconciler, retry
from app.worker.rq_worker import DetectorWorker
from tests.conftest import ROOT
from tests.unit.api_service import PHOTO, Service, json_of, running
from tests.unit.test_rq_worker import signal_handlers

__all__ = ["signal_handlers"]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What `logging.getLogger("test")` writes as JSON."""
    yield from written_by("test", JsonFormatter())


@pytest.fixture
def text_lines() -> Iterator[io.StringIO]:
    """What `logging.getLogger("test")` writes as text."""
    yield from written_by("test", TextFormatter())


@pytest.fixture
def access() -> Iterator[io.StringIO]:
    """The access log as JSON."""
    yield from written_by("access", JsonFormatter())


def written_by(name: str, formatter: logging.Formatter) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def entries(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_has_time_level_logger_message_and_the_request(lines: io.StringIO) -> None:
    with request_context("abc"):
        logging.getLogger("test").info("looked at %d\nphotos", 3, extra={"fields": {"ms": 2.5}})
    (entry,) = entries(lines)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", str(entry.pop("time")))
    message = "looked at 3\nphotos"
    assert entry == {"level": "INFO", "logger": "test", "message": message, "request_id": "abc", "ms": 2.5}


def test_a_json_line_holds_a_traceback(lines: io.StringIO) -> None:
    try:
        raise ZeroDivisionError("no")
    except ZeroDivisionError:
        logging.getLogger("test").exception("it broke")
    (entry,) = entries(lines)
    assert "ZeroDivisionError: no" in str(entry["exception"])
    assert "request_id" not in entry


def test_a_text_line_names_the_request_and_is_one_line_whatever_the_message(text_lines: io.StringIO) -> None:
    with request_context("abc"):
        logging.getLogger("test").warning("a\n2026-11-26 INFO test: forged\x1b[0m")
    logging.getLogger("test").warning("no request")
    first, second = text_lines.getvalue().splitlines()
    assert first.endswith(r"WARNING test [abc]: a\n2026-11-26 INFO test: forged\x1b[0m")
    assert second.endswith("WARNING test: no request")


def test_a_context_without_an_id_keeps_the_current_one() -> None:
    with request_context("outer"):
        with request_context(""):
            assert request_id() == "outer"
        with request_context("inner"):
            assert request_id() == "inner"
        assert request_id() == "outer"
    assert request_id() == ""


@pytest.mark.parametrize(("format", "pattern"), [("text", r"^[\d-]+ [\d:,]+ INFO x: hello$"), ("json", r'^{"time": ')])
def test_a_process_logs_to_standard_error_from_its_level_on(format: str, pattern: str) -> None:
    code = f"""
import logging
from app.system.logs import configure_logging
configure_logging("INFO", {format!r})
for name in ("x", "gunicorn.error", "httpx"):
    logging.getLogger(name).debug("hidden")
    logging.getLogger(name).info("hello")
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    written = ran.stderr.splitlines()
    assert ran.stdout == ""
    assert re.search(pattern, written[0])
    assert ["gunicorn.error" in line for line in written] == [False, True]


def test_libraries_that_log_addresses_stay_quiet_at_every_level() -> None:
    loggers = logging_config("DEBUG", "text")["loggers"]
    assert {name: loggers[name]["level"] for name in QUIET} == dict.fromkeys(QUIET, logging.WARNING)
    assert logging_config("ERROR", "text")["loggers"]["httpx"]["level"] == logging.ERROR


@pytest.mark.parametrize("id", ["7f3c", "Root=1-67891233-abcdef012345678912345678", "a" * 128, "user@host/1.2+3:4_5"])
def test_a_valid_id_is_kept_through_the_response(service: Service, id: str) -> None:
    answer = service.client.get("/api/v1/models", headers={"X-Request-ID": id})
    assert answer.headers["X-Request-ID"] == id


@pytest.mark.parametrize("id", ["", "a" * 129, "two words", 'quote"', "caf\xe9", "<script>"])
def test_another_id_is_replaced_by_a_new_one(service: Service, id: str) -> None:
    made = [service.client.get("/healthz", headers={"X-Request-ID": id}).headers["X-Request-ID"] for _ in range(2)]
    assert all(re.fullmatch("[0-9a-f]{32}", new) for new in made)
    assert made[0] != made[1]


@given(st.text())
def test_an_accepted_id_is_safe_in_a_header_and_in_a_line(text: str) -> None:
    assert re.fullmatch(r"[\x21-\x7e]{1,128}", accept_request_id(text))


def test_errors_carry_the_id(service: Service) -> None:
    named = {"X-Request-ID": "abc"}
    assert json_of(service.client.get("/api/v1/runs/nobody", headers=named))["request_id"] == "abc"
    page_json = service.client.get("/runs/nobody/status", headers=named)
    assert json_of(page_json)["request_id"] == "abc"
    classic = service.client.post("/classify", headers=named)
    assert (list(json_of(classic)), classic.headers["X-Request-ID"]) == (["error"], "abc")


def test_the_page_of_a_failure_on_our_side_shows_the_id(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    assert "abc" not in service.client.get("/nothing", headers={"X-Request-ID": "abc"}).text
    monkeypatch.setattr(service.services.store, "get_run", broken)
    assert "<code>abc</code>" in service.client.get("/runs/x", headers={"X-Request-ID": "abc"}).text


def test_scripts_of_other_origins_may_read_the_id(settings: Settings) -> None:
    for service in running(settings, cors_origins="*"):
        answer = service.client.get("/api/v1/models", headers={"Origin": "https://example.org"})
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


def test_a_request_is_one_line_with_method_path_status_milliseconds_and_id(
    service: Service, access: io.StringIO
) -> None:
    service.client.get("/api/v1/models", headers={"X-Request-ID": "abc"})
    service.client.get("/healthz")
    (entry,) = entries(access)
    seen = [entry[name] for name in ("method", "path", "status", "request_id")]
    assert seen == ["GET", "/api/v1/models", 200, "abc"]
    assert re.fullmatch(r"GET /api/v1/models 200 \d+\.\d ms", str(entry["message"]))
    assert float(str(entry["ms"])) >= 0


def test_a_request_that_fails_has_its_line_too(
    service: Service, access: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service.services.jobs, "status", broken)
    service.client.get("/api/v1/models")
    service.client.get("/api/v1/nothing")
    assert [entry["status"] for entry in entries(access)] == [500, 404]


def test_a_line_holds_no_secret(service: Service, access: io.StringIO) -> None:
    run = service.know(PHOTO)
    _, secret = service.services.store.keys.create("tests")
    headers = {"Authorization": f"Bearer {secret}", "Cookie": "visitor=crumbs"}
    service.client.get(f"/runs/{run.id}/status?token=in-the-query", headers=headers)
    service.client.get(f"/api/v1/runs/{run.id}", headers=headers)
    service.client.get(f"/runs/{run.id}/no-such-page")
    service.client.get("/pictures/0123456789abcdef0123456789abcdef-fedcba9876543210fedcba9876543210/faces.jpg")
    service.client.post("/log", data={"key": "an admin key"})
    text = access.getvalue()
    assert len(text.splitlines()) == 5
    for word in (run.id, secret, "crumbs", "in-the-query", "fedcba9876543210", "admin key"):
        assert word not in text
    assert f"/runs/{run.id[:6]}.../status" in text


@given(st.text(max_size=300))
def test_a_path_is_one_short_line_of_ascii(path: str) -> None:
    shown = loggable_path(path)
    assert re.fullmatch(r"[\x21-\x7e]*", shown)
    assert len(shown) <= MAX_PATH


def test_the_id_goes_with_the_job_to_the_worker_and_stays_with_the_run(service: Service, jobs: Jobs) -> None:
    answer = service.post(PHOTO, X_Request_ID="abc")
    assert json_of(answer)["request_id"] == "abc"
    seen: list[tuple[str, str]] = []
    DetectorWorker(
        service.services.jobs, service.services.jobs.queue, lambda id: seen.append((id, request_id())), lambda: None
    ).work(burst=True)
    (analysis,) = service.services.store.get_run(json_of(answer)["id"]).analyses
    assert seen == [(analysis.id, "abc")]
    assert request_id() == ""


def test_a_run_without_a_request_has_no_id(service: Service) -> None:
    run = service.know(PHOTO)
    assert json_of(service.client.get(f"/api/v1/runs/{run.id}"))["request_id"] is None


def test_an_analysis_that_is_tried_again_keeps_its_id(service: Service, access: io.StringIO) -> None:
    store, jobs = service.services.store, service.services.jobs
    service.post(PHOTO, X_Request_ID="abc")
    (id,) = jobs.waiting()
    store.start_analysis(id)
    jobs.queue.remove(id)
    retry(store, jobs, id)
    assert jobs.waiting() == [id]
    assert jobs.request_id(id) == "abc"
    jobs.cancel(id)
    assert jobs.request_id(id) == ""
    assert Reconciler(store, jobs).requeue_lost() == []
