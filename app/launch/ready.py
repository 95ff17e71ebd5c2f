"""Whether what was started serves: for the terminal, and for Docker's HEALTHCHECK."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from app.settings import Settings

TIMEOUT = 4.0


def readiness(settings: Settings, address: str = "/readyz") -> dict[str, Any] | None:
    """What an address of the web process says as JSON; None while it does not answer."""
    request = urllib.request.Request(f"{local_address(settings)}{address}", headers={"Accept": "application/json"})
    # Never through a proxy: this is our own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            return dict(json.load(response))
    except urllib.error.HTTPError as error:
        with error:
            return _json(error.read())
    except (OSError, ValueError):
        return None


def _json(body: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(body)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def local_address(settings: Settings) -> str:
    """The service's address as it is reached on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def introduction(settings: Settings, state: dict[str, Any], seconds: float) -> Sequence[str]:
    """What is printed once the service is ready: the address, what it can do, and what would make it better."""
    lines = ["", f"  Flask Detector is ready: {local_address(settings)}  (after {seconds:.0f} s)", ""]
    for name, analysis in sorted(state.get("analyses", {}).items()):
        lines.append(f"  {name}: {analysis['title']}")
        if analysis.get("note"):
            lines.append(f"    {analysis['note']}")
    lines += [f"  {name}: not available. {step}" for name, step in sorted(state.get("missing", {}).items())]
    return [*lines, "", "  Ctrl-C ends it.", ""]


def healthy(settings: Settings, part: str) -> bool:
    """Whether a part works: `all` can analyse photos, `web` answers, `worker` has a process of this host at work."""
    if part == "worker":
        return _worker_lives(settings)
    state = readiness(settings, "/healthz" if part == "web" else "/readyz")
    return state is not None and (part == "web" or bool(state.get("ready")))


def _worker_lives(settings: Settings) -> bool:
    """Whether a worker process of this host has its models loaded."""
    import redis

    from app.jobs import names
    from app.jobs.connection import connect

    try:
        with connect(settings) as client:
            known = {member.decode() for member in client.smembers(names.WORKERS)}
            ours = [names.ALIVE + name for name in known if name.startswith(f"{socket.gethostname()}:")]
            signs = client.mget(ours) if ours else []
            return any(json.loads(sign)["ready"] for sign in signs if sign)
    except redis.RedisError:
        return False
