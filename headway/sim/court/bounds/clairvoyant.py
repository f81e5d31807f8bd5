"""The clairvoyant plan: replicas for arrivals that are all known. Feasible in this arithmetic, not a proven bound.

`need` is the smoothest rate that keeps every request's patience, rounded up to whole replicas; `levels` makes starts of
it. To be fair to a policy that misses some requests it may leave out as many: those whose absence saves most for each,
found greedily at the narrow tops of the need. They are served late, as a real fleet would: from when they came, in the
room that the others leave, and all of it by the end; where the room is too little there are more replicas. So the plan
is never below the deadline bound. A better one may exist (rounding, the choice of what is late, a real engine's steps):
a ratio to this one is an estimate of the distance from the optimum, not a bound of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from headway.sim.court.bounds.ask import Asks
from headway.sim.court.bounds.levels import Plan, levels
from headway.sim.court.bounds.smoothest import smoothest
from headway.sim.court.bounds.tops import Top, tops

__all__ = ["clairvoyant", "need"]

_ROUNDING = 1e-9
_AT_ONCE = 0.2
"""Share of what may still be left out that one round of the search takes, so that it sees what it has changed."""
_HALVINGS = 12
"""Of the search for the least that is added to the need so that what is late fits too: to a part in 4,096."""


def need(asks: Asks, without: frozenset[int] = frozenset()) -> list[float]:
    """Replicas, before rounding up, by slot."""
    return [each / asks.slot for each in smoothest(asks.released(without), asks.delay)]


def clairvoyant(asks: Asks, cold_start: float, *, attained: float = 1.0, ready: int = 0) -> Plan:
    """`attained`: the share of requests that it has to serve in time."""
    left_out: frozenset[int] = frozenset()
    allowed = math.floor((1.0 - attained) * len(asks.requests) + _ROUNDING)
    best = _plan(asks, cold_start, ready, left_out)
    active = _by_slot(asks) if allowed else []
    while len(left_out) < allowed:
        rates = need(asks, left_out)
        found = tops(rates, asks.slot, cold_start)
        more = _left_out(asks, active, found, left_out, allowed - len(left_out))
        if not more:
            break
        left_out |= more
        plan = _plan(asks, cold_start, ready, left_out)
        best = min(best, plan, key=lambda each: each.replica_seconds)
    return best


def _plan(asks: Asks, cold_start: float, ready: int, late: frozenset[int]) -> Plan:
    """With those served late that may be: as little is added for them as is enough, up to the smoothest way."""
    rates, everything = need(asks, late), asks.released()
    extra = [max(0.0, one - other) for one, other in zip(everything, asks.released(late), strict=True)]
    evenly = [each / asks.slot for each in smoothest(extra, asks.slots)]

    def plan(share: float) -> tuple[Plan, list[float]]:
        """And what serves, after the traffic's end too: there it is paid by what is done, as a fleet's is."""
        wanted = [rate + share * more for rate, more in zip(rates, evenly, strict=True)]
        whole = [math.ceil(each - _ROUNDING) for each in wanted[: asks.open]]
        found, after = levels(whole, asks.slot, cold_start, ready), wanted[asks.open :]
        paid = found.replica_seconds + sum(after) * asks.slot
        return replace(found, replica_seconds=paid), [*map(float, found.ready), *after]

    low, high = 0.0, 1.0
    found, serving = plan(low)
    if _fits(extra, rates, serving, asks.slot):
        return found
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _fits(extra, rates, plan(middle)[1], asks.slot) else (middle, high)
    return plan(high)[0]


def _fits(late: Sequence[float], rates: Sequence[float], replicas: Sequence[float], slot: float) -> bool:
    """Whether so many replicas do what is late, too: none of it before it comes, nor in place of the rest."""
    waits = 0.0
    for came, rate, there in zip(late, rates, replicas, strict=True):
        waits = max(0.0, waits + came - (there - rate) * slot)
    return waits <= _ROUNDING


def _by_slot(asks: Asks) -> list[list[int]]:
    """Numbers of the requests that ask for work in each slot."""
    found: list[list[int]] = [[] for _ in range(asks.slots)]
    for number, each in enumerate(asks.requests):
        first = int(each.at / asks.slot)
        if first < asks.slots:
            found[first].append(number)
    return found


def _left_out(
    asks: Asks, active: Sequence[Sequence[int]], found: Sequence[Top], without: frozenset[int], allowed: int
) -> frozenset[int]:
    """Of the dearest tops those requests that take the most, until the tops are gone."""
    most = max(1, math.ceil(_AT_ONCE * allowed))
    gone: set[int] = set()
    for top in found:
        near = range(max(0, top.begin - asks.delay), min(top.end, len(active)))
        there = [number for slot in near for number in active[slot] if number not in without and number not in gone]
        there.sort(key=lambda number: -asks.requests[number].work)
        over = top.work
        for number in there:
            if over <= 0 or len(gone) >= allowed:
                break
            gone.add(number)
            over -= asks.requests[number].work
        if len(gone) >= most:
            break
    return frozenset(gone)
