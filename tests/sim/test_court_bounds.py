"""Bounds and plan: each against what it must be, found another way."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.sim.court.bounds.ask import Ask, Asks
from headway.sim.court.bounds.clairvoyant import clairvoyant, need
from headway.sim.court.bounds.deadline import deadline_bound
from headway.sim.court.bounds.levels import levels
from headway.sim.court.bounds.smoothest import smoothest
from headway.sim.court.bounds.work import work_bound

works = st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=40)


@given(works, st.integers(0, 6))
def test_the_string_is_in_time_and_never_early(released: list[float], delay: int) -> None:
    done = smoothest(released, delay)
    there, served = list(itertools.accumulate(released)), list(itertools.accumulate(done))
    assert len(done) == len(released)
    for slot, total in enumerate(served):
        assert total <= there[slot] + 1e-6
        assert total >= (there[slot - delay] if slot >= delay else 0.0) - 1e-6
    assert served[-1] == pytest.approx(there[-1], abs=1e-6)


@given(works, st.integers(0, 6))
def test_no_other_way_has_a_lower_peak(released: list[float], delay: int) -> None:
    """The peak of any way is at least the densest interval of what comes and is due in it."""
    densest = 0.0
    for begin in range(len(released)):
        for end in range(begin, len(released)):
            last = len(released) if end == len(released) - 1 else end - delay + 1
            densest = max(densest, sum(released[begin : max(begin, last)]) / (end - begin + 1))
    assert max(smoothest(released, delay)) == pytest.approx(densest, abs=1e-6)


def cheapest(need: list[int], cold: int, ready: int) -> int:
    """By trying all plans: replicas that are ready by slot, a start paid with `cold` slots."""
    states = {ready: 0}
    for wanted in need:
        found: dict[int, int] = {}
        for before, cost in states.items():
            for now in range(wanted, max(need) + 1):
                total = cost + now + max(0, now - before) * cold
                found[now] = min(total, found.get(now, total))
        states = found
    return min(states.values())


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.integers(0, 4), st.integers(0, 3))
def test_levels_are_the_cheapest_of_all_plans(need: list[int], cold: int, ready: int) -> None:
    plan = levels(need, 1.0, float(cold), ready)
    assert plan.replica_seconds == cheapest(need, cold, ready)
    assert all(have >= wanted for have, wanted in zip(plan.replicas, need, strict=True))


def test_a_gap_is_bridged_when_a_start_costs_more() -> None:
    need = [1] * 10 + [0] * 30 + [1] * 10
    assert levels(need, 1.0, 40.0, ready=1).starts == 0
    assert levels(need, 1.0, 20.0, ready=1).starts == 1
    assert levels(need, 1.0, 20.0, ready=1).replica_seconds == 40


def test_the_last_prompts_have_their_patience_too() -> None:
    """Ten replica-seconds that come in the last second of a minute and may wait for ten need no more than one."""
    asks = Asks([Ask(59.0, 10.0, 0.0, 0.0)], 60.0, 10.0)
    assert max(need(asks)) <= 1.0
    assert asks.slots == 70


def day(burst: float = 40.0) -> Asks:
    """An even load of four replicas, and a burst in the middle."""
    even = [Ask(at / 2, 1.0, 1.0, 5.0) for at in range(1200)]
    return Asks([*even, *(Ask(300.0 + at / 20, burst / 20, 0.0, 0.0) for at in range(20))], 600.0, 2.0)


def test_every_bound_is_below_the_plan_and_the_plan_below_its_peak() -> None:
    asks = day()
    plan = clairvoyant(asks, 60.0, ready=4)
    bound = deadline_bound(asks, 60.0, ready=4)
    assert bound.replica_seconds is not None, bound.why
    assert work_bound(asks) - 1e-6 <= bound.replica_seconds <= plan.replica_seconds + 1e-6
    assert plan.replica_seconds <= plan.peak * 600 + 60 * plan.peak
    assert plan.peak == math.ceil(max(need(asks)) - 1e-9)


def test_one_request_in_a_hundred_may_be_late_and_that_is_the_burst() -> None:
    asks = day()
    all_of_them = clairvoyant(asks, 60.0, ready=4)
    most = clairvoyant(asks, 60.0, ready=4, attained=0.98)
    assert most.peak < all_of_them.peak
    assert work_bound(asks) <= most.replica_seconds < all_of_them.replica_seconds
    assert clairvoyant(asks, 60.0, ready=4, attained=0.9).replica_seconds <= most.replica_seconds


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.floats(0, 119), st.floats(0.01, 5), st.floats(0, 20)), min_size=1, max_size=40),
    st.integers(0, 3),
    st.sampled_from([5.0, 30.0]),
)
def test_the_linear_program_never_passes_the_plan(
    found: list[tuple[float, float, float]], ready: int, cold: float
) -> None:
    asks = Asks([Ask(at, work, work, lasts) for at, work, lasts in found], 120.0, 3.0)
    for attained in (1.0, 0.9):  # what is late is served too, and only in the room that is there
        plan = clairvoyant(asks, cold, ready=ready, attained=attained)
        bound = deadline_bound(asks, cold, ready=ready, attained=attained)
        assert bound.replica_seconds is not None
        assert bound.replica_seconds <= plan.replica_seconds + 1e-4
