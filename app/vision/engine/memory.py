"""Memory of a worker process: its limit, and returning freed memory to the system."""

import ctypes
import sys

from app.config.settings import Settings
from app.system.machine import memory_limit_mb

# glibc's malloc.h: mallopt parameters. With a fixed threshold every large buffer is returned to the system when it is
# freed; otherwise glibc raises the threshold, and 200 MB of one photo's feature maps stay in the heap.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE_BUFFER = 1 << 20


def worker_limit_mb(settings: Settings) -> float:
    """Megabytes that one worker process may use: its share of MEMORY_LIMIT_MB or of the container's; 0: no limit."""
    return (settings.memory_limit_mb or memory_limit_mb()) / settings.workers


def return_freed_memory() -> None:
    """Make the C library return large freed buffers to the system at once (only on Linux with glibc)."""
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_MMAP_THRESHOLD, LARGE_BUFFER)
            mallopt(M_TRIM_THRESHOLD, LARGE_BUFFER)
