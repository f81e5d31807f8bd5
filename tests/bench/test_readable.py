"""Figures as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.bench.readable import count, each_second, percent, ratio, seconds, span


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.00082, "0.82 ms"),
        (0.0045, "4.5 ms"),
        (0.0612, "61 ms"),
        (0.5, "500 ms"),
        (0.9999, "1.00 s"),
        (4.512, "4.51 s"),
        (45.12, "45.1 s"),
        (612.3, "612 s"),
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "never"),
    ],
)
def test_seconds(value: float | None, told: str) -> None:
    assert seconds(value) == told


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.98, "98 %"),
        (0.9995, "99.95 %"),
        (0.99999, "over 99.99 %"),
        (0.00001, "under 0.01 %"),
        (0.005, "0.5 %"),
        (0.0005, "0.05 %"),
        (0.992, "99.2 %"),
        (None, "-"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share: float | None, told: str) -> None:
    assert percent(share) == told


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_only_all_is_100_percent(share: float) -> None:
    assert percent(share) not in ("100 %", "0 %", "100.0 %", "100.00 %", "0.0 %", "0.00 %")


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.0, "0/s"), (0.3, "0.30/s"), (19.7, "19.7/s"), (20.0, "20/s"), (1182.4, "1,182/s"), (8.13, "8.1/s")],
)
def test_rates(value: float, told: str) -> None:
    assert each_second(value) == told


def test_others() -> None:
    assert count(1182.0) == "1,182"
    assert count(None) == "-"
    assert span(45) == "45 s"
    assert span(720) == "12 min"
    assert span(12600) == "3.5 h"
    assert (ratio(0.884), ratio(12.44), ratio(math.nan)) == ("0.88", "12.4", "-")
