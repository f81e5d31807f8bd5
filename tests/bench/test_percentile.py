"""Nearest rank, checked against the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.bench.percentile import PERCENTS, enough, rank, ranked, weighted


@pytest.mark.parametrize(
    ("count", "percent", "place"),
    [
        (1, 50, 1),
        (1, 99, 1),
        (2, 50, 1),
        (4, 75, 3),
        (10, 90, 9),
        (20, 95, 19),
        (100, 99, 99),
        (101, 99, 100),
        (3, 50, 2),
    ],
)
def test_the_rank_is_rounded_up(count: int, percent: int, place: int) -> None:
    assert rank(count, percent) == place


def test_infinity_is_a_sample_like_others() -> None:
    row = np.array([1.0, math.inf, 2.0, 3.0])
    assert ranked(row, [50, 75, 99]) == [2.0, 3.0, math.inf]


def test_when_a_percentile_is_more_than_the_last_sample() -> None:
    assert [enough(count, 95) for count in (19, 20)] == [False, True]
    assert [enough(count, 99) for count in (99, 100)] == [False, True]
    assert not enough(0, 50)


samples = st.lists(st.floats(0, 1e6) | st.just(math.inf), min_size=1, max_size=60)


@given(samples)
def test_it_is_the_smallest_that_so_many_do_not_exceed(row: list[float]) -> None:
    for percent, value in zip(PERCENTS, ranked(np.array(row)), strict=True):
        assert value in row
        assert sum(each <= value for each in row) * 100 >= percent * len(row)
        assert all(
            sum(each <= smaller for each in row) * 100 < percent * len(row) for smaller in row if smaller < value
        )


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 7)), min_size=1, max_size=40))
def test_a_weight_is_as_many_samples(row: list[tuple[int, int]]) -> None:
    values, weights = np.array([float(each) for each, _ in row]), np.array([each for _, each in row])
    assert weighted(values, weights) == ranked(np.repeat(values, weights))


@given(samples, samples)
def test_parts_are_merged_by_their_samples(left: list[float], right: list[float]) -> None:
    assert ranked(np.array(left + right)) == ranked(np.array(right + left))
