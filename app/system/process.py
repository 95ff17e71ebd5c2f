"""How processes end, with their parent or before it when memory runs out, and how they share the CPUs."""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # linux/prctl.h

prctl: Any = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None


def die_with_parent(ending: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent dies, however it dies (Linux only)."""
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, ending)


def die_first() -> None:
    """Have the kernel end this process before its supervisor when memory runs out (Linux only)."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def leave_cpus_to_others() -> None:
    """Let this process, which leads a session, compute only while no other one wants to.

    Linux shares the CPUs out among sessions first (autogroup, sched(7)), so that nice alone counts within one only.
    """
    os.nice(19)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")
