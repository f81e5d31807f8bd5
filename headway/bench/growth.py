"""Whether what waits grows: the one sign that tells a server that keeps up from one that does not.

What waits at a moment are the requests that were due and have not ended. Under overload it grows by a steady amount,
in a queue that keeps up it wanders. So the window is cut into batches of equal time, and Student's test is made on
what each batch added: for a queue that just keeps up (a random walk) that is an honest test, for one with room to spare
a careful one, since there what one batch added the next takes away again.

A window that is only filling (answers that take 40 s, 20 s after the start) grows as well, but its later requests take
no longer than its earlier ones. That is asked with Kendall's test on the medians of the batches: it looks at the order
alone, so requests that never ended are no trouble.

Sources: Law, Simulation Modeling and Analysis, section 9.5 (batch means); Kendall, Biometrika 30 (1938), 81.
"""

from __future__ import annotations

import math

import numpy as np

from headway.bench.arrays import Floats, Ints
from headway.bench.intervals import BATCHES, student
from headway.bench.measures import Measured
from headway.bench.schema import Growth, Interval

__all__ = ["growth", "waiting"]

FEWEST = 5
"""Batches, and requests in each, at least; with fewer nothing can be told."""
LEAST_SPREAD = 1.0
"""Requests, of what a batch adds: arrivals that are regular to the millisecond still begin and end mid-batch."""
CLOCK = 6
"""Decimals of a second: what differs by less is the same."""
SURE = 0.99
SLOWER_Z = 1.645
"""Of Kendall's test, one-sided at 95 %: it only confirms what the first test found."""


def waiting(due: Floats, ended: Floats, at: Floats) -> Ints:
    """How many were due before each moment and had not ended by then. The first two are sorted."""
    return np.searchsorted(due, at, side="left") - np.searchsorted(ended, at, side="right")


def growth(of: Measured, start: float, end: float, at_least: float = 0.0) -> Growth | None:
    """Through a window. `at_least`: requests a second that it must exceed to be called growing, for a ramp."""
    due, ended = np.sort(of.due), np.sort(of.ended)
    inside = (of.due >= start) & (of.due < end)
    batches = min(BATCHES, int(inside.sum()) // FEWEST)
    if batches < FEWEST:
        return None
    edges = np.linspace(start, end, batches + 1)
    levels = waiting(due, ended, edges)
    added = np.diff(levels)
    seconds = (end - start) / batches
    error = max(float(added.std(ddof=1)), LEAST_SPREAD) / math.sqrt(batches) / seconds
    rate = float(added.mean()) / seconds
    half = student(0.975, batches - 1) * error
    return Growth(
        at_start=int(levels[0]),
        at_end=int(levels[-1]),
        rate=rate,
        interval=Interval(rate - half, rate + half),
        growing=rate - student(SURE, batches - 1) * error > at_least,
        slower=any(_rising(_medians(each[inside], of.due[inside], edges)) for each in (of.ttft_sched, of.e2e_sched)),
    )


def _medians(latencies: Floats, due: Floats, edges: Floats) -> list[float]:
    """Of each batch that has any."""
    known = ~np.isnan(latencies)
    latencies, places = latencies[known], np.searchsorted(edges, due[known], side="right")
    rows = [np.sort(latencies[places == place]) for place in range(1, len(edges))]
    return [round(float(row[len(row) // 2]), CLOCK) for row in rows if len(row)]


def _rising(row: list[float]) -> bool:
    count = len(row)
    if count < FEWEST:
        return False
    score = sum((late > early) - (late < early) for place, early in enumerate(row) for late in row[place + 1 :])
    spread = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    return score > SLOWER_Z * spread
