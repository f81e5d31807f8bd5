"""Laws of lengths: each hits what was written, stays in its bounds, and is one number for one random number."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.perf.traffic.draws import gamma, stream
from headway.perf.traffic.lengths import law, mean
from headway.spec.length import Length
from tests.support.statistics import kolmogorov, quantile, variation

MANY = 20_000


def drawn(fields: Any, count: int = MANY) -> list[int]:
    made, draw = law(Length.model_validate(fields)), stream(1, "test")
    return [made(draw.random()) for _ in range(count)]


def test_one_number_is_always_the_same() -> None:
    assert set(drawn(200, 100)) == {200}


def test_a_range_is_uniform_with_both_ends() -> None:
    found = drawn("10..19")
    counts = [found.count(each) for each in range(10, 20)]
    assert sum(counts) == MANY
    expected = MANY / 10
    assert sum((each - expected) ** 2 / expected for each in counts) < 21.7  # chi-squared of 9 degrees, p = 0.01


def test_a_table_hits_its_quantiles() -> None:
    table = {"p10": 180, "p50": 1020, "p90": 2700, "p99": 4000, "max": 14000}
    found = drawn(table)
    for name, wanted in (("p10", 180), ("p50", 1020), ("p90", 2700), ("p99", 4000)):
        assert quantile(found, int(name[1:]) / 100) == pytest.approx(wanted, rel=0.05), name
    made = law(Length.model_validate(table))
    assert [made(part) for part in (0.1, 0.5, 0.9, 0.99)] == [180, 1020, 2700, 4000]
    assert max(found) <= 14000


def test_two_quantiles_are_a_lognormal_law() -> None:
    made = law(Length.model_validate({"p50": 1000, "p90": 3000}))
    spread = math.log(3) / NormalDist().inv_cdf(0.9)
    assert made(0.99) == round(1000 * math.exp(spread * NormalDist().inv_cdf(0.99)))
    assert made(0.05) == round(1000 * math.exp(spread * NormalDist().inv_cdf(0.05)))


def test_a_mean_and_sd_are_lognormal() -> None:
    found = drawn({"mean": 500, "sd": 400})
    assert sum(found) / MANY == pytest.approx(500, rel=0.03)
    assert variation(found) == pytest.approx(0.8, rel=0.1)
    spread = math.sqrt(math.log1p(0.8**2))
    centre = math.log(500) - spread**2 / 2
    assert kolmogorov(found[:2000], lambda x: NormalDist(centre, spread).cdf(math.log(x))) > 0.01


def test_normal_on_request() -> None:
    assert sum(drawn({"mean": 5000, "sd": 50, "distribution": "normal"}, 1000)) / 1000 == pytest.approx(5000, rel=0.01)
    found = drawn({"mean": 500, "sd": 50, "distribution": "normal"})
    assert kolmogorov(found[:2000], NormalDist(500, 50).cdf) > 0.01


def test_bounds_are_drawn_again_and_not_piled_up() -> None:
    found = drawn({"mean": 500, "sd": 400, "min": 100, "max": 1000})
    assert min(found) >= 100
    assert max(found) <= 1000
    assert found.count(1000) < MANY / 100
    assert found.count(100) < MANY / 100


@given(
    st.one_of(
        st.integers(1, 10**6).map(lambda each: each),
        st.tuples(st.integers(1, 10**5), st.integers(0, 10**5)).map(lambda each: f"{each[0]}..{each[0] + each[1]}"),
        st.tuples(st.floats(1, 10**4), st.floats(0.01, 10**5)).map(lambda each: {"mean": each[0], "sd": each[1]}),
        st.lists(st.integers(1, 10**5), min_size=3, max_size=3).map(
            lambda each: dict(zip(("p50", "p90", "p99"), sorted(each), strict=True))
        ),
        st.tuples(st.integers(1, 50), st.integers(50, 10**5), st.floats(0.01, 10**4)).map(
            lambda each: {"mean": 50.0, "sd": each[2], "min": each[0], "max": each[1], "distribution": "normal"}
        ),
    ),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
)
def test_every_law_rises_and_stays_in_its_bounds(fields: Any, one: float, other: float) -> None:
    length = Length.model_validate(fields)
    made = law(length)
    low, high = sorted((one, other))
    assert (length.min or 1) <= made(low) <= made(high) <= (length.max or 10_000_000)


@pytest.mark.parametrize("fields", [7, "1..8", {"p50": 3, "p90": 12, "max": 40}, {"mean": 20, "sd": 30}])
def test_the_mean_is_that_of_what_is_drawn(fields: Any) -> None:
    found = drawn(fields)
    assert mean(law(Length.model_validate(fields))) == pytest.approx(sum(found) / MANY, rel=0.03)


@pytest.mark.parametrize("shape", [0.05, 0.5, 1.0, 4.0, 100.0])
def test_gamma_has_its_mean_and_spread(shape: float) -> None:
    draw = stream(3, "gamma")
    found = [gamma(shape, draw) for _ in range(MANY)]
    assert sum(found) / MANY == pytest.approx(shape, rel=0.1)
    assert variation(found) == pytest.approx(shape**-0.5, rel=0.1)


def test_streams_are_the_same_everywhere() -> None:
    """Numbers of CPython's Mersenne Twister, seeded by the text: they change on no machine and in no version."""
    draw = stream(1, "arrivals")
    assert [round(draw.random(), 6) for _ in range(3)] == [round(each, 6) for each in FIRST]
    assert stream(1, "arrivals").random() != stream(1, "prompt").random()
    assert stream(1, "arrivals").random() != stream(2, "arrivals").random()


FIRST = (0.702122, 0.93407, 0.710676)
