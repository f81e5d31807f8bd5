"""`choose`: one request, the endpoints of its model, one of them picked. Pure: time and chance are passed in.

Whatever the policy: an endpoint that failed a moment ago is passed over while another exists, and a new one gets a
growing share. For RAMP_SECONDS after it became an endpoint it is passed over while it runs more than 1 + share * mean
requests, mean being what established ones run and share growing from 0 to 1: its caches are cold, its kernels are
compiled on first use, and it would otherwise be idle and draw everything at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal

from headway.policy.routing.baselines import least_request, power_of_two, prefix_affinity, round_robin
from headway.policy.routing.candidate import Candidate
from headway.policy.routing.predicted import predicted_latency
from headway.policy.routing.shapes import Ask, Choice, Policy, Why

__all__ = ["POLICIES", "RAMP_SECONDS", "PolicyName", "choose"]

RAMP_SECONDS: Final = 10.0

PolicyName = Literal["predicted_latency", "round_robin", "least_request", "power_of_two", "prefix_affinity"]

POLICIES: Mapping[PolicyName, Policy] = {
    "predicted_latency": predicted_latency,
    "round_robin": round_robin,
    "least_request": least_request,
    "power_of_two": power_of_two,
    "prefix_affinity": prefix_affinity,
}


def choose(
    policy: PolicyName,
    ask: Ask,
    candidates: Sequence[Candidate],
    now: float,
    draw: float,
    *,
    excluded: Collection[str] = (),
) -> Choice | None:
    """None when there is no candidate outside `excluded` (ids). `draw` is a random number in [0, 1)."""
    pool, young, ramping = [], [], now - RAMP_SECONDS
    for index, candidate in enumerate(candidates):
        if candidate.cooling_until <= now and (not excluded or candidate.id not in excluded):
            pool.append(index)
            if candidate.since > ramping:
                young.append(index)
    if not pool:
        return _all_failed(candidates, excluded, draw)
    if young and len(young) < len(pool):
        pool = _ramped(candidates, pool, young, now)
    if len(pool) == 1:
        return Choice(pool[0], candidates[pool[0]].running, 1, Why.ONLY_ONE)
    index, why, costs = POLICIES[policy](ask, candidates, pool, now, draw)
    return Choice(index, candidates[index].running, len(pool), why, 0.0, costs)


def _ramped(candidates: Sequence[Candidate], pool: list[int], young: list[int], now: float) -> list[int]:
    """Without the new ones that have their share."""
    established = len(pool) - len(young)
    mean = sum(candidates[index].running for index in pool if index not in young) / established
    passed = {
        index
        for index in young
        if candidates[index].running >= 1 + mean * (now - candidates[index].since) / RAMP_SECONDS
    }
    return [index for index in pool if index not in passed] if passed else pool


def _all_failed(candidates: Sequence[Candidate], excluded: Collection[str], draw: float) -> Choice | None:
    """The least loaded of what there is, and when to look again."""
    pool = [index for index, candidate in enumerate(candidates) if candidate.id not in excluded]
    if not pool:
        return None
    load = min(candidates[index].running for index in pool)
    equal = [index for index in pool if candidates[index].running == load]
    again = min(candidates[index].cooling_until for index in pool)
    return Choice(equal[int(draw * len(equal))], load, len(pool), Why.ALL_FAILED_RECENTLY, again)
