"""Which endpoint takes a request.

`least_loaded` picks the endpoint with the fewest running requests. Equal loads are rotated by a counter that
the caller passes in, so that many gateways, or one with idle endpoints, never herd on the first. An endpoint
that failed a moment ago is passed over while another exists. Pure: the caller passes the time.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

__all__ = ["Candidate", "Choice", "Why", "cooldown", "least_loaded"]


class Candidate(Protocol):
    """An endpoint as routing sees it. `running` counts requests; `cooling_until` is a time, 0 = it did not
    fail."""

    @property
    def id(self) -> str: ...
    @property
    def running(self) -> int: ...
    @property
    def cooling_until(self) -> float: ...


class Why(StrEnum):
    ONLY_ONE = "only_one"
    LEAST_LOADED = "least_loaded"
    TIE_ROTATED = "tie_rotated"
    ALL_FAILED_RECENTLY = "all_failed_recently"


@dataclass(frozen=True, slots=True)
class Choice:
    """`index` into the candidates; its load; how many could have been picked; `look_again` = when the first
    endpoint ceases to count as just failed (a time; 0 unless all did)."""

    index: int
    load: int
    candidates: int
    why: Why
    look_again: float = 0.0


def least_loaded(candidates: Sequence[Candidate], tie: int, now: float, excluded: Container[str] = ()) -> Choice | None:
    """None when there is no candidate outside `excluded`."""
    open_to_us = [i for i, candidate in enumerate(candidates) if candidate.id not in excluded]
    if not open_to_us:
        return None
    healthy = [i for i in open_to_us if candidates[i].cooling_until <= now]
    pool = healthy or open_to_us
    load = min(candidates[i].running for i in pool)
    best = [i for i in pool if candidates[i].running == load]
    index = best[tie % len(best)]
    if not healthy:
        again = min(candidates[i].cooling_until for i in pool)
        return Choice(index, load, len(pool), Why.ALL_FAILED_RECENTLY, again)
    if len(pool) == 1:
        return Choice(index, load, 1, Why.ONLY_ONE)
    return Choice(index, load, len(pool), Why.TIE_ROTATED if len(best) > 1 else Why.LEAST_LOADED)


def cooldown(failures: int, first: float, longest: float) -> float:
    """Seconds for which an endpoint is avoided after `failures` (1 or more) failures in a row."""
    return float(min(longest, first * 2 ** min(failures - 1, 30)))
