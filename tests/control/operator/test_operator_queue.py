"""Objects that wait for a pass."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from headway.control.operator.queue import Backoff, Queue


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def queue(clock: Clock) -> Queue[str]:
    return Queue(Backoff(first=1.0, factor=2.0, longest=8.0, spread=0.0), clock=clock)


async def test_each_is_in_the_line_once() -> None:
    waiting = queue(Clock())
    for _ in range(3):
        waiting.add("chat")
    assert len(waiting) == 1
    assert await waiting.take() == "chat"
    assert len(waiting) == 0


async def test_what_changes_in_its_pass_comes_again_after_it() -> None:
    waiting = queue(Clock())
    waiting.add("chat")
    await waiting.take()
    waiting.add("chat")
    again = asyncio.create_task(waiting.take())
    waiting.add("other")
    assert await again == "other"
    waiting.done("chat")
    assert await waiting.take() == "chat"


async def test_the_earlier_of_two_wishes_counts() -> None:
    clock = Clock()
    waiting = queue(clock)
    waiting.add("chat", 600.0)
    waiting.add("chat", 1.0)
    waiting.add("other", 5.0)
    clock.now = 1.0
    assert await waiting.take() == "chat"
    clock.now = 700.0
    assert await waiting.take() == "other"
    assert len(waiting) == 0


async def test_failures_wait_longer_and_one_success_forgets_them() -> None:
    waiting = queue(Clock())
    assert [waiting.failed("chat") for _ in range(5)] == [1.0, 2.0, 4.0, 8.0, 8.0]
    assert waiting.failing == 1
    waiting.succeeded("chat")
    assert waiting.failing == 0
    assert waiting.failed("chat") == 1.0


async def test_one_that_fails_does_not_hold_up_the_others() -> None:
    waiting = queue(Clock())
    waiting.failed("sick")
    waiting.add("well")
    assert await waiting.take() == "well"


async def test_the_line_is_as_long_as_there_are_objects() -> None:
    clock = Clock()
    waiting = queue(clock)
    for number in range(10_000):
        waiting.add("chat", 600.0)
        waiting.add("chat", 0.0)
        assert await waiting.take() == "chat"
        waiting.done("chat")
        clock.now = float(number)
    assert len(waiting) <= 1
    assert len(waiting._heap) < 200


@given(failures=st.integers(1, 10_000), draw=st.floats(0, 1))
def test_no_wait_is_longer_than_the_longest(failures: int, draw: float) -> None:
    said = Backoff()
    assert said.first * (1 - said.spread) <= said.after(failures, draw) <= said.longest
