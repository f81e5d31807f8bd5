"""How plots are drawn: axes, paths, and nothing from outside that is not escaped."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.bench.readable import each_second, seconds
from headway.bench.report.plot import Band, Mark, Plot, Series, draw
from headway.bench.report.scale import Scale, around, clock, linear, logarithmic

ENDS = st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)).map(sorted)


@given(ENDS, st.booleans())
def test_an_axis_holds_its_ends_and_has_few_ticks(ends: list[float], log: bool) -> None:
    low, high = ends
    axis = (logarithmic if log else linear)(low, high, seconds)
    assert 0 <= axis.at(low) <= axis.at(high) <= 1
    ticks = axis.ticks()
    assert len(ticks) <= 12
    slack = (axis.high - axis.low) * 1e-6
    assert all(axis.low - slack <= tick <= axis.high + slack for tick in ticks)
    assert ticks == sorted(ticks)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (5.0, 5.0)])
def test_an_axis_of_one_value_is_one(low: float, high: float) -> None:
    assert linear(low, high, seconds).ticks()
    assert logarithmic(low, high, seconds).high > logarithmic(low, high, seconds).low


def test_ticks_are_round() -> None:
    assert linear(0, 60, str).ticks() == [0, 20, 40, 60]
    assert logarithmic(0.01, 10, str).ticks() == pytest.approx([0.01, 0.1, 1, 10])
    assert around([], each_second).high > 0


@pytest.mark.parametrize(
    ("lasts", "told"),
    [
        (1810, ["0", "10 min", "20 min", "30 min"]),
        (3600, ["0", "15 min", "30 min", "45 min", "60 min"]),
        (100, ["0", "30 s", "60 s", "90 s"]),
        (7 * 86_400, ["0", "2 d", "4 d", "6 d"]),
        (2.5, ["0", "0.5 s", "1 s", "1.5 s", "2 s", "2.5 s"]),
    ],
)
def test_time_has_the_steps_of_clocks(lasts: float, told: list[str]) -> None:
    axis = clock(lasts)
    assert [axis.told(each) for each in axis.ticks()] == told


@given(st.floats(0.1, 1e9))
def test_an_axis_of_time_has_few_ticks_too(lasts: float) -> None:
    assert 2 <= len(clock(lasts).ticks()) <= 12


def plot(*series: Series, **given: object) -> str:
    x, y = linear(0, 10, str), linear(0, 10, str)
    return draw(Plot("t", x, y, series, **given))  # type: ignore[arg-type]


def test_lines_break_where_there_is_no_value() -> None:
    html = plot(Series("a", [(0, 0), (1, 1), (2, math.nan), (3, 3), (4, 4)]))
    path = re.search(r'class="line accent" d="([^"]+)"/></svg><', html)
    assert path is not None
    assert path[1] == "M0 1000L100 900M300 700L400 600"


def test_points_that_nobody_can_tell_apart_are_drawn_once() -> None:
    html = plot(Series("a", [(0, 5), *((1 + i / 1e6, 5) for i in range(1000))]))
    assert len(html) < 3000


def test_what_comes_from_outside_is_escaped() -> None:
    evil = '"><script>alert(1)</script>'
    html = plot(
        Series(evil, [(0, 0), (1, 1)], told=evil), bands=[Band(0, 5, evil)], marks=[Mark(evil, 3), Mark(evil, 3, "y")],
        note=evil,
    )  # fmt: skip
    assert "<script" not in html
    assert html.count("&lt;script") >= 5


def test_a_value_beyond_the_axis_stands_at_its_edge() -> None:
    axis = Scale(1.0, 10.0, str)
    assert axis.at(-5) == 0
    assert axis.at(50) == 1
