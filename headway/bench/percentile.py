"""Percentiles by nearest rank: the smallest sample that at least so large a part of all samples does not exceed.

Nothing is interpolated, so a percentile is a latency that somebody really had, and infinity (a request that failed) is
a sample like others. Percentiles of parts are never averaged: what is merged are the samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headway.bench.arrays import Floats, Ints

__all__ = ["PERCENTS", "enough", "rank", "ranked", "weighted"]

PERCENTS = (50, 75, 90, 95, 99)


def rank(count: int, percent: int) -> int:
    """ceil(count * percent / 100), in whole numbers: counts from 1."""
    return max(1, -(-count * percent // 100))


def enough(count: int, percent: int) -> bool:
    """Whether the percentile is more than the last sample: 20 for the 95th, 100 for the 99th."""
    return count * (100 - percent) >= 100


def ranked(samples: Floats, percents: Sequence[int] = PERCENTS) -> list[float]:
    """Of samples without nan, at least one; in any order."""
    places = [rank(len(samples), percent) - 1 for percent in percents]
    parted = np.partition(samples, sorted(set(places)))
    return [float(parted[place]) for place in places]


def weighted(samples: Floats, weights: Ints, percents: Sequence[int] = PERCENTS) -> list[float]:
    """As if each sample were there `weights` times (1 or more)."""
    if (weights == 1).all():
        return ranked(samples, percents)
    order = np.argsort(samples, kind="stable")
    upto = np.cumsum(weights[order])
    wanted = [rank(int(upto[-1]), percent) for percent in percents]
    return [float(samples[order[place]]) for place in np.searchsorted(upto, wanted, side="left")]
