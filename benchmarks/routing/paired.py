"""Comparisons over rounds: a round asks everybody the same, so figures are compared round by round. Pure.

The figure is a ratio: the mean of its logarithm over the rounds with Student's 95 % interval. With five rounds the
interval is wide; that is what five rounds are worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Ratio", "ratio"]

STUDENT_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""Of the t distribution with 1, 2, .. 30 degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """How one compares with another: 0.8 = a fifth less. `low` and `high` bound it with 95 % confidence; one round
    alone bounds nothing."""

    middle: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        bounds = f"({self.low:.2f} to {self.high:.2f})" if self.rounds > 1 else "(one round)"
        return f"{self.middle:.2f} {bounds}"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Ours / theirs, of one figure for each round."""
    logs = [math.log(one / other) for one, other in zip(ours, theirs, strict=True)]
    count = len(logs)
    mean = sum(logs) / count
    if count == 1:
        return Ratio(math.exp(mean), 0.0, math.inf, 1)
    variance = sum((value - mean) ** 2 for value in logs) / (count - 1)
    half = STUDENT_975[min(count - 1, len(STUDENT_975)) - 1] * math.sqrt(variance / count)
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half), count)
