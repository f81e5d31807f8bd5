"""The smoothest way to work off what comes in time: the taut string between what is due and what is there.

Of all rates that serve each second's work within its patience and none before it comes, the string pulled tight through
the tunnel between the two cumulative curves has the least of every convex cost at once (Yao, Demers, Shenker, "A
scheduling model for reduced CPU energy", FOCS 1995; with one patience for all, their optimum is this string).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

__all__ = ["smoothest"]


def smoothest(released: Sequence[float], delay: int) -> list[float]:
    """Work by slot -> work that is done by slot. What comes in slot t is done in one of t .. t + delay; all of it is
    done by the last."""
    there = [0.0, *accumulate(released)]
    count = len(released)
    due = [there[max(0, slot - delay)] for slot in range(count)] + [there[count]]
    rates: list[float] = []
    at, done = 0, 0.0
    while at < count:
        at, done = _stretch(rates, due, there, at, done)
    return rates


def _stretch(
    rates: list[float], due: Sequence[float], there: Sequence[float], at: int, done: float
) -> tuple[int, float]:
    """One straight piece of the string, from (at, done) to its next bend."""
    lowest, highest, low_at, high_at = 0.0, math.inf, at + 1, at + 1
    end, reached = len(due) - 1, due[-1]
    for slot in range(at + 1, len(due)):
        floor, ceiling = (due[slot] - done) / (slot - at), (there[slot] - done) / (slot - at)
        if floor > highest:
            end, reached = high_at, there[high_at]
            break
        if ceiling < lowest:
            end, reached = low_at, due[low_at]
            break
        if floor >= lowest:
            lowest, low_at = floor, slot
        if ceiling <= highest:
            highest, high_at = ceiling, slot
    rates += [max(0.0, reached - done) / (end - at)] * (end - at)
    return end, reached
