"""When a stage of a search may end before its time: the test has told, or what waits grows without an end. No I/O.

A row of hits alone ends nothing too soon: of a rate that is a tenth too high the first requests are inside too, until
the queue is as long as the SLO is patient. So a stage that looks inside goes on for at least twice that patience, and
as long as its queue grows more than chance would have it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from headway.bench.search import FEWEST_REQUESTS, SHORTEST, Goal, Probe
from headway.bench.sequential import Ruling, rule

__all__ = ["StageWatch", "growth"]

SERVICE_NOISE = 0.25
"""Of the queue's own departures, as an index of dispersion, beside that of the arrivals: answers vary in length."""
SURE, DOUBTFUL = 4.0, 1.5
"""Standard deviations of growth that prove an overload, and from which a stage is not yet called inside."""


class StageWatch:
    """One stage whose arrivals have the coefficient of variation `cv` (1 = Poisson)."""

    def __init__(self, goal: Goal, probe: Probe, cv: float = 1.0) -> None:
        self._goal, self._probe, self._cv = goal, probe, cv
        self._open: list[tuple[float, int]] = [(0.0, 0)]
        self.overloaded = False

    def enough(self, now: float, unanswered: int, hits: Sequence[bool]) -> bool:
        """`unanswered`: due and not ended at `now`; `hits` of those that ended, in the order in which they were due."""
        self._open.append((now, unanswered))
        counted = now - self._probe.warm
        if counted < SHORTEST:
            return False
        sigmas = growth(self._open, self._probe.rate, self._goal.alone, self._cv)
        self.overloaded = sigmas >= SURE
        if self.overloaded:
            return True
        ruling = rule(hits, self._goal.share) if len(hits) >= FEWEST_REQUESTS else Ruling.OPEN
        if ruling is Ruling.OUTSIDE or self._probe.close:
            return ruling is Ruling.OUTSIDE
        return ruling is Ruling.INSIDE and counted >= 2 * self._goal.patience and sigmas < DOUBTFUL


def growth(unanswered: Sequence[tuple[float, int]], rate: float, alone: float, cv: float = 1.0) -> float:
    """By how many standard deviations more is open now than at half the time, where chance alone moves a queue by
    `sqrt(n * (cv^2 + noise))` over n arrivals; 0 as long as an empty server still fills, or it grows by less than 5 %
    of them.

    `unanswered`: (seconds, how many), from the stage's beginning on.
    """
    now, most = unanswered[-1]
    if now < 4 * alone:
        return 0.0
    then, before = min(unanswered, key=lambda each: abs(each[0] - now / 2))
    arrivals = rate * (now - then)
    more = most - before
    if more <= 0.05 * arrivals:
        return 0.0
    return more / math.sqrt(max(1.0, arrivals * (cv * cv + SERVICE_NOISE)))
