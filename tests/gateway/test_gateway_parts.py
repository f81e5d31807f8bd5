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
from headway.gateway.reader import Bodies, RequestReader
from headway.gateway.record import Record
from headway.gateway.request import Request
from headway.gateway.settings import Settings
from headway.gateway.tally import Tally
from headway.gateway.timers import Timed, Wheel
from headway.wire.openai import Refusal
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


@pytest.mark.parametrize("first", [0, 1, 262_000])
def test_equal_bodies_on_one_connection_come_in_equal_reads(first: int) -> None:
    """Each in two reads of the same sizes: what the second one begins with is its own, not the first one's again."""
    reader = RequestReader(Settings(), Bodies(10**9), lambda: 0.0)
    body = b"x" * 400_000
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
    for _ in range(3):
        reader.feed(head + body[:first])
        reader.feed(body[first:])
        assert not reader.stopped
        request = reader.ready.popleft()
        assert isinstance(request, Request)
        assert (request.size, b"".join(request.parts)) == (len(body), body)
        reader.release(request.size)


def test_the_end_of_one_body_and_the_next_head_in_one_read() -> None:
    reader = RequestReader(Settings(), Bodies(10**9), lambda: 0.0)
    body = b"x" * 200_000
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
    reader.feed(head)
    reader.feed(body + head)
    reader.feed(body)
    assert [isinstance(each, Request) for each in reader.ready] == [True, True]


def test_chunk_extensions_do_not_go_on_for_ever() -> None:
    reader = RequestReader(Settings(), Bodies(10**9), lambda: 0.0)
    reader.feed(b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n1;")
    for _ in range(40):
        reader.feed(b"a=" + b"b" * 8_192 + b";")
    assert reader.stopped
    (refusal,) = reader.ready
    assert isinstance(refusal, Refusal)
    assert "no content" in refusal.message
