"""The pick, tried on requests: a sample of the workload played through one replica of the simulator.

The search speaks of the mean request in a steady state. Here each has its own length, they come by chance, and what an
earlier one left in the prefix cache is found or is not: the percentiles of TTFT and of the gaps between tokens are
counted. One replica has the share of the load that falls to it when sessions stay where they began.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from headway.perf.batching import Replica, Request
from headway.perf.batching.replica import Happens, Ran
from headway.perf.step.shape import Limits, StepTime
from headway.perf.traffic.planned import Planned

__all__ = ["Played", "play"]

WARM = 0.1
"""Of the requests, those at the beginning that are not counted: the cache is empty then."""


@dataclass(frozen=True, slots=True)
class Played:
    """Seconds. `requests`: counted ones; `passed_over`: those that one replica has no room for even alone."""

    requests: int
    passed_over: int
    ttft_p50: float
    ttft_p95: float
    itl_p50: float
    itl_p95: float


@dataclass(slots=True)
class _Gaps:
    """A Watch: seconds of each step by the number of sequences that got a token from it."""

    since: float
    seen: list[tuple[float, int]] = field(default_factory=list)

    def ran(self, ran: Ran) -> None:
        if ran.decodes and ran.start >= self.since:
            middle = ran.first + ran.longer * (ran.steps - 1) / 2
            self.seen.append((middle, ran.steps * ran.decodes))

    def waited(self, seconds: float) -> None:
        self.seen.append((seconds, 1))


def play(step: StepTime, limits: Limits, before: float, requests: Iterable[Planned], count: int) -> Played:
    """`before`: seconds that the engine's front takes of each request; `count`: how many there are at most."""
    gaps = _Gaps(inf)
    replica = Replica(step, limits, prefix_cache=True, watch=gaps)
    due: dict[int, float] = {}
    waits: list[float] = []
    over = 0

    def hear(until: float) -> None:
        for happened in replica.advance(until):
            if happened.kind is Happens.FIRST and happened.request.id in due:
                waits.append(happened.at - due.pop(happened.request.id) + before)

    for number, each in enumerate(requests):
        hear(each.at)
        request = Request(each.number, each.prompt_tokens, max(1, each.output_tokens), each.prompt)
        if not replica.fits(request):
            over += 1
            continue
        if number >= WARM * count:
            due[request.id] = each.at
            gaps.since = min(gaps.since, each.at)
        replica.offer(request, each.at)
    while (at := replica.next_event()) < inf and due:
        hear(at)
    waits.sort()
    return Played(
        len(waits), over, _of(waits, 0.5), _of(waits, 0.95), _weighed(gaps.seen, 0.5), _weighed(gaps.seen, 0.95)
    )


def _of(waits: list[float], share: float) -> float:
    return waits[min(len(waits) - 1, int(share * len(waits)))] if waits else inf


def _weighed(seen: list[tuple[float, int]], share: float) -> float:
    left = share * sum(weight for _, weight in seen)
    for seconds, weight in sorted(seen):
        left -= weight
        if left <= 0:
            return seconds
    return inf if not seen else max(seen)[0]
