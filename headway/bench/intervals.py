"""Confidence intervals, 95 %: of shares, of percentiles, of rates.

Latencies of neighbours in time are alike, for they waited in the same queue, so n requests say less than n independent
ones would. How much less is measured by batch means: the row is cut into batches, and if their means vary more than
independent requests' would, the effective number is n divided by as much. Shares then have Wilson's interval at that
number, and a percentile has the samples at the ranks that Wilson's interval of its own share gives. With few batches
the normal's quantile is Student's.

Sources: Wilson, JASA 22 (1927); Breslow and Day, Statistical Methods in Cancer Research II (1987), 69, for Byar's
Poisson interval; Law, Simulation Modeling and Analysis, section 9.5, for batch means; Fisher and Cornish, Technometrics
2 (1960), for Student's quantile.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from headway.bench.arrays import Bools, Floats
from headway.bench.schema import Interval

__all__ = ["BATCHES", "effective", "of_percentile", "of_rate", "of_share", "poisson", "student", "wilson"]

BATCHES = 20
FEWEST = 5
"""Requests in a batch, at least; with fewer than 40 requests in all none are made, and each counts as one."""
_NORMAL = NormalDist()
_TAIL = 0.975


def student(share: float, freedom: int) -> float:
    """The quantile of Student's distribution; within 0.1 % from 6 degrees of freedom on, at the shares used here."""
    z = _NORMAL.inv_cdf(share)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def effective(hit: Bools) -> tuple[float, float]:
    """How many independent requests this row (in the order of time) is worth, and the quantile to use with them."""
    count = len(hit)
    batches = min(BATCHES, count // FEWEST)
    if batches < 8:
        return float(count), _NORMAL.inv_cdf(_TAIL)
    size = count // batches
    means = hit[: batches * size].reshape(batches, size).mean(axis=1)
    alone, seen = float(hit.mean() * (1 - hit.mean()) / size), float(means.var(ddof=1))
    worth = count if seen <= alone or not alone else count * alone / seen
    return max(1.0, worth), student(_TAIL, batches - 1)


def wilson(share: float, count: float, z: float) -> tuple[float, float]:
    """`count` need not be whole."""
    if count <= 0:
        return 0.0, 1.0
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def of_share(hit: Bools) -> Interval:
    """Of the share of a row of requests, in the order of time, that hit."""
    if not len(hit):
        return Interval(None, None)
    worth, z = effective(hit)
    return Interval(*wilson(float(hit.mean()), worth, z))


def of_percentile(row: Floats, ordered: Floats, percent: int, value: float) -> Interval:
    """Of a percentile: `row` is in the order of time, `ordered` the same samples by size."""
    count, share = len(row), percent / 100
    worth, z = effective(row > value)
    low, high = wilson(share, worth, z)
    bottom, top = math.floor(count * low), math.ceil(count * high)
    return Interval(
        None if (1 - share) ** worth > 1 - _TAIL or bottom < 1 else _finite(ordered[bottom - 1]),
        None if share**worth > 1 - _TAIL or top > count else _finite(ordered[top - 1]),
    )


def poisson(count: int) -> tuple[float, float]:
    """Byar's approximation of the exact interval of a Poisson mean; within 1 % of it from a count of 5 on."""
    z = _NORMAL.inv_cdf(_TAIL)
    low = count * (1 - 1 / (9 * count) - z / (3 * math.sqrt(count))) ** 3 if count else 0.0
    more = count + 1
    return low, more * (1 - 1 / (9 * more) + z / (3 * math.sqrt(more))) ** 3


def of_rate(count: int, seconds: float, cv: float | None = None) -> Interval:
    """Of events a second. `cv`: of the gaps between them, when it is known; a count's variance is then cv^2 times its
    mean (renewal theory; Cox, Renewal Theory, section 3.3)."""
    if seconds <= 0:
        return Interval(None, None)
    if cv is None or cv == 1:
        low, high = poisson(count)
        return Interval(low / seconds, high / seconds)
    half = _NORMAL.inv_cdf(_TAIL) * cv * math.sqrt(count)
    return Interval(max(0.0, count - half) / seconds, (count + half) / seconds)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
