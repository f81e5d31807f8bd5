"""What really happened, from the server's own log of arrivals. Pure. Seconds."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from headway.engines.mock_arrivals import Arrival

__all__ = ["Truth", "lags", "largest_rate", "quantile", "truth"]


@dataclass(frozen=True, slots=True)
class Truth:
    """`ttft` and `itl` are medians over the requests, from when each came; `waited` is from when each should have come,
    had the tool kept its schedule. `good`: the share of those that waited no longer than the limit."""

    requests: int
    rate: float
    answered: float
    ttft: float
    itl: float
    lag_p50: float
    lag_p99: float
    waited_p50: float
    waited_p99: float
    good: float


def truth(seen: Sequence[Arrival], rate: float, limit: float) -> Truth:
    """Of an even schedule, `rate` as asked, that no request was ahead of; `limit` for the first token."""
    came = sorted(each.came for each in seen)
    late = lags(came, rate)
    in_order = sorted((each for each in seen if each.first is not None), key=lambda each: each.came)
    begun = came[0] - late[0]
    waited = [(each.first or 0.0) - begun - index / rate for index, each in enumerate(in_order)]
    gaps = [((each.last or 0.0) - (each.first or 0.0)) / (each.tokens - 1) for each in in_order if each.tokens > 1]
    ended = max(each.ended for each in seen)
    return Truth(
        requests=len(seen),
        rate=(len(came) - 1) / (came[-1] - came[0]),
        answered=len(in_order) / (ended - came[0]),
        ttft=statistics.median((each.first or 0.0) - each.came for each in in_order),
        itl=statistics.median(gaps) if gaps else 0.0,
        lag_p50=quantile(late, 0.5),
        lag_p99=quantile(late, 0.99),
        waited_p50=quantile(waited, 0.5),
        waited_p99=quantile(waited, 0.99),
        good=sum(each <= limit for each in waited) / len(seen),
    )


def lags(came: Sequence[float], rate: float) -> list[float]:
    """Of each arrival behind an even schedule that none of them was ahead of."""
    ahead = [at - index / rate for index, at in enumerate(sorted(came))]
    return [each - min(ahead) for each in ahead]


def quantile(values: Iterable[float], part: float) -> float:
    """Nearest rank."""
    known = sorted(values)
    return known[max(0, ceil(part * len(known)) - 1)]


def largest_rate(capacity: float, ttft: float, limit: float, share: float, *, arrivals: int = 200_000) -> float:
    """The highest Poisson rate at which `share` of requests have the first token within `limit`, at a server that lets
    in `capacity` a second, one after the other, and answers `ttft` later. Found by Lindley's recursion on one long
    sequence of gaps, scaled: the steady state, to about a percent."""
    draw = random.Random(5)
    gaps = [draw.expovariate(1.0) for _ in range(arrivals)]
    low, high = 0.0, capacity
    while high - low > 0.002 * capacity:
        rate = (low + high) / 2
        wait, inside = 0.0, 0
        for gap in gaps:
            inside += wait + ttft <= limit
            wait = max(0.0, wait + 1 / capacity - gap / rate)
        low, high = (rate, high) if inside >= share * arrivals else (low, rate)
    return low
