"""Traffic recorded as laws: rates, scatter and lengths come out as they were recorded, wherever reading begins."""

from __future__ import annotations

from itertools import pairwise

import pytest

from headway.perf.traffic.clients import Client, Gaps, LengthTable, Window, calls_of
from tests.support.statistics import quantile, variation

LENGTHS = (LengthTable(0, tuple(range(0, 1001, 10)), (5.0, 5.0, 50.0)),)


@pytest.mark.parametrize(
    ("gaps", "shape", "cv"),
    [("Gamma", 0.25, 2.0), ("Weibull", 0.5, 5**0.5), ("Exponential", 0.0, 1.0), ("Gamma", 4, 0.5)],
)
def test_rate_and_scatter_are_those_recorded(gaps: Gaps, shape: float, cv: float) -> None:
    client = Client("a", (Window(0, 600, 30, gaps, shape),), LENGTHS)
    found = [each.at for each in calls_of([client], 0, 600, 1)]
    assert len(found) / 600 == pytest.approx(30, rel=4 * cv / (30 * 600) ** 0.5)
    assert variation([after - before for before, after in pairwise(found)]) == pytest.approx(cv, rel=0.1)


def test_lengths_follow_their_quantiles_from_their_time_on() -> None:
    later = LengthTable(600, (7.0,), (9.0,))
    client = Client(
        "a", (Window(0, 600, 20, "Exponential", 0), Window(600, 600, 20, "Exponential", 0)), (*LENGTHS, later)
    )
    found = list(calls_of([client], 0, 1200, 1))
    early = [each for each in found if each.at < 600]
    assert quantile([each.prompt_tokens for each in early], 0.5) == pytest.approx(500, abs=25)
    assert quantile([each.output_tokens for each in early], 0.25) == 5
    assert min(each.prompt_tokens for each in early) >= 1
    assert {(each.prompt_tokens, each.output_tokens) for each in found if each.at >= 600} == {(7, 9)}


def test_clients_are_merged_in_order_and_reading_may_begin_anywhere() -> None:
    windows = tuple(Window(start, 600, 5, "Gamma", 0.5) for start in (0, 600, 1200))
    clients = [Client(name, windows, LENGTHS) for name in "abc"]
    whole = list(calls_of(clients, 0, 1800, 1))
    assert all(before.at <= after.at for before, after in pairwise(whole))
    part = list(calls_of(clients, 300, 1500, 1))
    assert part == [each for each in whole if 300 <= each.at < 1500]
    assert list(calls_of(clients, 0, 1800, 2)) != whole
    alone = list(calls_of(clients[:1], 0, 1800, 1))
    assert set(alone) <= set(whole), "who else calls changes nothing"


def test_a_window_without_requests() -> None:
    windows = (Window(0, 600, 0, "Exponential", 0), Window(600, 600, 1, "Exponential", 0))
    assert min(each.at for each in calls_of([Client("a", windows, LENGTHS)], 0, 1200, 1)) >= 600
