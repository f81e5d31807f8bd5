"""Arrivals follow the law that was asked for: gaps, rates, ramps, and no bias at the start."""

from __future__ import annotations

import math
from itertools import islice, pairwise, takewhile

import pytest

from headway.perf.traffic.arrivals import Stretch, arrivals, points
from headway.perf.traffic.draws import stream
from tests.support.statistics import kolmogorov, variation


def times(variation: float, *stretches: Stretch, seed: int = 1) -> list[float]:
    return list(arrivals(stretches, points(variation, stream(seed, "arrivals"))))


def gaps(found: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(found)]


def test_constant_gaps_are_equal() -> None:
    found = times(0, Stretch(0, 60, 20, 20))
    assert len(found) == 1200
    assert found[0] == 0
    assert variation(gaps(found)) < 1e-9
    assert gaps(found)[0] == pytest.approx(0.05)


@pytest.mark.parametrize("seed", range(1, 6))
def test_poisson_gaps_are_exponential(seed: int) -> None:
    found = times(1, Stretch(0, 100, 50, 50), seed=seed)
    assert variation(gaps(found)) == pytest.approx(1, abs=0.1)
    assert kolmogorov(gaps(found), lambda gap: 1 - math.exp(-50 * gap)) > 0.01
    assert len(found) == pytest.approx(5000, abs=4 * math.sqrt(5000))


def test_poisson_has_no_fixed_number_of_requests() -> None:
    counts = [len(times(1, Stretch(0, 10, 100, 100), seed=seed)) for seed in range(100)]
    assert sum(counts) / 100 == pytest.approx(1000, abs=4 * math.sqrt(1000 / 100))
    spread = sum((each - 1000) ** 2 for each in counts) / 100
    assert spread == pytest.approx(1000, rel=0.5)  # its variance is its mean


@pytest.mark.parametrize("cv", [0.3, 2.0, 4.0])
def test_gamma_gaps_have_their_variation(cv: float) -> None:
    found = times(cv, Stretch(0, 1000, 50, 50))
    assert variation(gaps(found)) == pytest.approx(cv, rel=0.1)
    assert len(found) / 1000 == pytest.approx(50, rel=4 * cv / math.sqrt(50_000))


def test_a_bursty_process_is_not_denser_at_its_start() -> None:
    """An ordinary renewal process that begins with an arrival has (cv^2 - 1)/2 = 7.5 too many."""
    counts = [len(times(4, Stretch(0, 10, 10, 10), seed=seed)) for seed in range(400)]
    assert sum(counts) / 400 == pytest.approx(100, abs=4 * 4 * math.sqrt(100) / math.sqrt(400))


def test_a_ramp_rises_as_it_should() -> None:
    found = times(1, Stretch(0, 100, 0, 100))
    assert len(found) == pytest.approx(5000, abs=4 * math.sqrt(5000))
    assert kolmogorov(found, lambda at: (at / 100) ** 2) > 0.01
    falling = times(1, Stretch(0, 100, 100, 20))
    assert kolmogorov(falling, lambda at: (100 * at - 0.4 * at * at) / 6000) > 0.01


def test_a_constant_ramp_has_no_chance_in_it() -> None:
    found = times(0, Stretch(0, 10, 5, 15))
    assert len(found) == 100
    for number, at in enumerate(found):
        assert 5 * at + 0.5 * at * at == pytest.approx(number)


def test_stages_follow_one_another() -> None:
    found = times(1, Stretch(0, 50, 20, 20), Stretch(50, 60, 0, 0), Stretch(60, 110, 100, 100))
    first = [each for each in found if each < 50]
    pause = [each for each in found if 50 <= each < 60]
    last = [each for each in found if each >= 60]
    assert len(first) == pytest.approx(1000, abs=4 * math.sqrt(1000))
    assert pause == []
    assert len(last) == pytest.approx(5000, abs=4 * math.sqrt(5000))


def test_a_longer_process_begins_with_the_shorter() -> None:
    short = times(2, Stretch(0, 10, 50, 50))
    long = times(2, Stretch(0, 20, 50, 50))
    assert long[: len(short)] == short
    assert all(each >= 10 for each in long[len(short) :])


def test_the_process_has_no_end_of_its_own() -> None:
    endless = arrivals([Stretch(0, math.inf, 10, 10)], points(1, stream(1, "arrivals")))
    assert len(list(islice(endless, 1000))) == 1000
    bursty = points(100, stream(1, "arrivals"))
    assert all(math.isfinite(each) for each in islice(bursty, 1000))
    assert list(takewhile(lambda each: each < 3, points(0, stream(1, "x")))) == [0, 1, 2]
