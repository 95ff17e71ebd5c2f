"""Memory of a worker process: its limit, and giving back what is freed."""

import ctypes
import sys

from app.config.settings import Settings
from app.system.machine import memory_limit_mb

# glibc's malloc.h: mallopt parameters. A fixed threshold gives every large buffer back to the system as soon as it is
# freed; left alone, glibc raises it and one photo's 200 MB of feature maps stay in the heap.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE_BUFFER = 1 << 20


def worker_limit_mb(settings: Settings) -> float:
    """Megabytes that a worker process may use: MEMORY_LIMIT_MB's share, or the container's; 0 for no limit."""
    return (settings.memory_limit_mb or memory_limit_mb()) / settings.workers


def return_freed_memory() -> None:
    """Make the C library return large freed buffers to the system at once (Linux with glibc; elsewhere nothing)."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, LARGE_BUFFER)
            mallopt(M_TRIM_THRESHOLD, LARGE_BUFFER)
