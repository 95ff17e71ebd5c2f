"""Whether the service is ready, and the message about it in the terminal."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from app.config.settings import Settings

TIMEOUT = 4.0


def readiness(settings: Settings, address: str = "/readyz") -> dict[str, Any] | None:
    """The JSON at an address of the web process; None while it does not respond."""
    request = urllib.request.Request(f"{local_address(settings)}{address}", headers={"Accept": "application/json"})
    # Never through a proxy: this is the same machine.
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
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def local_address(settings: Settings) -> str:
    """The service's address on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def introduction(settings: Settings, state: dict[str, Any], seconds: float) -> Sequence[str]:
    """The lines printed once the service is ready: its address, its analyses, and what would add the missing ones."""
    lines = ["", f"  Flask Detector is ready: {local_address(settings)}  (after {seconds:.0f} s)", ""]
    for name, analysis in sorted(state.get("analyses", {}).items()):
        lines.append(f"  {name}: {analysis['title']}")
        if analysis.get("note"):
            lines.append(f"    {analysis['note']}")
    lines += [f"  {name}: not available. {step}" for name, step in sorted(state.get("missing", {}).items())]
    return [*lines, "", "  Ctrl-C ends it.", ""]
