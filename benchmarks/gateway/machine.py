"""What the kernel tells of processes and cores, and what a benchmark must ask of it: precedence, and many sockets."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable
from pathlib import Path

import psutil

__all__ = [
    "allow_many_sockets",
    "busy_seconds",
    "cpu_seconds",
    "describe",
    "family",
    "own_precedence",
    "precedence",
    "pss_bytes",
]

TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    with contextlib.suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        return [pid, *(child.pid for child in top.children(recursive=True))]
    return []


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time. The scheduler's own count is exact to the microsecond; where the kernel lacks it, ticks."""
    return sum(_cpu_seconds(Path(f"/proc/{pid}")) for pid in pids)


def _cpu_seconds(process: Path) -> float:
    try:
        return sum(int(each.read_text().split()[0]) for each in process.glob("task/*/schedstat")) / 1e9 or _ticks(
            process
        )
    except OSError:
        return 0.0


def _ticks(process: Path) -> float:
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pss_bytes(pids: Iterable[int]) -> int:
    """Memory, that shared with others counted by share."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return total


def busy_seconds(core: int) -> float:
    """What anybody has used of a core since the machine started (steal counts: it was not ours)."""
    line = next(each for each in Path("/proc/stat").read_text().splitlines() if each.startswith(f"cpu{core} "))
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(value) for value in line.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / TICKS


def precedence(pids: Iterable[int], nice: int) -> str:
    """Raise the scheduling groups of these processes above those of other login sessions; why not, if not.

    With sched_autogroup_enabled (the default of most distributions) `nice` means nothing between sessions: each session
    is one group, and the groups share a core evenly. The group has its own nice value.
    """
    for pid in pids:
        try:
            Path(f"/proc/{pid}/autogroup").write_text(str(nice))
        except FileNotFoundError:
            return "this kernel has no scheduling groups by session"
        except OSError as error:
            return f"the scheduling group keeps its precedence ({error.strerror}); run as root to raise it"
    return ""


def own_precedence() -> int:
    """The nice value of our session's scheduling group, to be put back at the end."""
    try:
        return int(Path("/proc/self/autogroup").read_text().split()[-1])
    except (OSError, ValueError, IndexError):
        return 0


def allow_many_sockets() -> None:
    """For this process and those it starts: a thousand streams are two thousand sockets of a proxy."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def describe() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = models[0].partition(":")[2].strip() if models else "unknown CPU"
    return f"{os.cpu_count()} cores ({name}), Linux {os.uname().release}, {_memory()} GiB"


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
