"""The peers' policies do what their sources say, to the constant."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from headway.policy.scaling.demand import Demand
from headway.policy.scaling.fixed import Fixed
from headway.policy.scaling.forecast import DAY, HOUR, forecast
from headway.policy.scaling.group import decide
from headway.policy.scaling.hpa import Hpa
from headway.policy.scaling.keda import Keda
from headway.policy.scaling.kpa import Kpa
from headway.policy.scaling.measured import WARM, Mean, Room, Speeds, capacity, measured
from headway.policy.scaling.observation import WINDOWS, Backlog, Capacity, Observation, Rate, Starting, Window
from headway.policy.scaling.scaler import Memory

TEN = Capacity(1000.0, 100.0, 10.0)  # ten requests at once; a target of 0.7 is seven


def seen(ready: int, running: int = 0, concurrency: float = 0.0, **more: object) -> Observation:
    windows = tuple(Window(each, concurrency=concurrency) for each in WINDOWS)
    return Observation("chat", ready, windows=windows, capacity=TEN, running=running,
                       **{"starting": (), "high": 1000, **more})  # type: ignore[arg-type] # fmt: skip


STARTING = (Starting(1.0, 100.0),) * 2


def test_hpa_is_ceil_of_current_times_ratio() -> None:
    assert Hpa().decide(seen(4, 35), Memory(), 0.0).target == 5
    assert Hpa().decide(seen(4, 30), Memory(), 0.0).target == 4  # 7 % above: inside the tolerance
    assert Hpa().decide(seen(4, 35), Memory(), 0.0).decision.look_again == 15.0


def test_hpa_doubles_or_adds_four_at_the_most_in_a_period() -> None:
    assert Hpa().decide(seen(1, 1000), Memory(), 0.0).target == 5
    first = Hpa().decide(seen(10, 10_000), Memory(), 0.0)
    assert first.target == 20
    again = seen(10, 10_000, starting=(Starting(1.0, 100.0),) * 10)
    assert Hpa().decide(again, first.memory, 10.0).target == 20
    assert Hpa().decide(again, first.memory, 16.0).target > 20


def test_hpa_counts_pods_that_are_not_ready_as_idle_when_it_would_grow() -> None:
    assert Hpa().decide(seen(4, 40, starting=STARTING), Memory(), 0.0).target == 6  # 40 / 6 is under the target
    assert Hpa().decide(seen(4, 60, starting=STARTING), Memory(), 0.0).target == math.ceil(60 / 7)


def test_hpa_goes_down_after_five_minutes_and_never_to_zero() -> None:
    memory = Hpa().decide(seen(5, 35), Memory(), 0.0).memory
    down = Hpa().decide(seen(5, 7), memory, 200.0)
    assert down.target == 5
    assert Hpa().decide(seen(5, 0), down.memory, 501.0).target == 1


def test_keda_polls_wakes_and_cools_down() -> None:
    keda = Keda()
    asleep = keda.decide(seen(0, low=0), Memory(), 0.0)
    assert (asleep.target, asleep.decision.look_again) == (0, 30.0)
    assert keda.decide(seen(0, low=0, waiting=Backlog(3)), asleep.memory, 30.0).target == 1
    busy = keda.decide(seen(1, 20, low=0, waiting=Backlog(8)), Memory(), 100.0)
    assert busy.target == 4  # 28 requests, seven each
    assert keda.decide(seen(1, 0, low=0), busy.memory, 399.0).target >= 1
    assert keda.decide(seen(1, 0, low=0), busy.memory, 400.0).target == 0


def test_knative_averages_a_minute_and_panics_at_twice() -> None:
    assert Kpa().decide(seen(4, concurrency=35.0), Memory(), 0.0).target == 5
    assert Kpa().decide(seen(8, concurrency=7.0), Memory(), 0.0).target == 4  # at most halved
    panic = Kpa().decide(seen(2, concurrency=28.0), Memory(), 0.0)
    assert (panic.target, panic.memory.since) == (4, 0.0)
    kept = Kpa().decide(seen(4, concurrency=7.0), panic.memory, 59.0)
    assert kept.target == 4  # no way down in a panic
    assert Kpa().decide(seen(4, concurrency=7.0), kept.memory, 61.0).target == 2


def test_fixed_is_fixed() -> None:
    assert Fixed(7).decide(seen(1, 100), Memory(), 0.0).target == 7


@given(st.integers(0, 30), st.integers(0, 300), st.floats(0, 300), st.integers(0, 5), st.integers(1, 20), st.booleans())
def test_nobody_leaves_the_bounds(  # noqa: PLR0917
    ready: int, running: int, concurrency: float, low: int, more: int, waiting: bool
) -> None:
    observation = seen(ready, running, concurrency, low=low, high=low + more, waiting=Backlog(int(waiting)))
    for scaler in (Hpa(), Keda(), Kpa(), Fixed(9)):
        found = scaler.decide(observation, Memory(), 100.0)
        assert low <= found.target <= low + more
        assert found == scaler.decide(observation, Memory(), 100.0)


def test_the_forecast_is_the_same_hour_before() -> None:
    history = {10: Rate(100.0, 10.0), 34: Rate(300.0, 30.0), 57: Rate(1.0, 1.0)}
    assert forecast(history, 2 * DAY + 10 * HOUR, 120.0) == Rate(200.0, 20.0)
    assert forecast(history, 2 * DAY + 10 * HOUR - 60, 120.0) == Rate(200.0, 20.0)  # a cold start ahead
    assert forecast(history, 2 * DAY + 5 * HOUR, 120.0) is None
    assert forecast({10: Rate(9.0, 9.0)}, 7 * DAY + 10 * HOUR, 0.0) == Rate(9.0, 9.0)


def test_zero_is_for_all_phases_or_none() -> None:
    idle = seen(2, low=0, idle=900.0, idle_after=600.0)
    busy = seen(2, 3, low=0, idle_after=600.0)
    found = decide(Demand(), {"prefill": idle, "decode": busy}, {}, 0.0)
    assert (found["prefill"].target, found["decode"].target) == (1, 2)
    gone = decide(Demand(), {"prefill": idle, "decode": idle}, {}, 0.0)
    assert {each.target for each in gone.values()} == {0}


def test_capacity_inside_the_slo_by_the_lines() -> None:
    lines, mean = Speeds(0.05, 1e-4, 0.02, 1e-4, 1e-8), Mean(1000.0, 200.0, 1000.0, 8000.0)
    free = capacity(lines, mean, Room(128.0, 1e6))
    assert free.sequences == 128
    assert free.prefill == 1e4
    assert free.first == 0.05 + 0.8
    tight = capacity(lines, mean, Room(128.0, 1e6, itl=0.05))
    # By Little's law the tokens of a replica that is full come an ITL apart.
    rate = 1 / tight.seconds(1000.0, 200.0)
    assert math.isclose(tight.sequences / (rate * 200.0), 0.05, rel_tol=1e-9)
    assert capacity(lines, mean, Room(128.0, 11_000.0)).sequences == 10


class Replica(Speeds):
    samples = WARM


class Cold(Speeds):
    samples = WARM - 1


def test_the_median_of_those_that_have_answered_enough() -> None:
    mean, room = Mean(1000.0, 200.0, 1000.0, 8000.0), Room(128.0, 1e6)
    replicas = [Replica(0.05, each, 0.02, 1e-4, 1e-8) for each in (1e-4, 1e-4, 9e-4)]
    found = measured(replicas, mean, room)
    assert found is not None
    assert found.prefill == 1e4
    assert measured([Cold(0.05, 9e-4, 0.02, 1e-4, 1e-8)], mean, room) is None
