"""Retries are bounded by a share of what is asked, whatever comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headway.policy.retry_budget import WINDOW, RetryBudget

STEPS = st.lists(st.tuples(st.floats(0, 30), st.integers(0, 50), st.integers(0, 50)), max_size=40)


@given(steps=STEPS, ratio=st.floats(0, 1), floor=st.floats(0, 20))
def test_never_more_than_the_share_and_the_floor(
    steps: list[tuple[float, int, int]], ratio: float, floor: float
) -> None:
    """Requests come, and any number of them wants to be tried again, at any times."""
    budget, now, sent, requests, retries = RetryBudget(), 100.0, 0, 0, 0
    for pause, fresh, wanted in steps:
        now += pause
        sent, requests = sent + fresh, requests + fresh
        for _ in range(wanted):
            if budget.take(sent, now, ratio=ratio, floor=floor):
                sent, retries = sent + 1, retries + 1
        assert retries <= ratio * requests + floor * (now - 100.0 + WINDOW) + 1e-6


def test_a_burst_is_allowed_and_room_comes_back() -> None:
    budget = RetryBudget()
    granted = [budget.take(0, 1.0, ratio=0.2, floor=10.0) for _ in range(150)]
    assert sum(granted) == 100
    assert not budget.left(0, 1.0, ratio=0.2, floor=10.0)
    assert budget.left(0, 1.5, ratio=0.2, floor=10.0)


def test_what_failed_with_everything_is_asked_a_fifth_more_and_not_three_times_as_much() -> None:
    """A thousand requests a second, all of which fail and want to be tried again."""
    budget, sent, retries = RetryBudget(), 0, 0
    for tick in range(1000):
        sent += 100
        for _ in range(100):
            if budget.take(sent, tick / 10, ratio=0.2, floor=0.0):
                sent, retries = sent + 1, retries + 1
    assert 0.18 < retries / 100_000 <= 0.2


def test_endpoints_that_go_take_their_counts_with_them() -> None:
    budget = RetryBudget()
    assert budget.left(1000, 0.0, ratio=0.2, floor=0.1)
    assert budget.left(10, 0.0, ratio=0.2, floor=0.1)
    granted = 0
    for _ in range(400):
        granted += budget.take(10 + granted, 0.0, ratio=0.2, floor=0.1)
    assert granted == 201
