"""How many CPUs and how much memory this process may use."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cpu_count(cgroup: Path = CGROUP) -> int:
    """Number of CPUs in this process's affinity, limited by the cgroup's quota (v2, then v1); at least one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return max(1, min(count, int(quota))) if quota else count


def _quota(cgroup: Path) -> float | None:
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    return float(quota) / float(period) if quota not in ("max", "-1") else None


def memory_limit_mb(cgroup: Path = CGROUP) -> int:
    """The memory limit of this process's cgroup (v2, then v1) in megabytes of 2**20 bytes; 0 without one."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (cgroup / name).read_text().strip()
        except OSError:
            continue
        # In cgroup v1 a number near 2**63 means no limit.
        return int(text) >> 20 if text.isdigit() and int(text) < 1 << 60 else 0
    return 0
