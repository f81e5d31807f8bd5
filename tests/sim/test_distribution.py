"""Quantiles in bounded memory: exact first, then wrong by no more than is said."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.sim.measure.distribution import ERROR, EXACT, Distribution

values = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=200)
shares = st.sampled_from((0.0, 0.1, 0.5, 0.9, 0.95, 0.99, 1.0))


def _rank(found: list[float], share: float) -> float:
    return sorted(found)[max(0, math.ceil(share * len(found) - 1e-9) - 1)]


@given(values, shares)
def test_few_values_have_exact_quantiles(found: list[float], share: float) -> None:
    of = Distribution()
    for value in found:
        of.add(value)
    assert of.quantile(share) == _rank(found, share)
    assert of.mean == pytest.approx(sum(found) / len(found))


@given(values, shares)
def test_many_have_those_of_a_histogram_with_its_error(found: list[float], share: float) -> None:
    of = Distribution(0)
    for value in found:
        of.add(value)
    assert of.quantile(share) == pytest.approx(_rank(found, share), rel=ERROR)


@given(values, values, st.sampled_from((0, 3, 1000)))
def test_what_is_merged_is_as_if_it_had_been_added(one: list[float], other: list[float], exact: int) -> None:
    left, right, whole = Distribution(exact), Distribution(exact), Distribution(0)
    for value in one:
        left.add(value)
    for value in other:
        right.add(value)
    for value in one + other:
        whole.add(value)
    left.merge(right)
    assert (left.count, left.least, left.most) == (whole.count, whole.least, whole.most)
    for share in (0.1, 0.5, 0.9):
        assert left.quantile(share) == pytest.approx(whole.quantile(share), rel=2 * ERROR)


@given(st.floats(1e-4, 1.0), st.floats(0.0, 1e-2), st.integers(1, 500), st.integers(1, 9))
def test_a_run_of_steps_counts_as_each_of_them(first: float, longer: float, steps: int, each: int) -> None:
    run, single = Distribution(0), Distribution(0)
    run.add_rising(first, longer, steps, each)
    for step in range(steps):
        single.add(first + longer * step, each)
    assert run.count == single.count
    assert run.total == pytest.approx(single.total)
    for share in (0.01, 0.5, 0.99):
        assert run.quantile(share) == pytest.approx(single.quantile(share), rel=3 * ERROR)


def test_nothing_has_no_quantile_and_nothing_is_not_zero() -> None:
    assert math.isnan(Distribution().quantile(0.5))
    of = Distribution(0)
    of.add(0.0)
    of.add(2.0)
    assert of.quantiles((0.5, 1.0)) == [0.0, pytest.approx(2.0, rel=ERROR)]


def test_memory_is_bounded_whatever_comes() -> None:
    of = Distribution()
    for number in range(EXACT + 10_000):
        of.add(0.001 * (number % 977 + 1))
    assert of.count == EXACT + 10_000
    assert len(of._bins) < 128 * 12
    assert of._values is None
