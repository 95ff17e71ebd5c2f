"""A thin client of the REST API, which repeats requests while the server is busy or restarting."""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from app.client.results import Run
from app.client.wire import (
    ApiError,
    api_address,
    body_of,
    checked_key,
    error_of,
    may_be_repeated,
    params,
    pause,
    sendable,
)

# Seconds: the longest wait that the server is asked for, and the pauses between two polls.
_MAX_HOLD = 30.0
_FIRST_POLL, _MAX_POLL = 0.1, 2.0


class ConnectionFailed(Exception):
    """The server could not be reached, even after several tries."""


class RunFailed(Exception):
    """A run ended without a result; `run` is its final state."""

    def __init__(self, run: Run):
        super().__init__(run.error or f"The run was {run.state}.")
        self.run = run


class Client:
    """A connection to one server. Safe to share between threads; close it, or use it as a context manager.

    Args:
        server: the server's address, without `/api/v1`.
        key: API key, if the server requires one.
        timeout: seconds without any response before a request counts as failed.
        tries: how often a request is sent to a server that is busy (429, 503) or unreachable.
        transport, sleep, clock: replaced by tests.

    Raises:
        ValueError: the server's address or the key is malformed.
    """

    def __init__(
        self,
        server: str = "http://127.0.0.1:5000",
        key: str | None = None,
        *,
        timeout: float = 30.0,
        tries: int = 6,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ):
        headers = {"User-Agent": "flask-detector-client/1.0"}
        if key:
            headers["Authorization"] = f"Bearer {checked_key(key)}"
        self._http = httpx.Client(
            base_url=api_address(server),
            headers=headers,
            timeout=httpx.Timeout(timeout, read=timeout + _MAX_HOLD),
            transport=transport,
        )
        self._tries, self._sleep, self._clock = max(1, tries), sleep, clock

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def detect(self, photo: str | Path | bytes, *, timeout: float | None = None, **options: Any) -> Run:
        """Send a photo and wait for its result. options: those of `submit`.

        Raises:
            ApiError, ConnectionFailed. RunFailed: it ended without a result. TimeoutError: no result within `timeout`.
        """
        begin = self._clock()
        hold = _MAX_HOLD if timeout is None else min(_MAX_HOLD, timeout)
        run = self.submit(photo, hold=hold, timeout=timeout, **options)
        return self.wait(run, None if timeout is None else max(0.0, timeout - (self._clock() - begin)))

    def submit(
        self,
        photo: str | Path | bytes,
        *,
        name: str | None = None,
        analyses: Sequence[str] = (),
        threshold: float | None = None,
        classes: Sequence[str] = (),
        webhook: str | None = None,
        webhook_secret: str | None = None,
        hold: float = 0.0,
        timeout: float | None = None,
    ) -> Run:
        """Send a photo: a file, bytes, or an http(s) address that the server fetches.

        Args:
            name: the photo's name; by default that of the file.
            analyses: names of the analyses; by default objects.
            threshold, classes: the default view of the result for later requests.
            webhook: address to which the result is posted when the run ends.
            webhook_secret: `whsec_...` of your own, which signs that request, for `verify`.
            hold: seconds that the server may wait for the result before it responds.
            timeout: seconds after which the request is not repeated.

        Raises:
            OSError: the file cannot be read. ApiError: the server refuses it, or makes a batch of a PDF's pages.
            ConnectionFailed.
        """
        options = {"analyses": ",".join(analyses), "classes": ",".join(classes), "webhook": webhook}
        given = {key: value for key, value in options.items() if value}
        if threshold is not None:
            given["threshold"] = str(threshold)
        request: dict[str, Any] = {"params": {"wait": f"{hold:g}"} if hold > 0 else {}}
        if isinstance(photo, str) and photo.startswith(("http://", "https://")):
            named = {"name": name} if name else {}
            request["json"] = {
                "url": photo,
                **named,
                **given,
                **({"threshold": threshold} if threshold is not None else {}),
            }
        else:
            data = photo if isinstance(photo, bytes) else Path(photo).read_bytes()
            file_name = name or ("photo" if isinstance(photo, bytes) else Path(photo).name)
            request |= {"files": {"file": (sendable(file_name), data)}, "data": given}
        own_secret = {"Webhook-Secret": webhook_secret} if webhook_secret else {}
        request["headers"] = {"Idempotency-Key": str(uuid.uuid4()), **own_secret}
        body = self._json("POST", "runs", "id", deadline=self._deadline(timeout), **request)
        if "runs" in body:
            message = f"This file has several pages. Their runs are in the batch {body['id']}."
            raise ApiError(HTTPStatus.ACCEPTED, "several-pages", message)
        return Run.from_json(body)

    def run(self, id: str, **options: Any) -> Run:
        """The current state of a run. options: threshold, classes, exclude, coordinates, masks, as in the API."""
        return self._run("GET", f"runs/{id}", params=params(options))

    def batch(self, id: str) -> list[Run]:
        """The current states of a batch's runs, without their results: `run` and `wait` give those."""
        return [Run.from_json(run) for run in self._json("GET", f"batches/{id}", "runs")["runs"]]

    def wait(self, run: Run, timeout: float | None = None) -> Run:
        """Wait for a run's result. Raises RunFailed, TimeoutError, ApiError, ConnectionFailed."""
        deadline, delay = self._deadline(timeout), _FIRST_POLL
        while not run.finished:
            left = None if deadline is None else deadline - self._clock()
            if left is not None and left <= 0:
                raise TimeoutError(f"The run {run.id} has no result yet.")
            self._sleep(delay if left is None else min(delay, left))
            delay = min(delay * 1.5, _MAX_POLL)
            run = self._run("GET", f"runs/{run.id}", deadline=deadline)
        if run.state != "done":
            raise RunFailed(run)
        return run

    def image(self, id: str, **view: Any) -> bytes:
        """The annotated photo.

        view: threshold, classes, exclude, masks, boxes, labels, faces, colours, max_size, format.
        """
        return self._request("GET", f"runs/{id}/image", params=params(view)).content

    def export(self, id: str, format: str, **view: Any) -> bytes:
        """The result in another tool's format, such as `coco`. view: threshold, classes, exclude."""
        return self._request("GET", f"runs/{id}/export", params=params({"format": format, **view})).content

    def cancel(self, id: str) -> Run:
        """Cancel a run that has not ended."""
        return self._run("POST", f"runs/{id}/cancel")

    def delete(self, id: str) -> None:
        """Delete a run with its photo and results."""
        self._request("DELETE", f"runs/{id}")

    def runs(self, **search: Any) -> Iterator[Run]:
        """The caller's runs, newest first. search: q (a text that was read), since, until,
        `**{"class": name}`, and limit, the size of a page."""
        cursor = None
        while True:
            page = self._json("GET", "runs", "runs", params=params({**search, "cursor": cursor}))
            yield from map(Run.from_json, page["runs"])
            cursor = page["next"]
            if cursor is None:
                return

    def models(self) -> list[dict[str, Any]]:
        """The available analyses, each with its model."""
        models: list[dict[str, Any]] = self._json("GET", "models", "models")["models"]
        return models

    def _deadline(self, timeout: float | None) -> float | None:
        """The clock's time after this many seconds."""
        return None if timeout is None else self._clock() + timeout

    def _run(self, method: str, path: str, **options: Any) -> Run:
        return Run.from_json(self._json(method, path, "id", **options))

    def _json(self, method: str, path: str, key: str, **options: Any) -> dict[str, Any]:
        """The response, an object with this key. Raises ConnectionFailed; ApiError, also if it is anything else."""
        return body_of(self._request(method, path, **options), key)

    def _request(self, method: str, path: str, *, deadline: float | None = None, **options: Any) -> httpx.Response:
        """Send a request, and repeat it while the server is busy or unreachable and the deadline allows another try.

        Raises:
            ApiError, ConnectionFailed: the outcome of the last try.
        """
        attempt = 1
        while True:
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                seconds = self._pause(attempt, deadline)
                if seconds is None:
                    raise ConnectionFailed(f"{self._http.base_url.host} cannot be reached: {error}") from error
            else:
                if response.is_success:
                    return response
                seconds = self._pause(attempt, deadline, response) if may_be_repeated(response) else None
                if seconds is None:
                    raise error_of(response)
            self._sleep(seconds)
            attempt += 1

    def _pause(self, attempt: int, deadline: float | None, response: httpx.Response | None = None) -> float | None:
        """Seconds before the next try; None if tries or time are used up."""
        seconds = pause(attempt, response)
        late = deadline is not None and self._clock() + seconds > deadline
        return None if late or attempt >= self._tries else seconds
