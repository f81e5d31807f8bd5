"""Which requests count: those due in a stage's window, whenever they end.

The drain is left out by that: what is answered after the last arrival met a server that had nothing else to do, yet its
request counts, since it was due before. Of the beginning is left out, in this order:

    explicit      the seconds that the workload's `warmup` says, of each stage
    first-round   of a closed loop: one request of each caller, for they all ask at once and never do again
    mser-5        of an open loop: what waited while the run still filled, by White's rule on means of five, where a
                  stall counts as no more than twice the usual

never more than half of a stage. MSER-5 leaves out only what was *emptier* than the rest: a slow start (a cold cache, a
model that compiles) is the server's own and stays in, unless `warmup` says otherwise. Where what waits grows to the
end, no state is steady: then nothing is left out. In a ramp nothing is meant to be steady.

Source: White, Simulation 69 (1997), 323: the cut that makes the standard error of the rest least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from headway.bench.arrays import Bools, Floats
from headway.bench.facts import RunFacts, StageFacts
from headway.bench.growth import growth, waiting
from headway.bench.measures import Measured
from headway.bench.schema import Window

__all__ = ["counted", "mser5", "windows"]

BATCH = 5
FEWEST = 10
"""Batches that MSER-5 needs to say anything."""
ONE_REQUEST = 1.0
"""Variance that counts in any case: one request more or less is no other level, and no reason to cut."""
STALL = 2.0
"""Times the median of what waited, beyond which it says no more of where the run is full."""
GOES_ON = 0.75
ALONE = 0.99
"""How sure a window's growth must be: when the whole stage's growth is sure already, and by itself."""
RAMP = 0.1
"""Of a ramp's mean rate: what waits grows with the rate that asks; only growth beyond this is more."""


def windows(of: Measured, facts: RunFacts) -> list[Window]:
    """Of each stage, in their order."""
    stages = np.array([each.stage for each in of.records], np.int64)
    return [_window(of, stages == place, facts, stage) for place, stage in enumerate(facts.stages)]


def counted(of: Measured, windows: Sequence[Window]) -> list[Bools]:
    """By window: the requests that it counts. A request counts for its own stage only."""
    stages = np.array([each.stage for each in of.records], np.int64)
    return [
        (stages == place) & (of.due >= window.start) & (of.due < window.end) for place, window in enumerate(windows)
    ]


def _window(of: Measured, mine: Bools, facts: RunFacts, stage: StageFacts) -> Window:
    due = np.sort(of.due[mine])
    end = _end(due, facts, stage)
    whole = Window(stage.name, stage.start, stage.start, end, "none", stage.rate, stage.concurrency)
    window = _begun(of, due, facts.warmup, stage, whole)
    if stage.concurrency is not None:
        return window
    return _with_growth(of, whole, window, RAMP * (stage.rate or 0.0) if stage.ramp else 0.0)


def _begun(of: Measured, due: Floats, warmup: float | None, stage: StageFacts, whole: Window) -> Window:
    """The window without its warm-up."""
    start, rule = whole.start, "none"
    if warmup is not None:
        start, rule = whole.start + warmup, "explicit"
    elif stage.concurrency is not None:
        if len(due) >= 2 * stage.concurrency:
            start, rule = float(due[stage.concurrency]), "first-round"
    elif not stage.ramp and (cut := _emptier(of, due)):
        start, rule = float(due[cut]), "mser-5"
    start = min(start, (whole.begun + whole.end) / 2)
    return replace(whole, start=start, rule=rule) if start > whole.begun else whole


def _with_growth(of: Measured, whole: Window, window: Window, at_least: float) -> Window:
    """What is left out as warm-up may be the beginning of an overload. So if the whole stage grows and takes longer and
    longer, and what is left of it goes on so, nothing is left out."""
    if window.rule != "mser-5":
        return replace(window, growth=growth(of, window.start, window.end, at_least))
    stages = (growth(of, whole.start, whole.end, at_least), growth(of, window.start, window.end, at_least, GOES_ON))
    if all(each is not None and each.growing and each.slower for each in stages):
        return replace(whole, growth=stages[0])
    return replace(window, growth=growth(of, window.start, window.end, at_least, ALONE))


def _end(due: Floats, facts: RunFacts, stage: StageFacts) -> float:
    """When a stage's arrivals ended. Of so many requests the last may be due after the time they take on average."""
    if facts.stopped is not None:
        return max(stage.start, min(stage.end, facts.stopped))
    last = math.nextafter(float(due[-1]), math.inf) if len(due) else stage.start
    return max(stage.end, last) if math.isfinite(stage.end) else last


def _emptier(of: Measured, due: Floats) -> int:
    """How many of the stage's first requests came while it still filled."""
    if len(due) < BATCH * FEWEST:
        return 0
    levels = waiting(np.sort(of.due), np.sort(of.ended), due)
    cut = mser5(np.minimum(levels, STALL * np.median(levels) + 1))
    return cut if cut and levels[:cut].mean() < levels[cut:].mean() else 0


def mser5(row: Floats) -> int:
    """How many of the row's first samples to leave out: whole batches of five, at most half of them."""
    batches = len(row) // BATCH
    means = row[: batches * BATCH].reshape(batches, BATCH).mean(axis=1)
    left = np.arange(batches, 0, -1)
    sums, squares = np.cumsum(means[::-1])[::-1], np.cumsum((means**2)[::-1])[::-1]
    errors = np.maximum(squares - sums**2 / left, 0.0) / left**2 + ONE_REQUEST / left
    return BATCH * int(np.argmin(errors[: batches // 2 + 1]))
