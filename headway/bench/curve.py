"""A throughput-latency curve: which rate to measure next, up to beyond the knee. Pure.

Doubling from a light load until the server cannot keep up, one step beyond, and then where the curve bends: between
the last rate that it kept up with and the first that it did not, the widest gap is halved (geometrically) until the
points are spent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Point", "next_rate"]

KEEPS_UP = 0.95
"""Answered of sent, from which a server is said to keep up."""
BEYOND = 1.5
"""The one rate beyond the first that it did not keep up with."""
NARROW = 1.08
"""Neighbours nearer than that need no point between them."""


@dataclass(frozen=True, slots=True)
class Point:
    """Measured at `rate` requests a second (as realised): seconds, and shares of 1. None = no request had it."""

    rate: float
    answered: float
    output_tokens: float
    inside: float | None
    ttft_p50: float | None
    ttft_p99: float | None
    itl_p50: float | None
    e2e_p50: float | None
    e2e_p99: float | None
    overloaded: bool
    verdict: str

    @property
    def kept_up(self) -> bool:
        return not self.overloaded and self.answered >= KEEPS_UP * self.rate


def next_rate(points: Sequence[Point], first: float, most: int) -> float | None:
    """None when the curve is drawn: the knee is between neighbours, or `most` points are measured."""
    if len(points) >= most:
        return None
    if not points:
        return first
    ordered = sorted(points, key=lambda each: each.rate)
    strained = [each for each in ordered if not each.kept_up]
    if not strained:
        return ordered[-1].rate * 2
    if strained[0] is ordered[0]:
        return ordered[0].rate / 2
    if len(strained) == 1:
        return min(strained[0].rate, max(strained[0].answered, 1e-6) * 2) * BEYOND
    knee = ordered.index(strained[0])
    # Below the knee twice as many gaps as above it: that is where people run their servers.
    near = ordered[max(0, knee - 2) : knee + 1]
    gaps = [(b.rate / a.rate, a.rate, b.rate) for a, b in pairwise(near)]
    widest, low, high = max(gaps)
    return math.sqrt(low * high) if widest > NARROW else None
