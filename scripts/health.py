"""Whether the part of the service that runs in this container is well; the exit status says it. For HEALTHCHECK.

The web process answers /healthz (alone in its container) or /readyz (where everything runs in one); a worker on its
own is well while its processes give signs of life in Redis.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def web(path: str) -> bool:
    """Whether the web process of this container answers an address with 200."""
    address = f"http://127.0.0.1:{os.environ.get('PORT', '5000')}{path}"
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(json.load(answer))
    except (urllib.error.URLError, OSError, ValueError):
        return False


def worker() -> bool:
    """Whether any worker that shares our Redis has its models loaded."""
    sys.path.insert(0, str(ROOT))
    import redis

    from app.jobs import Jobs
    from app.settings import Settings

    try:
        return Jobs.from_settings(Settings.from_env()).workers() > 0
    except redis.RedisError:
        return False


if __name__ == "__main__":
    part = sys.argv[1] if len(sys.argv) > 1 else "all"
    checks = {"all": lambda: web("/readyz"), "web": lambda: web("/healthz"), "worker": worker}
    sys.exit(0 if checks[part]() else 1)
