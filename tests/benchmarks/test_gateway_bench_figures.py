"""Medians, ratios inside a round, and the goals."""

from __future__ import annotations

import pytest

from benchmarks.gateway.figures import Spread, by_round, differences, ratios, spread
from benchmarks.gateway.goals import GOALS, reached, seen_for
from benchmarks.gateway.observation import DIRECT, FIGURES
from tests.support.gateway_bench import seen


def test_a_spread_is_the_median_with_its_range() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)
    assert spread([]) is None
    assert f"{Spread(2.0, 1.0, 3.0, 3):.1f}" == "2.0 (1.0 to 3.0)"
    assert f"{Spread(2000.0, 2000.0, 2000.0, 1):,.0f}" == "2,000"


def test_ratios_are_of_the_same_round() -> None:
    """The machine is half as fast in the second round: the ratio does not see it."""
    assert ratios({0: 200.0, 1: 100.0}, {0: 100.0, 1: 50.0}) == Spread(2.0, 2.0, 2.0, 2)


def test_a_round_that_one_side_lacks_makes_no_pair() -> None:
    assert ratios({0: 10.0, 2: 90.0}, {0: 5.0, 1: 1.0}) == Spread(2.0, 2.0, 2.0, 1)
    assert ratios({0: 1.0}, {1: 1.0}) is None
    assert differences({0: 3.0, 1: 9.0}, {0: 1.0}) == Spread(2.0, 2.0, 2.0, 1)


def test_runs_that_do_not_count_are_left_out() -> None:
    runs = [
        seen("envoy", "w1", 0),
        seen("envoy", "w1", 1, fault="spoiled"),
        seen("envoy", "w2", 0),
        seen("nginx", "w1", 2),
    ]
    assert by_round(runs, "envoy", "w1", "requests_per_second") == {0: 1000.0}


def test_figures_are_per_second_and_per_piece() -> None:
    run = seen("envoy", "s1", 0, seconds=2.0, requests=100, events=10_000, proxy_cpu=1.5, pss=3 * 2**20)
    assert FIGURES["requests_per_second"](run) == 50
    assert FIGURES["events_per_second"](run) == 5000
    assert FIGURES["cpu_us_per_request"](run) == pytest.approx(15_000)
    assert FIGURES["cpu_us_per_event"](run) == pytest.approx(150)
    assert FIGURES["pss_mib"](run) == 3
    assert run.share == pytest.approx(0.75)


def test_goals_compare_with_the_peer_or_with_direct_or_with_nobody() -> None:
    runs = [
        seen("headway", "w1", 0, requests=1500),
        seen("envoy", "w1", 0, requests=1000),
        seen("headway", "l1000", 0, times={"latency_p50": 0.3, "latency_p99": 0.9}),
        seen(DIRECT, "l1000", 0, times={"latency_p50": 0.1, "latency_p99": 0.2}),
        seen("headway", "m1000", 0, pss=90 * 2**20),
    ]
    found = {goal.text: (goal, seen_for(goal, runs, "headway")) for goal in GOALS}

    def verdict(start: str) -> tuple[float, bool]:
        goal, spread_seen = next(each for text, each in found.items() if text.startswith(start))
        assert spread_seen is not None
        return round(spread_seen.median, 3), reached(goal, spread_seen)

    assert verdict("1 KiB, requests/s over Envoy") == (1.5, True)
    assert verdict("p50 added") == (0.2, False)
    assert verdict("PSS") == (90.0, True)
    assert found["1 KiB, requests/s over sglang-router cache_aware's"][1] is None
