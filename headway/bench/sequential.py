"""Whether a stage's share of requests inside the SLO is above or below a goal, told as soon as it can be told.

Wald's sequential probability ratio test (Wald, "Sequential Tests of Statistical Hypotheses", 1945) of "half of the
misses that are allowed" against "twice as many": after each request the log of the likelihood ratio is compared with
two bounds, and beyond one of them the stage may end. Between the two hypotheses lies what nobody needs to tell apart.

The test wants independent requests, and neighbours in a queue are not: one burst makes many miss. Hits and misses are
therefore taken for a two-state Markov chain with the lag-1 correlation `rho` that was seen, and so many requests say
as much as `n / D` independent ones, with `D = (1 + rho) / (1 - rho)`: the variance inflation of a first-order chain's
mean, Geyer, "Practical Markov Chain Monte Carlo" (1992), known to pollsters as the design effect (Kish). Both numbers
are pure functions of the hits in the order in which their requests were due.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

__all__ = ["Ruling", "Runs", "batch_effect", "design_effect", "rule"]

ERROR = 0.05
"""Of each kind: to call a rate inside that is not, and the other way round."""
FEWER, MORE = 0.5, 2.0
"""The hypotheses, in misses that the goal allows."""
RUN = 0.5
"""Before any miss was seen: the chance that a miss follows a miss. It makes D 3 for a goal of 95 %, so that a row of
hits without a miss must be three times as long as Wald's."""
BATCHES = 8
"""Of a stage: each is about two seconds of it."""
MOST_ALIKE = 0.98
"""Of rho: D is 99 at the most."""


class Ruling(Enum):
    INSIDE = "inside"
    OUTSIDE = "outside"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Runs:
    """How often a miss was followed by another: `again` of `misses`. How long a queue's bad times last is the
    server's own and shows in every stage that has any, so a search learns it from all of them."""

    again: float = 0
    misses: float = 0

    @classmethod
    def of(cls, hits: Sequence[bool]) -> Runs:
        followed = [not now for before, now in pairwise(hits) if not before]
        return cls(sum(followed), len(followed))

    def __add__(self, other: Runs) -> Runs:
        return Runs(self.again + other.again, self.misses + other.misses)


NO_RUNS = Runs()


def rule(hits: Sequence[bool], goal: float, known: Runs = NO_RUNS) -> Ruling:
    """`goal` is the share that has to be inside, 0 < goal < 1; `known`: the runs of misses of other stages."""
    allowed = 1 - goal
    few, many = allowed * FEWER, min(allowed * MORE, (1 + allowed) / 2)
    misses = len(hits) - sum(hits)
    evidence = misses * math.log(many / few) + (len(hits) - misses) * math.log((1 - many) / (1 - few))
    evidence /= design_effect(hits, goal, known)
    bound = math.log((1 - ERROR) / ERROR)
    if evidence >= bound:
        return Ruling.OUTSIDE
    return Ruling.INSIDE if evidence <= -bound else Ruling.OPEN


def design_effect(hits: Sequence[bool], goal: float, known: Runs = NO_RUNS) -> float:
    """How many requests say as much as one independent one, at least 1: `(1 + rho) / (1 - rho)`.

    `rho = P(miss after a miss) - P(miss after a hit)`, each counted with one imagined request beside those seen (a miss
    that comes in runs of two; hits that miss as often as the goal allows), so that few requests claim little.
    """
    runs = Runs.of(hits) + known
    after_hit = [not now for before, now in pairwise(hits) if before]
    again = (runs.again + RUN) / (runs.misses + 1)
    anew = (sum(after_hit) + (1 - goal)) / (len(after_hit) + 1)
    rho = min(max(0.0, again - anew), MOST_ALIKE)
    return (1 + rho) / (1 - rho)


def batch_effect(stages: Sequence[Sequence[bool]]) -> float:
    """The same by batch means, over several stages at once: how much more the misses of whole batches vary than those
    of independent requests would, at least 1. It sees bad times that lie apart, which the chain of neighbours does
    not.

    `D = sum (m - n q)^2 / sum n q (1 - q)` over all batches (m misses of n requests; q: the stage's share), corrected
    for the shares that were estimated.
    """
    seen = expected = 0.0
    for hits in stages:
        share = 1 - sum(hits) / len(hits) if hits else 0.0
        size = len(hits) // BATCHES
        if size < 2 or share in (0.0, 1.0):
            continue
        misses = [size - sum(hits[at * size : (at + 1) * size]) for at in range(BATCHES)]
        seen += sum((each - size * share) ** 2 for each in misses) * BATCHES / (BATCHES - 1)
        expected += BATCHES * size * share * (1 - share)
    return max(1.0, seen / expected) if expected else 1.0
