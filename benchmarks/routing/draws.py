"""Random sizes and times that workloads are made of. Pure: each takes the generator it draws from."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator

__all__ = ["Zipf", "arrivals", "heavy", "pause"]


def arrivals(draw: random.Random, rate: float, begin: float, end: float) -> Iterator[float]:
    """Poisson arrivals, `rate` a second, in [begin, end)."""
    at = begin + draw.expovariate(rate)
    while at < end:
        yield at
        at += draw.expovariate(rate)


def pause(draw: random.Random, mean: float) -> float:
    """A time to think or to run a tool: exponential, at most four times its mean, so that no session hangs on."""
    return min(draw.expovariate(1 / mean), 4 * mean)


def heavy(draw: random.Random, median: float, spread: float, least: int, most: int) -> int:
    """Log-normal tokens: `spread` is the deviation of the logarithm (1 = 16 % are above 2.7 medians)."""
    return max(least, min(most, round(draw.lognormvariate(math.log(median), spread))))


class Zipf:
    """Ranks 0..count-1, the k-th with a weight of 1/(k+1)**exponent."""

    def __init__(self, count: int, exponent: float) -> None:
        self._ranks = range(count)
        self._sums = list(itertools.accumulate((rank + 1) ** -exponent for rank in self._ranks))

    def draw(self, draw: random.Random) -> int:
        return draw.choices(self._ranks, cum_weights=self._sums)[0]
