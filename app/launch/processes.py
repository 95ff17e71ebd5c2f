"""Child processes that are restarted when they die, and that end with their parent."""

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
MAX_BACKOFF = 30.0  # seconds before a child that keeps dying is restarted
STEADY = 10.0  # seconds after which a start counts as successful
TICK = 0.1  # seconds between two checks of a process


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, so that none is left behind (Linux only)."""
    if prctl is not None:
        prctl(PR_SET_CHILD_SUBREAPER, 1)


def reap_orphans(known: Collection[int]) -> None:
    """Reap adopted children that have died. known: ids of children that are reaped elsewhere."""
    if prctl is None:
        return
    with suppress(ChildProcessError):
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and dead.si_pid not in known:
            os.waitpid(dead.si_pid, 0)


def end_orphans() -> None:
    """Kill every child that is left, and the children that become ours by this."""
    while children := _children():
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    """The ids of this process's children, zombies included; none without /proc."""
    children = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # After the name in parentheses, which may hold anything: state, parent.
            if int(path.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                children.append(int(path.parent.name))
    return children


class Supervised:
    """One child process.

    name: for messages; command: as for subprocess; grace: seconds that it has to end after SIGTERM.
    ending: the signal that it gets when the launcher is killed. environment: variables that it gets besides the
    launcher's; fds: file descriptors that it inherits; output: the file that it writes to; feed: its standard input.
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
        self.output = output
        self._process: subprocess.Popen[bytes] | None = None
        self._started, self._start_at = 0.0, 0.0
        self.failures = 0  # failed starts in a row

    def start(self) -> None:
        """Start it, in a session of its own so that Ctrl-C reaches only the launcher.

        Call this in the main thread: for the kernel, a parent dies with the thread that started the child.
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
        """Its process id; None while it is not running."""
        return self._process.pid if self._process else None

    @property
    def status(self) -> int | None:
        """Its exit status, as in subprocess; None while it runs."""
        return self._process.poll() if self._process else None

    def watch(self) -> None:
        """Restart it if it has died, with growing pauses while it keeps dying."""
        if self._process is not None and self.status is not None:
            self.failures = 0 if time.monotonic() - self._started >= STEADY else self.failures + 1
            wait = min(MAX_BACKOFF, 2.0**self.failures) if self.failures else 0.0
            log.warning("%s ended (%s) and is restarted in %.0f s", self.name, self.status, wait)
            self._start_at = time.monotonic() + wait
            self._process = None
        if self._process is None and time.monotonic() >= self._start_at:
            self.start()

    def terminate(self) -> None:
        """Send SIGTERM. At the second one, the worker abandons its current analysis."""
        if self._process is not None and self.status is None:
            self._process.terminate()

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> None:
        """Send SIGTERM, wait for the grace period or until `hurried()` is true, then kill it."""
        if self._process is None:
            return
        self.terminate()
        deadline = time.monotonic() + self.grace
        while self.status is None and time.monotonic() < deadline and not hurried():
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(TICK)
        if self.status is None:
            log.warning("%s did not end in time and is killed", self.name)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
