"""What is learned of an endpoint's speed: the true lines, through noise, from any beginning."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.policy.speed import PRIOR, Line, Speed


@pytest.mark.parametrize(("base", "rate"), [(0.03, 1 / 16000), (0.5, 1 / 200), (0.0, 1 / 1000), (0.01, 0.0)])
def test_a_line_is_found_through_noise(base: float, rate: float) -> None:
    random, line = Random(3), Line(0.05, 1 / 8000, 2000.0)  # noqa: S311
    for _ in range(400):
        tokens = random.choice((100, 800, 3000, 9000))
        line.learn(tokens, (base + rate * tokens) * random.uniform(0.8, 1.2))
    for tokens in (100, 3000, 9000):
        assert line.at(tokens) == pytest.approx(base + rate * tokens, rel=0.25, abs=0.005)


def test_it_follows_a_change() -> None:
    line = Line(0.05, 1 / 8000, 2000.0)
    for slower in (1.0, 3.0):
        for n in range(300):
            line.learn(1000 + 100 * (n % 9), slower * (0.02 + (1000 + 100 * (n % 9)) / 8000))
        assert line.at(1400) == pytest.approx(slower * (0.02 + 1400 / 8000), rel=0.1)


def test_one_stall_is_no_speed() -> None:
    line = Line(0.05, 1 / 8000, 2000.0)
    for n in range(100):
        line.learn(1000 + n, 0.05 + (1000 + n) / 8000)
    before = line.at(1000)
    line.learn(1000, 600.0)
    assert line.at(1000) < 1.3 * before


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e4)), max_size=60))
def test_it_never_promises_less_than_nothing(samples: list[tuple[float, float]]) -> None:
    line = Line(0.05, 1 / 8000, 2000.0)
    for x, y in samples:
        line.learn(x, y)
    assert 0 <= line.a < 1e9
    assert 0 <= line.b < 1e9


def test_a_new_endpoint_is_expected_to_be_like_its_siblings() -> None:
    shared = Speed(*PRIOR)
    one = shared.member()
    for n in range(100):
        one.first_token(500 + 40 * n, 0.2 + (500 + 40 * n) / 1000)
        one.decoded(n % 8, 0.03 + 0.002 * (n % 8))
    twin = shared.member()
    assert twin.believed is shared
    assert shared.prefill.at(2000) == pytest.approx(2.2, rel=0.1)
    assert shared.decode.at(4) == pytest.approx(0.038, rel=0.2)


def test_only_what_is_clearly_unlike_is_believed_to_be() -> None:
    random, shared = Random(5), Speed(*PRIOR)  # noqa: S311
    alike, slow = [shared.member() for _ in range(7)], shared.member()
    for _ in range(200):
        for one in (*alike, slow):
            tokens = random.choice((200, 1000, 4000))
            one.first_token(tokens, (2 if one is slow else 1) * (0.02 + tokens / 8000) * random.uniform(0.8, 1.2))
    assert all(one.believed is shared for one in alike)
    assert slow.believed is slow
    assert slow.prefill.at(2000) > 1.6 * shared.prefill.at(2000)
