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

from headway.perf.traffic.draws import NORMAL, normal
from headway.spec.length import MOST_TOKENS, Length

__all__ = ["Law", "law", "mean"]

Law = Callable[[float], int]
"""From a number of [0, 1) to tokens: that part of all is no longer."""

STEPS = 4096


def law(length: Length) -> Law:
    if length.is_range:
        return _uniform(length.min or 1, length.max or length.min or 1)
    low, high = length.min or 1, length.max or MOST_TOKENS
    if table := length.table:
        return _table(table, low, high)
    centre, spread = length.mean or 1.0, length.sd or 1.0
    if length.distribution == "normal":
        return _cut(centre, spread, low, high, lambda tokens: tokens, lambda value: value)
    variance = math.log1p((spread / centre) ** 2)
    return _cut(math.log(centre) - variance / 2, math.sqrt(variance), low, high, math.log, math.exp)


def mean(drawn: Law) -> float:
    """Of what the law gives, rounded and cut as it is."""
    return sum(drawn((step + 0.5) / STEPS) for step in range(STEPS)) / STEPS


def _uniform(low: int, high: int) -> Law:
    if low == high:
        return lambda _: low
    width = high - low + 1
    return lambda part: low + int(part * width)


def _cut(
    centre: float,
    spread: float,
    low: int,
    high: int,
    to_score: Callable[[float], float],
    to_tokens: Callable[[float], float],
) -> Law:
    """A normal law of the scores, within the bounds alone."""
    first = NORMAL.cdf((to_score(low) - centre) / spread)
    room = NORMAL.cdf((to_score(high) - centre) / spread) - first

    def drawn(part: float) -> int:
        score = centre + spread * normal(min(first + part * room, _MOST))
        return min(max(round(to_tokens(min(score, _LARGEST))), low), high)

    return drawn


_MOST = 1 - 2.0**-53
_LARGEST = 700.0
"""exp of more is no float; a length is far below."""


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
