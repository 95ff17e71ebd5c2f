"""Child processes that live as long as their parent, start again when they die, and end when told."""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from app.system.process import die_with_parent, prctl

log = logging.getLogger("launch")

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
MAX_BACKOFF = 30.0  # seconds before a child is started again that keeps dying
STEADY = 10.0  # seconds after which a child counts as started well
TICK = 0.1  # seconds from one look at a process to the next


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, so that none is lost (Linux only)."""
    if prctl is not None:
        prctl(PR_SET_CHILD_SUBREAPER, 1)


def bury_orphans(known: Collection[int]) -> None:
    """Take the exit statuses of dead adopted children; those of the known ones are left to whoever started them."""
    if prctl is None:
        return
    with suppress(ChildProcessError):
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and dead.si_pid not in known:
            os.waitpid(dead.si_pid, 0)


def end_orphans() -> None:
    """Kill every child that is left, and the children that this brings to light."""
    while children := _children():
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    """The ids of this process's children, zombies among them; none where there is no /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # After the name, which may hold anything, in parentheses: state, parent.
            if int(path.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(path.parent.name))
    return found


class Supervised:
    """One child process.

    name: for people; command: as for subprocess; grace: seconds to end by itself when told.
    ending: what it is told when the launcher is killed. environment, fds and output: what it gets besides what the
    launcher has; feed: what it reads.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        grace: float,
        environment: Mapping[str, str] | None = None,
        ending: signal.Signals = signal.SIGTERM,
        fds: Sequence[int] = (),
        output: Path | None = None,
        feed: str = "",
    ):
        self.name, self.grace = name, grace
        self._command, self._environment = list(command), dict(environment or {})
        self._ending, self._fds, self._feed = ending, tuple(fds), feed
        self.output = output  # the file that it writes to
        self._process: subprocess.Popen[bytes] | None = None
        self._started, self._start_at = 0.0, 0.0
        self.failures = 0  # deaths in a row, each soon after its start

    def start(self) -> None:
        """Start it, in a session of its own so that Ctrl-C reaches only the launcher.

        From the main thread only: the kernel takes a thread's end for the parent's.
        """
        output = self.output.open("ab") if self.output else None
        try:
            self._process = subprocess.Popen(
                self._command,
                env=os.environ | self._environment,
                stdin=subprocess.PIPE if self._feed else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                pass_fds=self._fds,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(self._ending),
            )
        finally:
            if output:
                output.close()
        if self._process.stdin:
            with suppress(BrokenPipeError), self._process.stdin as pipe:
                pipe.write(self._feed.encode())
        self._started = time.monotonic()

    @property
    def pid(self) -> int | None:
        """Its process id; None while there is none."""
        return self._process.pid if self._process else None

    @property
    def status(self) -> int | None:
        """How it ended, as subprocess says it; None while it runs."""
        return self._process.poll() if self._process else None

    def watch(self) -> None:
        """Start it again if it has died, later and later while it keeps dying."""
        if self._process is not None and self.status is not None:
            self.failures = 0 if time.monotonic() - self._started >= STEADY else self.failures + 1
            wait = min(MAX_BACKOFF, 2.0**self.failures) if self.failures else 0.0
            log.warning("%s ended (%s) and starts again in %.0f s", self.name, self.status, wait)
            self._start_at = time.monotonic() + wait
            self._process = None
        if self._process is None and time.monotonic() >= self._start_at:
            self.start()

    def tell(self) -> None:
        """Ask it to end (SIGTERM); asked again, the worker leaves what it has in hand."""
        if self._process is not None and self.status is None:
            self._process.terminate()

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> None:
        """Ask it to end, wait for its grace period or until there is no more time, then kill it."""
        if self._process is None:
            return
        self.tell()
        deadline = time.monotonic() + self.grace
        while self.status is None and time.monotonic() < deadline and not hurried():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(TICK)
        if self.status is None:
            log.warning("%s did not end by itself and is killed", self.name)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
