"""The three reaches, judged from the TTFT p95 of each round. Pure.

1. On every workload ours is the best, or worse than the best by no more than 3 % beyond the paired 95 % interval.
2. At least 10 % better than the best real peer on agentic and multi-turn chat.
3. At least 25 % better than least_request where prefixes are shared.

Compared are the rounds that are valid for both. The best other is the one that ours compares worst with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.routing.paired import Ratio, ratio

__all__ = ["OURS", "Rounds", "Verdict", "against", "verdicts"]

OURS = "predicted_latency"
WORSE_BY = 1.03
THAN_PEERS = 0.90
THAN_LEAST_REQUEST = 0.75
ROUNDS = 5

Rounds = Mapping[str, Mapping[int, float]]
"""A figure by subject and round."""


@dataclass(frozen=True, slots=True)
class Verdict:
    reach: str
    reached: bool | None  # None: it could not be told
    said: str


def against(rounds: Rounds, one: str, other: str) -> Ratio | None:
    """One / other over the rounds that both have; None without any."""
    common = sorted(rounds.get(one, {}).keys() & rounds.get(other, {}).keys())
    if not common:
        return None
    return ratio([rounds[one][number] for number in common], [rounds[other][number] for number in common])


def verdicts(workload: str, rounds: Rounds, peers: Sequence[str], talks: bool, shares: bool) -> list[Verdict]:
    """`talks`: agentic or multi-turn chat; `shares`: prompts share prefixes."""
    others = [name for name in rounds if name != OURS]
    best = f"{workload}: best TTFT p95"
    said = [_judged(best, rounds, others, _no_worse)]
    if talks:
        reach = f"{workload}: 10 % better than the best peer"
        said.append(_judged(reach, rounds, peers, lambda found: found.middle <= THAN_PEERS))
    if shares:
        reach = f"{workload}: 25 % better than least_request"
        said.append(_judged(reach, rounds, ("least_request",), lambda found: found.middle <= THAN_LEAST_REQUEST))
    return said


def _no_worse(found: Ratio) -> bool:
    """With fewer rounds the interval is so wide that it would excuse anything."""
    return found.middle <= WORSE_BY or (found.rounds >= ROUNDS and found.low <= WORSE_BY)


def _judged(reach: str, rounds: Rounds, others: Sequence[str], reached: Callable[[Ratio], bool]) -> Verdict:
    found = {name: pair for name in others if (pair := against(rounds, OURS, name))}
    if not found:
        return Verdict(reach, None, "no valid rounds to compare")
    name = max(found, key=lambda each: found[each].middle)
    said, good = f"{found[name]} of {name}", reached(found[name])
    if without := [each for each in others if each in rounds and each not in found]:
        return Verdict(reach, None if good else False, f"{said}; no valid round of {', '.join(without)}")
    return Verdict(reach, good, said)
