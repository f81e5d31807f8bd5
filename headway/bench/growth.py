"""Whether what waits grows: the one sign that tells a server that keeps up from one that does not.

What waits at a moment are the requests that were due and have not ended. Under overload it grows by a steady amount,
in a queue that keeps up it wanders. So the window is cut into batches of equal time, and Student's test is made on
what each batch added: for a queue that just keeps up (a random walk) that is an honest test, for one with room to spare
a careful one, since there what one batch added the next takes away again.

A window that is only filling (answers that take 40 s, 20 s after the start) grows as well, but its later requests take
hardly longer than its earlier ones. Under overload they do, by as much as has to be answered before them: where what
waits grows by g a second and m a second are answered, each second's requests take g / m longer than those of the second
before. At least a third of that is asked, by the median of the slopes between batches' medians, which stragglers and
requests that never ended do not move.

Sources: Law, Simulation Modeling and Analysis, section 9.5 (batch means); Sen, JASA 63 (1968), 1379 (slopes).
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
SURE = 0.95
"""That it grows, one-sided."""
LENGTHENING = 1 / 3
"""Of what the growth would make requests take longer: an overload that begins late in a window is still seen, a server
that answers slower as it fills (a larger batch) is not mistaken for one."""


def waiting(due: Floats, ended: Floats, at: Floats) -> Ints:
    """How many were due before each moment and had not ended by then. The first two are sorted."""
    return np.searchsorted(due, at, side="left") - np.searchsorted(ended, at, side="right")


def growth(of: Measured, start: float, end: float, at_least: float = 0.0, sure: float = SURE) -> Growth | None:
    """Through a window; None when too few requests were due. To be called growing it must exceed `at_least` (requests a
    second; a ramp grows by itself) and be as `sure` as that."""
    due, ended = np.sort(of.due), np.sort(of.ended)
    inside = (of.due >= start) & (of.due < end)
    batches = min(BATCHES, int(inside.sum()) // FEWEST)
    if batches < FEWEST:
        return None
    edges = np.linspace(start, end, batches + 1)
    levels = waiting(due, ended, edges)
    added, seconds = np.diff(levels), (end - start) / batches
    rate = float(added.mean()) / seconds
    error = max(float(added.std(ddof=1)), LEAST_SPREAD) / math.sqrt(batches) / seconds
    half = student(0.975, batches - 1) * error
    answered = int(((of.ended >= start) & (of.ended < end)).sum()) / (end - start)
    lengthening = _slope(of.e2e_sched[inside], of.due[inside], edges)
    return Growth(
        at_start=int(levels[0]),
        at_end=int(levels[-1]),
        rate=rate,
        interval=Interval(rate - half, rate + half),
        growing=rate - student(sure, batches - 1) * error > at_least,
        slower=lengthening * answered > LENGTHENING * rate,
        lengthening=lengthening if math.isfinite(lengthening) else None,
    )


def _slope(latencies: Floats, due: Floats, edges: Floats) -> float:
    """Seconds by which a request takes longer for each second that it comes later; inf: the later ones never ended."""
    known = ~np.isnan(latencies)
    latencies, places = latencies[known], np.searchsorted(edges, due[known], side="right")
    rows = [np.sort(latencies[places == place]) for place in range(1, len(edges))]
    middles = [(float(edges[place]), float(row[len(row) // 2])) for place, row in enumerate(rows) if len(row)]
    slopes = [
        (later - earlier) / (then - at)
        for place, (at, earlier) in enumerate(middles)
        for then, later in middles[place + 1 :]
        if math.isfinite(earlier)
    ]
    return float(np.median(slopes)) if slopes else math.inf
