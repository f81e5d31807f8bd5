"""From a Length to tokens: each law is its quantile function, so that one random number makes one length.

- One number, or a range: every whole number in it is as likely as another.
- {mean, sd}: lognormal with that mean and standard deviation (sigma^2 = ln(1 + (sd/mean)^2), mu = ln(mean) -
  sigma^2/2), or normal; between min and max alone, as if what falls outside were drawn again.
- Quantiles: between two of them the logarithm runs straight over the normal score of the part, which is a lognormal
  piece; beyond the first and last it goes on with the same slope. Values below min or above max become min or max, so
  that the quantiles stay what was written. Two quantiles are thus exactly a lognormal law.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from statistics import NormalDist

from headway.perf.traffic.draws import normal
from headway.spec.length import MOST_TOKENS, Length

__all__ = ["Law", "law", "mean"]

Law = Callable[[float], int]
"""From a number of [0, 1) to tokens: that part of all is no longer."""

STEPS = 4096
_MOST = 1 - 2.0**-53
"""The largest part that is not all."""


def law(length: Length) -> Law:
    if length.is_range:
        return _uniform(length.min or 1, length.max or length.min or 1)
    low, high = length.min or 1, length.max or MOST_TOKENS
    if table := length.table:
        return _table(table, low, high)
    centre, spread = length.mean or 1.0, length.sd or 1.0
    if length.distribution == "normal":
        return _cut(NormalDist(centre, spread), low, high, of_logs=False)
    variance = math.log1p((spread / centre) ** 2)
    logs = NormalDist(math.log(centre) - variance / 2, math.sqrt(variance))
    return _cut(logs, low, high, of_logs=True)


def mean(drawn: Law) -> float:
    """Of what the law gives, rounded and cut as it is."""
    return sum(drawn((step + 0.5) / STEPS) for step in range(STEPS)) / STEPS


def _uniform(low: int, high: int) -> Law:
    if low == high:
        return lambda _: low
    width = high - low + 1
    return lambda part: low + int(part * width)


def _cut(scores: NormalDist, low: int, high: int, *, of_logs: bool) -> Law:
    """A normal law, of the tokens or of their logarithms, within the bounds alone."""
    ends = (math.log(low), math.log(high)) if of_logs else (low, high)
    first = scores.cdf(ends[0])
    room = scores.cdf(ends[1]) - first
    centre, spread = scores.mean, scores.stdev

    def drawn(part: float) -> int:
        score = min(centre + spread * normal(min(first + part * room, _MOST)), ends[1])
        return min(max(round(math.exp(score) if of_logs else score), low), high)

    return drawn


def _table(table: tuple[tuple[float, int], ...], low: int, high: int) -> Law:
    scores = [normal(part) for part, _ in table]
    logs = [math.log(tokens) for _, tokens in table]
    slopes = [(logs[at + 1] - logs[at]) / (scores[at + 1] - scores[at]) for at in range(len(table) - 1)]
    inner, last = scores[1:-1], math.log(MOST_TOKENS) + 1

    def drawn(part: float) -> int:
        score = normal(part)
        at = bisect_right(inner, score)
        return min(max(round(math.exp(min(logs[at] + slopes[at] * (score - scores[at]), last))), low), high)

    return drawn
