"""Intervals against known values, and how often they hold the truth when neighbours in time are alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.bench.intervals import effective, of_percentile, of_rate, of_share, poisson, student, wilson
from headway.bench.percentile import rank

Z = 1.959964


@pytest.mark.parametrize(
    ("share", "freedom", "table"),
    [(0.975, 19, 2.093), (0.975, 9, 2.262), (0.99, 19, 2.539), (0.99, 9, 2.821), (0.99, 4, 3.747), (0.975, 7, 2.365)],
)
def test_students_quantiles_are_those_of_the_tables(share: float, freedom: int, table: float) -> None:
    assert student(share, freedom) == pytest.approx(table, rel=0.01)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (5, 10, 0.2366, 0.7634)],
)
def test_wilsons_interval_is_the_published_one(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits / of, of, Z) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.689), (1, 0.025, 5.572), (5, 1.623, 11.668), (20, 12.217, 30.888), (100, 81.364, 121.627)],
)
def test_poissons_interval_is_near_the_exact_one(count: int, low: float, high: float) -> None:
    assert poisson(count) == pytest.approx((low, high), rel=0.01, abs=0.02)


def test_a_rate_of_regular_arrivals_is_known_better_than_one_of_random_ones() -> None:
    constant, gamma = of_rate(1200, 60, 0.0), of_rate(1200, 60, 2.0)
    random, unknown = of_rate(1200, 60, 1.0), of_rate(1200, 60)
    assert (constant.low, constant.high) == (20.0, 20.0)
    assert random == unknown
    assert (random.low, random.high) == pytest.approx((18.9, 21.2), abs=0.05)
    assert gamma.high - gamma.low == pytest.approx(2 * (random.high - random.low), rel=0.01)
    assert of_rate(3, 0.0).low is None


@given(st.lists(st.booleans(), min_size=1, max_size=300))
def test_a_share_lies_in_its_interval(hits: list[bool]) -> None:
    row = np.array(hits)
    interval = of_share(row)
    assert interval.low is not None
    assert interval.high is not None
    assert 0 <= interval.low <= row.mean() + 1e-12
    assert row.mean() - 1e-12 <= interval.high <= 1
    assert 1 <= effective(row)[0] <= len(row)


def test_nothing_has_no_interval() -> None:
    assert of_share(np.array([], bool)).low is None


def test_too_few_requests_do_not_bound_a_percentile() -> None:
    row = np.arange(30.0)
    interval = of_percentile(row, row, 99, row[rank(30, 99) - 1])
    assert interval.high is None
    assert interval.low is not None
    assert of_percentile(row, row, 50, row[14]).high is not None


def test_a_percentile_among_the_failed_has_no_upper_bound() -> None:
    row = np.array([1.0] * 190 + [math.inf] * 10)
    assert of_percentile(row, np.sort(row), 95, 1.0).high is None


def alike(count: int, memory: float, random: np.random.Generator) -> np.ndarray:
    """Normal samples of which each is `memory` of the one before."""
    noise = random.normal(size=count + 200) * math.sqrt(1 - memory**2)
    row = np.zeros(count + 200)
    for place in range(1, len(row)):
        row[place] = memory * row[place - 1] + noise[place]
    return row[200:]


@pytest.mark.parametrize("memory", [0.0, 0.7, 0.9])
def test_the_truth_is_inside_as_often_as_promised(memory: float) -> None:
    """2,000 samples, 120 rows: 95 % of intervals should hold the truth; with memory a few less are let pass."""
    random, held = np.random.default_rng(7), {50: 0, 95: 0, "share": 0}
    truth = {50: 0.0, 95: 1.644854}
    rounds = 120
    for _ in range(rounds):
        row = alike(2000, memory, random)
        ordered = np.sort(row)
        for percent, true in truth.items():
            found = of_percentile(row, ordered, percent, float(ordered[rank(len(row), percent) - 1]))
            held[percent] += (-math.inf if found.low is None else found.low) <= true <= (found.high or math.inf)
        share = of_share(row > truth[95])
        held["share"] += (share.low or 0.0) <= 0.05 <= (share.high or 1.0)
    assert min(held.values()) / rounds > 0.87
