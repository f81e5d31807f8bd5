"""What the gateway is to reach against its peers, and whether it does. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.gateway.figures import Spread, by_round, differences, ratios
from benchmarks.gateway.observation import DIRECT, Observation

__all__ = ["GOALS", "Goal", "reached", "seen_for"]


@dataclass(frozen=True, slots=True)
class Goal:
    text: str
    workload: str
    figure: str
    bound: float
    peer: str = ""
    """The figure is taken against this one's of the same round: a ratio, or for `direct` a difference."""
    least: bool = True
    """The bound is a least value; otherwise a most."""


GOALS = (
    Goal("1 KiB, requests/s over Envoy's", "w1", "requests_per_second", 1.0, "envoy"),
    Goal("1 KiB, requests/s over vllm-router round_robin's", "w1", "requests_per_second", 2.0, "vllm-rr"),
    Goal("1 KiB, requests/s over sglang-router cache_aware's", "w1", "requests_per_second", 3.5, "sglang-cache"),
    Goal("32 KiB, requests/s over Envoy's", "w2", "requests_per_second", 0.8, "envoy"),
    Goal("32 KiB, requests/s over vllm-router round_robin's", "w2", "requests_per_second", 1.5, "vllm-rr"),
    Goal("32 KiB, requests/s over sglang-router cache_aware's", "w2", "requests_per_second", 2.8, "sglang-cache"),
    Goal("400 KB, requests/s over sglang-router cache_aware's", "w400", "requests_per_second", 3.0, "sglang-cache"),
    Goal("CPU per streamed event over Envoy's, events 1 ms apart", "s1", "cpu_us_per_event", 1.0, "envoy", least=False),
    Goal("p50 added at 1,000 requests/s, ms", "l1000", "latency_p50", 0.15, DIRECT, least=False),
    Goal("p99 added at 1,000 requests/s, ms", "l1000", "latency_p99", 0.5, DIRECT, least=False),
    Goal("PSS with 1,000 open streams, MiB", "m1000", "pss_mib", 100.0, least=False),
    Goal("beyond: 1 KiB, requests/s over Envoy's", "w1", "requests_per_second", 1.2, "envoy"),
)


def seen_for(goal: Goal, seen: Sequence[Observation], proxy: str) -> Spread | None:
    ours = by_round(seen, proxy, goal.workload, goal.figure)
    if goal.peer == DIRECT:
        return differences(ours, by_round(seen, DIRECT, goal.workload, goal.figure))
    theirs = by_round(seen, goal.peer, goal.workload, goal.figure) if goal.peer else dict.fromkeys(ours, 1.0)
    return ratios(ours, theirs)


def reached(goal: Goal, found: Spread) -> bool:
    return found.median >= goal.bound if goal.least else found.median <= goal.bound
