"""The gateway's parts alone: the wheel of deadlines, the journal, counts."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.gateway.compiled import COMPILED
from headway.gateway.counts import TTFT_BOUNDS, Histogram
from headway.gateway.journal import Journal
from headway.gateway.record import Record
from headway.gateway.tally import Tally
from headway.gateway.timers import Timed, Wheel
from tests.support.gateway import eventually


class Clock(Timed):
    def __init__(self) -> None:
        super().__init__()
        self.rang: list[float] = []

    def on_due(self, now: float) -> None:
        self.rang.append(now)


@pytest.mark.skipif(COMPILED, reason="nothing of Python's can stand below a compiled class")
async def test_the_wheel_rings_once_not_early_and_not_when_cancelled() -> None:
    loop = asyncio.get_running_loop()
    wheel, now = Wheel(loop, 0.02), loop.time()
    clocks = [Clock() for _ in range(5)]
    soon, later, earlier, cancelled, never = clocks
    wheel.set(soon, now + 0.05)
    wheel.set(later, now + 0.05)
    wheel.set(later, now + 0.15)  # moved away: stays in its slot until that comes
    wheel.set(earlier, now + 60)
    wheel.set(earlier, now + 0.05)
    wheel.set(cancelled, now + 0.05)
    wheel.cancel(cancelled)
    wheel.set(never, math.inf)
    await eventually(lambda: later.rang)
    assert [len(clock.rang) for clock in clocks] == [1, 1, 1, 0, 0]
    assert soon.rang[0] >= now + 0.049
    assert later.rang[0] >= now + 0.149
    assert len(wheel) == 0
    wheel.set(soon, now - 5)  # already due
    await eventually(lambda: len(soon.rang) == 2)


@pytest.mark.skipif(COMPILED, reason="nothing of Python's can stand below a compiled class")
async def test_a_deadline_that_moves_later_holds_one_place() -> None:
    loop = asyncio.get_running_loop()
    wheel, clock = Wheel(loop, 0.1), Clock()
    for n in range(1000):
        wheel.set(clock, loop.time() + 10 + n)
    assert len(wheel) == 1
    wheel.stop()
    wheel.cancel(clock)


def record(**more: object) -> Record:
    return Record(seq=0, id="x", at=0.0, path="/", **more)  # type: ignore[arg-type]


def test_the_journal_says_what_was_lost() -> None:
    journal = Journal(3)
    assert (journal.since(0).records, journal.since(0).next, journal.since(0).lost) == ([], 0, 0)
    for _ in range(5):
        journal.add(record())
    for since, seqs, lost in (
        (0, [3, 4, 5], 2),
        (2, [3, 4, 5], 0),
        (4, [5], 0),
        (5, [], 0),
        (99, [3, 4, 5], 2),
    ):
        told = journal.since(since)
        assert ([r.seq for r in told.records], told.lost, told.next) == (seqs, lost, 5)


@given(values=st.lists(st.floats(0, 100)))
def test_a_histogram_counts_each_value_in_its_bucket(values: list[float]) -> None:
    histogram = Histogram(TTFT_BOUNDS, [0] * (len(TTFT_BOUNDS) + 1))
    for value in values:
        histogram.observe(value)
    below = [sum(value <= bound for value in values) for bound in TTFT_BOUNDS]
    assert [sum(histogram.counts[: n + 1]) for n in range(len(TTFT_BOUNDS))] == below
    assert sum(histogram.counts) == len(values)


def test_labels_are_bounded() -> None:
    tally = Tally()
    for n in range(1500):
        tally.begin()
        tally.end(record(model=f"m{n}", status=200), "chat", known=True)
        tally.lost(f"unreachable: [Errno {n}]")
        tally.lost(f"strange {n}")
    assert len({model for model, _ in tally.series}) <= 1001
    assert tally.series["other", "chat"].statuses[200] == 500
    assert dict(tally.lost_by_reason) == {"unreachable": 1500, "other": 1500}
    tally.begin()
    tally.end(record(model="../etc", status=404), "chat", known=False)
    assert ("", "chat") in tally.series
    assert (tally.running, tally.requests) == (0, 1501)
