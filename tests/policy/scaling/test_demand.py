"""Headway's scaling policy: what it promises whatever comes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.policy.decision import Action, Reason
from headway.policy.scaling.demand import Demand
from headway.policy.scaling.observation import WINDOWS, Backlog, Capacity, Observation, Rate, Starting, Window
from headway.policy.scaling.scaler import Memory
from tests.support.fluid import CAPACITY, Came, Fluid

OURS = Demand()
NEW = Memory()


def seen(ready: int = 1, rate: float = 0.0, *, starting: tuple[Starting, ...] = (), **more: object) -> Observation:
    """`rate`: replicas that are kept busy, half by prompts and half by answers, four requests a second each."""
    windows = tuple(
        Window(each, 4 * rate * each, rate * each * CAPACITY.prefill / 2, rate * each * CAPACITY.decode / 2)
        for each in WINDOWS
    )
    busy = {"running": math.ceil(rate * 8)} if rate else {}
    return Observation("chat", ready, starting, windows, CAPACITY, **{"high": 64, **busy, **more})  # type: ignore[arg-type]


def target(observation: Observation, memory: Memory = NEW, now: float = 1000.0) -> int:
    return OURS.decide(observation, memory, now).target


def test_up_at_once_to_what_the_tokens_need() -> None:
    found = OURS.decide(seen(2, 6.0), Memory(), 0.0)
    # 6 busy, and the backlog that 4 too few leave after one cold start, over 0.8.
    assert found.target == math.ceil((6 + 4) / 0.8)
    assert (found.decision.action, found.decision.reason) == (Action.START, Reason.BACKLOG)
    assert found.decision.numbers["demand"] == 6.0


def test_who_may_wait_as_long_as_a_start_takes_needs_less_room() -> None:
    plan = [OURS.planned(seen(2, 6.0, ttft=ttft)) for ttft in (None, 12.0, 60.0, 120.0, 600.0)]
    assert plan == pytest.approx([0.8, 0.82, 0.9, 0.95, 0.95])
    assert OURS.planned(seen(2, 6.0, ttft=12.0, cold_start=12.0)) == pytest.approx(0.95)


def test_a_first_glimpse_orders_less_than_five_minutes_do() -> None:
    """Ten requests in ten seconds say little of what will come."""
    whole = seen(4, 3.9)
    windows = tuple(replace(each, seconds=min(each.seconds, 3.0)) for each in whole.windows)
    young = tuple(replace(each, requests=12.0, prompt=3.9 * 10 * CAPACITY.prefill, output=0.0) for each in windows)
    assert OURS.decide(whole, NEW, 0.0).target == 5
    assert OURS.decide(replace(whole, windows=young), NEW, 0.0).target == 4


def test_what_starts_counts_and_nobody_orders_twice() -> None:
    first = target(seen(2, 6.0))
    starting = tuple(Starting(1.0, 119.0) for _ in range(first - 2))
    assert target(seen(2, 6.0, starting=starting)) <= first


def test_a_start_that_takes_far_too_long_is_replaced_and_said() -> None:
    stuck = tuple(Starting(1e4, 0.0) for _ in range(3))
    found = OURS.decide(seen(8, 8.0, starting=stuck), Memory(), 0.0)
    assert found.target == 3 + 10
    assert found.decision.reason is Reason.START_OVERDUE


def test_a_backlog_that_is_gone_before_help_comes_needs_none() -> None:
    waits = Backlog(10, prompt=10 * CAPACITY.prefill)  # ten replica-seconds
    assert target(seen(4, 2.0, waiting=waits), Memory(((0.0, 4),)), 1e4) == target(
        seen(4, 2.0), Memory(((0.0, 4),)), 1e4
    )


def test_down_waits_for_the_peak_of_the_last_minutes() -> None:
    memory = OURS.decide(seen(8, 6.0), Memory(), 0.0).memory
    held = OURS.decide(seen(8, 1.0), memory, 299.0)
    assert (held.target, held.decision.reason) == (8, Reason.RECENT_PEAK)
    assert OURS.decide(seen(8, 1.0), memory, 301.0).target == 2


def test_one_leaves_only_if_the_others_bear_its_share_with_room_to_spare() -> None:
    long_ago = Memory(((0.0, 1),))
    tight = OURS.decide(seen(5, 3.15), long_ago, 1e4)  # 3.94 of 4: four would do, but barely
    assert (tight.target, tight.decision.reason) == (5, Reason.SURVIVORS_WOULD_NOT_FIT)
    assert target(seen(5, 3.0), long_ago, 1e4) == 4


def test_a_scaler_that_remembers_nothing_keeps_what_is_there() -> None:
    assert target(seen(9, 0.0, low=0, idle=10.0, idle_after=600.0)) == 9


def test_zero_after_idle_and_one_for_the_first_request() -> None:
    idle = seen(3, 0.0, low=0, idle=600.0, idle_after=600.0)
    assert OURS.decide(idle, Memory(), 0.0).decision.reason is Reason.IDLE
    assert target(idle) == 0
    assert target(replace(idle, low=1)) == 3  # as long as for a peak
    woken = OURS.decide(seen(0, 0.0, low=0, waiting=Backlog(1, 10.0, 10.0)), Memory(), 0.0)
    assert (woken.target, woken.decision.reason) == (1, Reason.WOKEN)
    assert target(seen(0, 0.0, low=0, idle_after=None)) == 0


def test_an_slo_that_no_number_keeps_is_said_and_not_chased() -> None:
    slow = Capacity(8000.0, 1500.0, 32.0, first=3.0)
    plain = OURS.decide(seen(4, 3.0, ttft=2.0), Memory(), 0.0)
    found = OURS.decide(replace(seen(4, 3.0, ttft=2.0), capacity=slow), Memory(), 0.0)
    assert found.decision.reason is Reason.SLO_INFEASIBLE
    assert "3 s" in found.decision.message
    assert found.target == plain.target


def test_forecast_and_floor_are_floors() -> None:
    soon = Rate(8 * CAPACITY.prefill / 2, 8 * CAPACITY.decode / 2)
    found = OURS.decide(seen(1, 0.5, forecast=soon), Memory(), 0.0)
    assert (found.target, found.decision.reason) == (10, Reason.FORECAST)
    assert target(seen(1, 9.0, forecast=Rate(0.0, 0.0))) == target(seen(1, 9.0))
    floored = OURS.decide(seen(1, 0.5, floor=3), Memory(), 0.0)
    assert (floored.target, floored.decision.reason) == (3, Reason.SCHEDULED_FLOOR)


def test_full_engines_that_queue_get_one_more() -> None:
    full = seen(2, 0.5, kv=0.99, pending=Backlog(50, prompt=5 * CAPACITY.prefill))
    found = OURS.decide(full, Memory(), 0.0)
    assert (found.target, found.decision.reason) == (3, Reason.ENGINES_FULL)


def test_budget_and_bounds_are_said() -> None:
    assert OURS.decide(seen(2, 9.0, high=4), Memory(), 0.0).decision.reason is Reason.AT_ITS_MOST
    poor = OURS.decide(seen(2, 9.0, budget=0.3, price=0.1), Memory(), 0.0)
    assert (poor.target, poor.decision.reason) == (3, Reason.OVER_BUDGET)
    leaving = seen(2, 9.0, budget=0.3, price=0.1, draining=1)
    assert target(leaving) == 2


counts = st.integers(0, 40)
rates = st.floats(0, 30, allow_nan=False)
etas = st.lists(st.builds(Starting, st.floats(0, 500), st.floats(0, 200)), max_size=8).map(tuple)
memories = st.builds(Memory, st.lists(st.tuples(st.floats(0, 1000), counts), max_size=4).map(tuple))


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    low = draw(st.integers(0, 5))
    waiting = Backlog(draw(counts), draw(st.floats(0, 1e6)), draw(st.floats(0, 1e5)))
    return seen(
        draw(counts),
        draw(rates),
        starting=draw(etas),
        low=low,
        high=draw(st.integers(max(low, 1), 50)),
        floor=draw(st.integers(0, 5)),
        waiting=waiting,
        budget=draw(st.none() | st.floats(0, 50)),
        price=draw(st.none() | st.floats(0.5, 3)),
        draining=draw(st.integers(0, 3)),
        idle=draw(st.floats(0, 1000)),
        idle_after=draw(st.none() | st.floats(1, 900)),
        kv=draw(st.floats(0, 1)),
    )


@given(observations(), memories)
def test_never_outside_bounds_or_budget_and_always_the_same(observation: Observation, memory: Memory) -> None:
    found = OURS.decide(observation, memory, 1000.0)
    assert found == OURS.decide(observation, memory, 1000.0)
    assert found.target <= observation.high
    if observation.budget is None or not observation.price:
        assert found.target >= min(max(observation.low, observation.floor), observation.high)
    else:
        assert found.target * observation.price <= observation.budget + 1e-6
        if found.target > observation.present:
            assert (found.target + observation.draining) * observation.price <= observation.budget + 1e-6
    if observation.waiting.requests and (not observation.price or observation.budget is None):
        assert found.target >= 1


@given(observations(), rates, st.floats(1, 4))
def test_more_load_never_asks_for_less(observation: Observation, rate: float, more: float) -> None:
    less, most = seen(1, rate).windows, seen(1, rate * more).windows
    one = OURS.decide(replace(observation, windows=less, running=1), Memory(), 0.0).target
    other = OURS.decide(replace(observation, windows=most, running=1), Memory(), 0.0).target
    assert other >= one


def even(busy: float, seconds: int) -> list[Came]:
    """Requests of one twentieth of a replica-second, evenly."""
    each = 0.05
    count = round(busy * seconds / each)
    prompt, output = each / 2 * CAPACITY.prefill, each / 2 * CAPACITY.decode
    return [Came(number * seconds / max(count, 1), prompt, output) for number in range(count)]


@settings(deadline=None, max_examples=25)
@given(st.floats(0.05, 12.0), st.sampled_from([10.0, 120.0, 400.0]), st.integers(1, 16))
def test_no_oscillation_under_a_constant_load(busy: float, cold: float, ready: int) -> None:
    """Once the first minutes are over, nothing changes any more."""
    settled = int(2 * max(300, cold) + 2 * cold)
    played = Fluid(OURS, ready=ready, cold=cold).play(even(busy, settled + 600), settled + 600)
    assert len(set(played.present[settled:])) == 1
    assert played.present[-1] * OURS.utilisation >= busy * 0.95


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 3), st.integers(1, 12))
def test_it_ends_at_the_least_when_nothing_comes(low: int, ready: int) -> None:
    played = Fluid(OURS, low=low, ready=max(ready, low), idle_after=120.0).play([], 700)
    assert played.present[-1] == low


def test_a_step_is_met_without_a_cascade() -> None:
    """As many are ordered as are needed, not more with each pass while they load."""
    requests = even(2.0, 600) + [replace(each, at=each.at + 600) for each in even(8.0, 1200)]
    played = Fluid(OURS, ready=4).play(requests, 1800)
    assert max(played.present) <= math.ceil(2 * 8.0 / OURS.utilisation)
    assert played.ready[-1] == pytest.approx(8 / OURS.utilisation, abs=1.1)


def test_the_first_request_wakes_one_at_once_and_idle_ends_it() -> None:
    played = Fluid(OURS, low=0, ready=0, idle_after=300.0).play([Came(50.5, 100.0, 50.0)], 900)
    assert played.present[49] == 0
    assert played.present[50] == 1
    assert max(played.present) == 1
    assert played.present[-1] == 0
    assert len(played.waits) == 1
