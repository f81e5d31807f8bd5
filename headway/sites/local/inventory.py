"""What this machine has for engines: cores, memory, GPUs, as limited for this process (affinity, cgroup v2).

In a container the machine's own figures are wrong in the dangerous direction: an engine sized by them is throttled or
killed. So every figure is the least of what the machine and each cgroup above us allow.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from headway.sites.base import Inventory
from headway.sites.local.nvml import Gpus

__all__ = ["read_inventory"]


def read_inventory(
    gpus: Gpus, *, cgroup_root: Path = Path("/sys/fs/cgroup"), own_cgroup: Path = Path("/proc/self/cgroup")
) -> Inventory:
    """Reads files and NVML: call it in a thread."""
    groups = list(_groups(cgroup_root, own_cgroup))
    machine = psutil.virtual_memory()
    limits = [pair for pair in map(_memory, groups) if pair]
    total = min([machine.total, *(limit for limit, _ in limits)])
    free = min([machine.available, *(max(0, left) for _, left in limits)])
    accelerators, notes = gpus.read(os.environ)
    return Inventory(_cores(groups), total, free, accelerators, notes)


def _groups(root: Path, own: Path) -> Iterator[Path]:
    """Our cgroup v2 folder and all above it; none where there is no cgroup v2."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    name = next((line[3:] for line in lines if line.startswith("0::")), None)
    if name is None:
        return
    folder = root / name.strip("/")
    if not folder.is_dir():  # in a container the name may be the host's, and our root is our own group
        folder = root
    while True:
        yield folder
        if folder == root:
            return
        folder = folder.parent


def _cores(groups: list[Path]) -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quotas = [quota for quota in map(_quota, groups) if quota]
    return max(1, int(min([cores, *quotas])))


def _quota(group: Path) -> float | None:
    """cpu.max: `quota period` in microseconds, or `max period`."""
    quota, _, period = _read(group / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _memory(group: Path) -> tuple[int, int] | None:
    """The limit and what is left of it; file pages that the kernel drops when asked count as left."""
    limit, current = _read(group / "memory.max"), _read(group / "memory.current")
    if not (limit.isdigit() and current.isdigit()):
        return None
    stat = dict(line.split(" ", 1) for line in _read(group / "memory.stat").splitlines() if " " in line)
    droppable = int(stat.get("inactive_file", 0)) + int(stat.get("active_file", 0))
    return int(limit), int(limit) - max(0, int(current) - droppable)


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
