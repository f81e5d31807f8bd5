"""How many replicas make up for those that are taken away.

Of a replica of g accelerators, each taken away `preemptions` times an hour, the share of its time that it is gone is
u = r c / (1 + r c) with r = g x preemptions an hour and c the hours of a cold start (an alternating renewal process,
if another machine is to be had at once). Replicas are taken away independently of one another: the number that is up is
binomial. When a zone runs out of machines, all go at once, and no number of spares on it helps.
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p

__all__ = ["AT_LEAST", "away", "with_spares"]

AT_LEAST = 0.99
"""Of the time so many replicas as the load needs are to be up."""
LEAST = 2
"""Replicas on machines that may be taken away: the last one's going would be an outage."""


def away(preemptions: float, accelerators: int, cold_start: float) -> float:
    """Share of its time that one replica is gone. `preemptions`: an hour, of one accelerator; `cold_start`: seconds."""
    lost = preemptions * accelerators * cold_start / 3600
    return lost / (1 + lost)


def with_spares(needed: int, gone: float) -> int:
    """Replicas, of which `needed` are up for AT_LEAST of the time when each is gone for the share `gone` of its."""
    replicas = max(needed, LEAST)
    while _up(replicas, needed, gone) < AT_LEAST:
        replicas += max(1, replicas // 50)
    return replicas


def _up(replicas: int, needed: int, gone: float) -> float:
    """The probability that at least `needed` of them are up."""
    if gone <= 0:
        return 1.0
    return sum(_exactly(replicas, each, gone) for each in range(replicas - needed + 1))


def _exactly(replicas: int, lost: int, gone: float) -> float:
    """In logarithms: of thousands of replicas the binomial coefficient is no float."""
    ways = lgamma(replicas + 1) - lgamma(lost + 1) - lgamma(replicas - lost + 1)
    return exp(ways + lost * log(gone) + (replicas - lost) * log1p(-gone))
