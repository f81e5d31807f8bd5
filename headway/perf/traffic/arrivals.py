"""When requests come: a renewal process of rate 1, its time stretched by the rate that was asked for.

Gaps of rate 1 are equal (constant), exponential (poisson) or gamma with a coefficient of variation. Point t of that
process comes when the rate has summed up to t (Cinlar 1975; Lewis and Shedler 1979 for Poisson), so that ramps and
stages are exact, and a burst runs on over the border of two stages. The first gap is the rest of one that had begun
earlier (equilibrium), so that the number of arrivals is the rate times the time on average, however bursty.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

from headway.perf.traffic.draws import gamma

__all__ = ["Stretch", "arrivals", "points"]


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `start` to `end` (seconds) the rate goes from `first` to `last` (a second) in a straight line."""

    start: float
    end: float
    first: float
    last: float


def points(variation: float, draw: Random) -> Iterator[float]:
    """A process of rate 1, endless; `variation`: of its gaps, the standard deviation divided by the mean."""
    if variation == 0:
        yield from map(float, count())
    at = 0.0
    log, random = math.log, draw.random
    if variation == 1:
        while True:
            at -= log(1 - random())
            yield at
    shape, scale = variation**-2, variation**2
    # The rest of a gap that is met by chance: such gaps are longer, gamma with a shape of one more.
    at = random() * gamma(shape + 1, draw) * scale
    while True:
        yield at
        at += gamma(shape, draw) * scale


def arrivals(stretches: Sequence[Stretch], unit: Iterator[float]) -> Iterator[float]:
    """The times of the points of `unit`, through stretches that follow one another."""
    before, found = 0.0, next(unit)
    for stretch in stretches:
        length, rate, rise = stretch.end - stretch.start, stretch.first, stretch.last - stretch.first
        if rise == 0:
            if rate:
                area = rate * length
                while found - before < area:
                    yield stretch.start + (found - before) / rate
                    found = next(unit)
                before += area
            continue
        area, slope = (rate + stretch.last) / 2 * length, 2 * rise / length
        while found - before < area:
            # The rate's integral is rate*x + rise/length*x^2/2; this form of its root loses no digits near 0.
            left = found - before
            yield stretch.start + (2 * left / (rate + math.sqrt(max(rate * rate + slope * left, 0.0))) if left else 0.0)
            found = next(unit)
        before += area
