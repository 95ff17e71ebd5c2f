"""A child process that lives as long as its parent, is started again when it dies, and ends when told."""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
MAX_BACKOFF = 30.0
STEADY = 10.0  # seconds after which a child counts as started well

_prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Between fork and exec: have the kernel send SIGTERM when the launcher dies, however it dies."""
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervised:
    """One child process.

    name: for people; command, environment: as for subprocess; grace: seconds to end by itself after SIGTERM.
    """

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], grace: float):
        self.name, self.grace = name, grace
        self._command, self._environment = list(command), dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._failures, self._started, self._start_at = 0, 0.0, 0.0

    def start(self) -> None:
        """Start it, in a session of its own so that Ctrl-C reaches only the launcher."""
        self._process = subprocess.Popen(
            self._command,
            env=os.environ | self._environment,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        self._started = time.monotonic()

    def watch(self) -> None:
        """Start it again if it has died, later and later while it keeps dying."""
        if self._process is not None and self._process.poll() is not None:
            log.warning("%s ended with %s and is started again", self.name, self._process.returncode)
            steady = time.monotonic() - self._started >= STEADY
            self._failures = 0 if steady else self._failures + 1
            self._start_at = time.monotonic() + (min(MAX_BACKOFF, 2.0**self._failures) if self._failures else 0)
            self._process = None
        if self._process is None and time.monotonic() >= self._start_at:
            self.start()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after the grace period."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(self.grace)
        except subprocess.TimeoutExpired:
            log.warning("%s did not end in %g seconds", self.name, self.grace)
            self._process.kill()
            self._process.wait()
