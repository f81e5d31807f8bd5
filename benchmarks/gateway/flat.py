"""Is Headway's memory flat? 1,000 streams stay open while prompts that nobody has asked before go by, more of them than
the prefix index holds; PSS is read every ten seconds."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence

from benchmarks.gateway import machine
from benchmarks.gateway.launch import Start
from benchmarks.gateway.process import BenchError, Child
from benchmarks.gateway.report import aligned
from benchmarks.gateway.stage import Stage
from benchmarks.gateway.workloads import Workload

__all__ = ["flat", "growth"]

SAMPLE_SECONDS = 10.0
STREAMS = Workload("streams", "", 1000, events=10, pace_us=4_000_000)
PROMPTS = Workload("prompts", "", 8, size=32 * 1024, rate=200, shared=0)
"""32 KiB each and alike in nothing: 5,600 blocks a second, so 200,000 have gone by after half a minute."""
FILL_SECONDS = 90.0
"""Until which memory may grow: the index fills, and buffers find their sizes. It has two generations whose tables
double as they fill, so it has its size for good only when twice its 200,000 blocks have gone by, after 72 s."""
END_SECONDS = 30.0
"""For a generator to end after its time."""
GROWTH_MOST = 0.02
"""From the first third after that to the last."""


def flat(here: Stage, start: Start, seconds: float) -> str:
    if seconds < 2 * FILL_SECONDS:
        raise BenchError(
            f"--flat wants at least {2 * FILL_SECONDS:.0f} s: the first {FILL_SECONDS:.0f} s fill the index"
        )
    here.start("headway", start)
    if why := here.missing.get("headway"):
        raise BenchError(f"headway does not start: {why}")
    proxy = here.proxies["headway"]
    here.backend.set_pace(STREAMS.pace_us)
    with (
        here.load(proxy, STREAMS.lasting(seconds)) as streams,
        here.load(proxy, PROMPTS.lasting(seconds)) as prompts,
    ):
        samples = _sample(proxy.pids(), seconds)
        each = [f"{machine.pss_bytes([pid]) / 2**20:.1f}" for pid in proxy.pids()]
        counted = [_counted(child) for child in (streams, prompts)]
    return f"{_told(samples, counted)} Its processes: {' + '.join(each)} MiB."


def _sample(pids: Sequence[int], seconds: float) -> list[tuple[float, float]]:
    """Seconds since the start, and MiB."""
    began, samples = time.monotonic(), []
    while (at := time.monotonic() - began) < seconds - 1:
        samples.append((at, machine.pss_bytes(pids) / 2**20))
        print(f"{at:6.0f} s {samples[-1][1]:8.1f} MiB", file=sys.stderr)
        time.sleep(min(SAMPLE_SECONDS, max(0.0, seconds - 1 - at)))
    return samples


def _told(samples: Sequence[tuple[float, float]], counted: Sequence[dict[str, object]]) -> str:
    streams, prompts = counted
    settled = [pss for at, pss in samples if at >= FILL_SECONDS]
    rise = growth(settled)
    rows = [["time", "PSS MiB"], *([f"{at:.0f} s", f"{pss:.1f}"] for at, pss in samples)]
    requests = prompts["requests"]
    assert isinstance(requests, int)
    said = (
        f"{streams['streams_open']} streams open at the end, {requests:,} prompts of 32 KiB without a common prefix "
        f"({requests * 32:,} KiB of them), errors: {streams['errors']} and {prompts['errors']}. After the first "
        f"{FILL_SECONDS:.0f} s: {min(settled):.1f} to {max(settled):.1f} MiB, {rise:+.1%} from the first third to the "
        f"last: {'flat' if abs(rise) <= GROWTH_MOST or rise < 0 else 'NOT flat'}."
    )
    return f"{aligned(rows)}\n\n{said}"


def growth(values: Sequence[float]) -> float:
    """Of the last third's median over the first third's."""
    third = max(1, len(values) // 3)
    return statistics.median(values[-third:]) / statistics.median(values[:third]) - 1


def _counted(child: Child) -> dict[str, object]:
    for _ in ("measuring", "done"):
        child.line(END_SECONDS)
    answer: dict[str, object] = json.loads(child.line(END_SECONDS))
    return answer
