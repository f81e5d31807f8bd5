"""The fixed pace, its line and its clock under a clock of the test's: every token at its very time, whoever else is
there, and a stall moves them by as much as it took."""

from __future__ import annotations

import math
from collections import deque

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headway.engines.mock_clock import Clock
from headway.engines.mock_fixed import FixedPace
from headway.engines.mock_script import Script, parse
from headway.engines.mock_sequence import Sequence
from headway.engines.mock_text import BadRequest
from tests.support.mock_engine import profile, sequence

times = st.lists(st.floats(0, 50), min_size=1, max_size=12).map(sorted)


def play(pace: FixedPace, came: list[float], made: list[Sequence], late: float = 0.0) -> list[list[float]]:
    """When each was told its tokens; each is submitted when it came, and every step is so late."""
    told: dict[Sequence, list[float]] = {each: [] for each in made}
    coming = deque(zip(came, made, strict=True))
    now, due = 0.0, math.inf
    while coming or due < math.inf:
        now = max(now, min(due + late, coming[0][0] if coming else math.inf))
        while coming and coming[0][0] <= now:
            at, one = coming.popleft()
            pace.submit(one, at)
        step = pace.step(now)
        due = math.inf if step.seconds is None else now + step.seconds
        for each in step.produced:
            told[each].append(now)
    return list(told.values())


@given(came=times, ttft=st.floats(0, 3), itl=st.floats(0, 1), tokens=st.integers(1, 9))
def test_each_token_comes_at_its_time(came: list[float], ttft: float, itl: float, tokens: int) -> None:
    made = [sequence(20, tokens, "abcdefghijkl"[index]) for index in range(len(came))]
    told = play(FixedPace(profile(), ttft, itl), came, made)
    for start, seen in zip(came, told, strict=True):
        assert seen == pytest.approx([start + ttft + index * itl for index in range(tokens)])


def test_a_late_step_delays_no_later_token() -> None:
    """Steps that are 0.3 s late tell all tokens 0.3 s late at most, the hundredth like the first."""
    (told,) = play(FixedPace(profile(), 1.0, 0.5), [0.0], [one := sequence(20, 100)], late=0.3)
    assert one.first == 1.0
    assert max(seen - (1.0 + index * 0.5) for index, seen in enumerate(told)) <= 0.3 + 1e-9


def test_a_request_has_times_of_its_own() -> None:
    own, usual = sequence(20, 3, "a", ttft=0.25, itl=0.125), sequence(20, 3, "b", itl=0.0)
    assert play(FixedPace(profile(), 1.0, 0.5), [0.0, 0.0], [own, usual]) == [[0.25, 0.375, 0.5], [1.0, 1.0, 1.0]]


@given(came=times, capacity=st.floats(0.1, 50))
def test_the_line_is_first_come_first_served(came: list[float], capacity: float) -> None:
    """Lindley: each is let in 1 / capacity after the one before, or when it comes if that is later."""
    made = [sequence(20, 1, "abcdefghijkl"[index]) for index in range(len(came))]
    play(FixedPace(profile(), 0.5, 0.0, capacity), came, made)
    let_in = -math.inf
    for start, one in zip(came, made, strict=True):
        let_in = max(start, let_in + 1 / capacity)
        assert one.started == pytest.approx(let_in)
        assert one.first == pytest.approx(let_in + 0.5)


def test_who_leaves_the_line_is_not_waited_for() -> None:
    pace = FixedPace(profile(), 0.0, 0.0, 1.0)
    first, gone, last = (sequence(20, 1, name) for name in "abc")
    for each in (first, gone, last):
        pace.submit(each, 0.0)
    assert pace.step(0.0).produced == (first,)
    assert (pace.running, pace.waiting) == (0, 2)
    pace.cancel(gone)
    assert pace.step(1.0).produced == (last,)
    assert (pace.running, pace.waiting, pace.cache.used) == (0, 0, 0)


@given(scale=st.floats(0.1, 100), begin=st.floats(0, 10), length=st.floats(0.1, 10), ours=st.floats(100, 200))
def test_a_stall_stops_the_clock(scale: float, begin: float, length: float, ours: float) -> None:
    clock = Clock(scale, 100.0, (begin, begin + length))
    clock.first_request(120.0)
    clock.first_request(150.0)  # is not the first
    until = clock.stalled_until(ours)
    assert (until is not None) == (120 + begin <= ours < 120 + begin + length)
    assume(abs(ours - 120 - begin) > 1e-6)
    assume(abs(ours - 120 - begin - length) > 1e-6)
    if until is None:
        assert clock.ours(clock.engine(ours)) == pytest.approx(ours)
    else:
        assert until == pytest.approx(120 + begin + length)
        assert clock.engine(ours) == pytest.approx((20 + begin) * scale)
    assert clock.engine(ours + 1) >= clock.engine(ours)


def test_what_is_due_in_a_stall_is_due_as_much_later() -> None:
    clock = Clock(2.0, 0.0, (1.0, 4.0))
    assert clock.ours(6.0) == 3.0  # no request yet, no stall
    clock.first_request(0.0)
    assert [clock.ours(engine) for engine in (1.0, 2.0, 6.0)] == [0.5, 4.0, 6.0]
    assert clock.engine(2.5) == 2.0


def test_a_script_says_what_it_says_and_is_laid_over_another() -> None:
    said = parse("ttft=50ms itl=0s chunk=4 first=empty usage=continuous keep-alive=20ms tokens=-5")
    assert said == Script(0.05, 0.0, 4, empty_first=True, usage="continuous", keep_alive=0.02, tokens=-5)
    assert parse("itl=1s first=token", said) == Script(
        0.05, 1.0, 4, empty_first=False, usage="continuous", keep_alive=0.02, tokens=-5
    )
    assert parse("split=tcp").split == "tcp"
    assert not parse("").paced


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ttfb=1s", "'ttfb'; use some of ttft, itl"),
        ("ttft=50", "ttft: found '50'; write a duration like 50ms"),
        ("chunk=0", "chunk: found '0'"),
        ("first=full", "first: found 'full'; write empty or token"),
        ("usage", "usage: found ''; write none, last or continuous"),
        ("keep-alive=0s", "keep-alive: found '0s'"),
        ("split=udp", "split: found 'udp'; write utf8 or tcp"),
        ("tokens=5", r"tokens: found '5'; write how many more or fewer, like \+5 or -5"),
        ("split=tcp keep-alive=5ms", "leave keep-alive out"),
    ],
)
def test_a_script_that_is_none_names_the_word(text: str, named: str) -> None:
    with pytest.raises(BadRequest, match=named):
        parse(text)
