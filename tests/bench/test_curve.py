"""Which rates a throughput-latency curve measures."""

from __future__ import annotations

import pytest

from headway.bench.curve import Point, next_rate

CAPACITY = 70.0


def at(rate: float) -> Point:
    answered = min(rate, CAPACITY)
    return Point(
        rate=rate,
        answered=answered,
        output_tokens=answered * 100,
        inside=1.0 if rate < CAPACITY else 0.1,
        ttft_p50=0.1,
        ttft_p99=0.2,
        itl_p50=0.01,
        e2e_p50=1.0,
        e2e_p99=2.0,
        overloaded=rate > CAPACITY,
        verdict="VALID",
    )


def drawn(first: float, most: int = 12) -> list[Point]:
    points: list[Point] = []
    while (rate := next_rate(points, first, most)) is not None:
        points.append(at(rate))
    return points


def test_it_goes_beyond_the_knee_and_then_looks_where_it_bends() -> None:
    points = drawn(5.0)
    rates = [each.rate for each in points]
    assert rates[:5] == [5, 10, 20, 40, 80]
    assert max(rates) > 80
    assert len([rate for rate in rates if rate > CAPACITY]) >= 2
    below, above = (max(r for r in rates if r <= CAPACITY), min(r for r in rates if r > CAPACITY))
    assert above / below < 1.2


def test_a_first_rate_that_is_too_high_is_halved() -> None:
    assert next_rate([at(500.0)], 500.0, 10) == 250


@pytest.mark.parametrize("most", [1, 4, 9])
def test_it_has_an_end(most: int) -> None:
    assert len(drawn(5.0, most)) <= most


def test_a_failing_answer_rate_counts_as_overload() -> None:
    point = at(100.0)
    assert not point.kept_up
    assert at(60.0).kept_up
