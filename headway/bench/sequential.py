"""Whether a stage's share of requests inside the SLO is above or below a goal, told as soon as it can be told.

Wald's sequential probability ratio test (Wald, "Sequential Tests of Statistical Hypotheses", 1945) of "half of the misses
that are allowed" against "twice as many": after each request the log of the likelihood ratio is compared with two bounds,
and beyond one of them the stage may end. Between the two hypotheses lies what nobody needs to tell apart.

The test wants independent requests, and neighbours in a queue are not: one burst makes many miss. Hits and misses are
therefore taken for a two-state Markov chain with the lag-1 correlation `rho` that was seen, and so many requests say as much
as `n / D` independent ones, with `D = (1 + rho) / (1 - rho)`: the variance inflation of a first-order chain's mean, Geyer,
"Practical Markov Chain Monte Carlo" (1992), known to pollsters as the design effect (Kish). Both numbers are pure functions
of the hits in the order in which their requests were due.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum

__all__ = ["Ruling", "design_effect", "rule"]

ERROR = 0.05
"""Of each kind: to call a rate inside that is not, and the other way round."""
FEWER, MORE = 0.5, 2.0
"""The hypotheses, in misses that the goal allows."""
RUN = 0.5
"""Before any miss was seen: the chance that a miss follows a miss. It makes D 3 for a goal of 95 %, so that a row of hits
without a miss must be three times as long as Wald's."""


class Ruling(Enum):
    INSIDE = "inside"
    OUTSIDE = "outside"
    OPEN = "open"


def rule(hits: Sequence[bool], goal: float) -> Ruling:
    """`goal` is the share that has to be inside, 0 < goal < 1."""
    allowed = 1 - goal
    few, many = allowed * FEWER, min(allowed * MORE, (1 + allowed) / 2)
    misses = len(hits) - sum(hits)
    evidence = misses * math.log(many / few) + (len(hits) - misses) * math.log((1 - many) / (1 - few))
    evidence /= design_effect(hits, goal)
    bound = math.log((1 - ERROR) / ERROR)
    if evidence >= bound:
        return Ruling.OUTSIDE
    return Ruling.INSIDE if evidence <= -bound else Ruling.OPEN


def design_effect(hits: Sequence[bool], goal: float) -> float:
    """How many requests say as much as one independent one, at least 1: `(1 + rho) / (1 - rho)`.

    `rho = P(miss after a miss) - P(miss after a hit)`, each counted with one imagined request beside those seen (a miss
    that comes in runs of two; hits that miss as often as the goal allows), so that few requests claim little.
    """
    after_miss = after_hit = missed_again = missed_anew = 0
    for before, now in zip(hits, hits[1:], strict=False):
        if before:
            after_hit += 1
            missed_anew += not now
        else:
            after_miss += 1
            missed_again += not now
    again = (missed_again + RUN) / (after_miss + 1)
    anew = (missed_anew + (1 - goal)) / (after_hit + 1)
    rho = min(max(0.0, again - anew), 0.98)
    return (1 + rho) / (1 - rho)
