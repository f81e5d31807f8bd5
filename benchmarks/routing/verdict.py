"""The three reaches, judged from the TTFT p95 of each round. Pure.

1. On every workload ours is the best, or worse than the best by no more than 3 % beyond the paired 95 % interval.
2. At least 10 % better than the best real peer on agentic and multi-turn chat.
3. At least 25 % better than least_request where prefixes are shared.

The best is the one with the least geometric mean over the rounds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.routing.paired import Ratio, ratio

__all__ = ["OURS", "Verdict", "best_of", "verdicts"]

OURS = "predicted_latency"
WORSE_BY = 1.03
THAN_PEERS = 0.90
THAN_LEAST_REQUEST = 0.75

Rounds = Mapping[str, Sequence[float]]
"""The p95 of each round, by subject."""


@dataclass(frozen=True, slots=True)
class Verdict:
    reach: str
    reached: bool | None  # None: it could not be told
    said: str


def best_of(rounds: Rounds, among: Sequence[str]) -> str | None:
    there = [name for name in among if rounds.get(name)]
    return min(there, key=lambda name: sum(map(math.log, rounds[name])) / len(rounds[name]), default=None)


def verdicts(workload: str, rounds: Rounds, peers: Sequence[str], talks: bool, shares: bool) -> list[Verdict]:
    """`talks`: agentic or multi-turn chat; `shares`: prompts share prefixes."""
    ours = rounds.get(OURS)
    if not ours:
        return [Verdict(f"{workload}: best", None, f"{OURS} did not run")]
    others = [name for name in rounds if name != OURS]
    said = [_best(workload, ours, rounds, best_of(rounds, others))]
    if talks:
        said.append(_better(f"{workload}: 10 % better than peers", ours, rounds, best_of(rounds, peers), THAN_PEERS))
    if shares:
        least = best_of(rounds, ("least_request",))
        said.append(_better(f"{workload}: 25 % better than least_request", ours, rounds, least, THAN_LEAST_REQUEST))
    return said


def _best(workload: str, ours: Sequence[float], rounds: Rounds, best: str | None) -> Verdict:
    reach = f"{workload}: best TTFT p95"
    if best is None:
        return Verdict(reach, None, "nobody to compare with")
    found = ratio(ours, rounds[best])
    return Verdict(reach, found.middle <= 1 or found.low <= WORSE_BY, _told(found, best))


def _better(reach: str, ours: Sequence[float], rounds: Rounds, other: str | None, most: float) -> Verdict:
    if other is None:
        return Verdict(reach, None, "nobody to compare with")
    found = ratio(ours, rounds[other])
    return Verdict(reach, found.middle <= most, _told(found, other))


def _told(found: Ratio, other: str) -> str:
    return f"{found.middle:.2f} x {other} ({found.low:.2f} to {found.high:.2f}, {found.rounds} rounds)"
