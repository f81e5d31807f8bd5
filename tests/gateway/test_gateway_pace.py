"""The time between two tokens of a stream: every gap counted, none invented, whatever came together."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.gateway.pace import ITL_BOUNDS, Pace
from tests.gateway.conftest import Start
from tests.support.gateway import (
    DONE,
    STREAM_HEAD,
    Asked,
    Peer,
    chunked,
    endpoint,
    event,
    eventually,
    gateway_here,
    route,
)

READS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4000)), min_size=1, max_size=50)


@given(st.integers(1, 5), READS)
def test_each_event_but_the_first_is_counted_once_and_the_sum_is_the_streams_length(
    first: int, reads: list[tuple[int, int]]
) -> None:
    pace, now = Pace(), 7.0
    pace.events = first
    pace.begin(now)
    last = now
    for events, milliseconds in reads:
        now += milliseconds / 1000
        pace.events += events
        pace.heard(now)
        last = now if events else last
    assert sum(pace.counts) == pace.events - 1
    assert pace.seconds == pytest.approx(last - 7.0)


@given(st.floats(0, 10, exclude_min=True))
def test_a_gap_is_sorted_as_its_bounds_say(gap: float) -> None:
    if any(abs(gap - bound) < 1e-6 for bound in ITL_BOUNDS):
        return  # either is right
    pace = Pace()
    pace.events = 1
    pace.begin(0.0)
    pace.events = 2
    pace.heard(gap)
    assert pace.counts[bisect_left(ITL_BOUNDS, gap)] == 1


def test_a_stall_shows_among_many_quick_tokens() -> None:
    pace = Pace()
    pace.events = 1
    pace.begin(0.0)
    times = [0.02 * n + (2.0 if n > 50 else 0.0) for n in range(1, 100)]
    for now in times:
        pace.events += 1
        pace.heard(now)
    slow = sum(pace.counts[bisect_left(ITL_BOUNDS, 1.5) :])
    assert slow == sum(after - before > 1 for before, after in pairwise(times)) == 1
    assert sum(pace.counts) == 99


def test_the_buckets_are_those_of_the_bounds() -> None:
    assert [round(bound * 400, 9) % 1 for bound in ITL_BOUNDS] == [0] * len(ITL_BOUNDS)


async def test_the_end_of_a_stream_is_no_token(tmp_path: Path, engine: Start) -> None:
    async def script(asked: Asked, peer: Peer) -> None:
        await peer.send(STREAM_HEAD + chunked(event("a")))
        await peer.engine.gate.wait()
        await peer.send(chunked(event("b")))
        await peer.send(chunked(DONE) + b"0\r\n\r\n")

    one = await engine(script)
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        asking = asyncio.create_task(here.ask(stream=True))
        await eventually(lambda: one.asked)
        one.gate.set()
        assert (await asking).events[-1] == "[DONE]"
        (series,) = here.worker.gateway.tally.series.values()
        assert sum(series.itl.counts) == 1
        assert 0 < series.itl.total <= here.last.duration
        assert sum(series.tpot.counts) == 1
