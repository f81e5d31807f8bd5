"""Plain policies beside the real one: to compare with, and for who wants them. None needs anything learned."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from headway.policy.routing.candidate import Candidate
from headway.policy.routing.shapes import Ask, Why

__all__ = ["least_request", "power_of_two", "prefix_affinity", "round_robin"]

AFFINITY, APART, TIMES = 0.3, 64, 1.5
"""The thresholds that the field's cache-aware routers ship with: follow a match of this share of the prompt, unless
running requests are further apart than this many and this many times."""


def round_robin(
    ask: Ask, candidates: Sequence[Candidate], pool: Sequence[int], now: float, draw: float
) -> tuple[int, Why, Sequence[float]]:
    return pool[ask.turn % len(pool)], Why.IN_TURN, ()


def least_request(
    ask: Ask, candidates: Sequence[Candidate], pool: Sequence[int], now: float, draw: float
) -> tuple[int, Why, Sequence[float]]:
    costs = [inf] * len(candidates)
    for index in pool:
        costs[index] = float(candidates[index].running)
    least = min(costs)
    equal = [index for index in pool if costs[index] == least]
    return equal[int(draw * len(equal))], Why.LEAST_LOADED if len(equal) == 1 else Why.TIE_DRAWN, costs


def power_of_two(
    ask: Ask, candidates: Sequence[Candidate], pool: Sequence[int], now: float, draw: float
) -> tuple[int, Why, Sequence[float]]:
    """The less loaded of two drawn ones: near the least loaded, without everybody choosing the same."""
    if len(pool) == 1:
        return pool[0], Why.ONLY_ONE, ()
    one, rest = divmod(int(draw * len(pool) * (len(pool) - 1)), len(pool) - 1)
    two = rest + (rest >= one)
    costs = [inf] * len(candidates)
    for index in (pool[one], pool[two]):
        costs[index] = float(candidates[index].running)
    return min(pool[one], pool[two], key=costs.__getitem__), Why.LEAST_LOADED, costs


def prefix_affinity(
    ask: Ask, candidates: Sequence[Candidate], pool: Sequence[int], now: float, draw: float
) -> tuple[int, Why, Sequence[float]]:
    """The longest match while loads are alike, else the least loaded: one or the other, as cache-aware routers do."""
    loads = [candidates[index].running for index in pool]
    most, least = max(loads), min(loads)
    longest = max(ask.matched[index] for index in pool)
    if longest <= AFFINITY * ask.tokens or (most - least > APART and most > TIMES * least):
        return least_request(ask, candidates, pool, now, draw)
    costs = [inf] * len(candidates)
    for index in pool:
        costs[index] = ask.tokens - ask.matched[index]
    equal = [index for index in pool if ask.matched[index] == longest]
    return equal[int(draw * len(equal))], Why.LONGEST_MATCH, costs
