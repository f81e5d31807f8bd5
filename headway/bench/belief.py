"""What a few stages at different rates say of the highest rate that still meets a goal: a posterior on a grid.

The share of requests that miss at rate r is taken for a logistic curve of ln r that passes through the allowed share at
the wanted rate R:

    miss(r) = lapse + (1 - lapse) * logistic(logit(q) + slope * ln(r / R)),   miss(R) = 1 - goal

Where R lies, how steep the curve is and how many miss at any rate (`lapse`: a prompt that is too long for the SLO, an
error that has nothing to do with load) is unknown, and all of it stays on the grid: what is asked for is R alone.
This is how psychophysics finds a threshold in few trials (Watson and Pelli, QUEST, 1983; lapses: Wichmann and Hill
2001); with a curve that is a step it is probabilistic bisection (Waeber, Frazier and Henderson 2013). The prior is
flat in ln R and ln slope. Requests count divided by their design effect, because neighbours in a queue miss together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headway.bench.arrays import Floats

__all__ = ["Belief", "Evidence", "believe"]

STEP = 0.004
"""Of the grid, in ln R: 0.4 %."""
BEYOND = 4.0
"""The grid goes so far below the lowest rate that was tried, and above the highest."""
SLOPES = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
"""Doublings of the odds to miss for each doubling of the rate: 2 is a server with room in every direction, 128 a
step."""
LAPSES = (0.0, 0.25, 0.5)
"""Shares of the allowed misses that have nothing to do with the rate."""
MOST_CELLS = 4000
"""Of the grid in ln R; with more than e^16 between the rates its step grows."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`hits` and `misses` are worth so many independent requests at `rate` (requests a second)."""

    rate: float
    hits: float
    misses: float


@dataclass(frozen=True, slots=True)
class Belief:
    """Of R, in requests a second: the median and the central interval."""

    median: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """Half of the interval, as a share of the median."""
        return (self.high - self.low) / 2 / self.median


def believe(evidence: Sequence[Evidence], goal: float, *, most: float = math.inf, confidence: float = 0.95) -> Belief:
    """At least one piece of evidence, with a rate above 0. `most`: R is known to be no higher."""
    import numpy as np  # noqa: PLC0415

    rates = np.log([each.rate for each in evidence])
    low, high = rates.min() - math.log(BEYOND), rates.max() + math.log(BEYOND)
    grid = np.linspace(low, high, min(MOST_CELLS, math.ceil((high - low) / STEP) + 1))
    distance = rates[:, None] - grid[None, :]
    hits = np.array([each.hits for each in evidence])
    misses = np.array([each.misses for each in evidence])
    logs = [
        _log_likelihood(distance, hits, misses, goal=goal, slope=slope, lapse=lapse * (1 - goal))
        for slope in SLOPES
        for lapse in LAPSES
    ]
    together = np.stack(logs)
    weight = np.exp(together - together.max()).sum(axis=0)
    possible = grid <= max(math.log(most), low)
    weight = np.where(possible, weight, 0.0) + np.finfo(float).tiny
    below = np.cumsum(weight) / weight.sum()
    tail = (1 - confidence) / 2
    median, least, most = (float(np.exp(np.interp(share, below, grid))) for share in (0.5, tail, 1 - tail))
    return Belief(median, least, most)


def _log_likelihood(
    distance: Floats, hits: Floats, misses: Floats, *, goal: float, slope: float, lapse: float
) -> Floats:
    """For each R of the grid; `distance[i, j]` = ln(rate i / R j)."""
    import numpy as np  # noqa: PLC0415

    allowed = (1 - goal - lapse) / (1 - lapse)
    middle = math.log(allowed / (1 - allowed))
    curve = 1 / (1 + np.exp(-np.clip(middle + slope * distance, -30, 30)))
    missing = np.clip(lapse + (1 - lapse) * curve, 1e-9, 1 - 1e-9)
    total: Floats = (hits[:, None] * np.log1p(-missing) + misses[:, None] * np.log(missing)).sum(axis=0)
    return total
