"""What is learned of an endpoint's speed: the true lines, through noise, shared with its siblings."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.policy.speed import ModelSpeed, Sizes


@pytest.mark.parametrize(("first", "rate"), [(0.03, 1 / 16000), (0.5, 1 / 200), (0.01, 1 / 1000)])
def test_prefill_is_found_through_noise(first: float, rate: float) -> None:
    random, speed = Random(3), ModelSpeed().endpoint()  # noqa: S311
    for _ in range(600):
        tokens = random.choice((100, 800, 3000, 9000))
        speed.first_token(tokens, (first + rate * tokens) * random.uniform(0.8, 1.2))
    for tokens in (100, 3000, 9000):
        assert speed.first + speed.prefill * tokens == pytest.approx(first + rate * tokens, rel=0.25, abs=0.02)


def test_it_follows_a_change_and_one_stall_is_no_speed() -> None:
    speed = ModelSpeed().endpoint()
    for slower in (1.0, 3.0):
        for n in range(600):
            tokens = 500 + 500 * (n % 9)
            speed.first_token(tokens, slower * (0.02 + tokens / 8000))
        at = speed.first + speed.prefill * 2500
        assert at == pytest.approx(slower * (0.02 + 2500 / 8000), rel=0.15)
    speed.first_token(2500, 600.0)
    assert speed.first + speed.prefill * 2500 < 1.3 * at


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e4)), max_size=60))
def test_it_never_promises_less_than_nothing(samples: list[tuple[float, float]]) -> None:
    speed = ModelSpeed().endpoint()
    for tokens, seconds in samples:
        speed.first_token(tokens, seconds)
        speed.ended(int(tokens) + 2, seconds, 3.0, tokens, 0.0)
    assert all(0 <= each < 1e12 for each in (speed.first, speed.prefill, speed.step, speed.sequence, speed.context))


def test_a_new_endpoint_begins_as_its_siblings_are_and_a_slow_one_is_found_out() -> None:
    random, model = Random(5), ModelSpeed()  # noqa: S311
    alike, slow = [model.endpoint() for _ in range(7)], model.endpoint()
    for _ in range(300):
        for one in (*alike, slow):
            tokens = random.choice((200, 1000, 4000))
            one.first_token(tokens, (2 if one is slow else 1) * (0.02 + tokens / 8000) * random.uniform(0.8, 1.2))
    usual = [one.first + one.prefill * 2000 for one in alike]
    assert max(usual) < 1.4 * min(usual)
    assert slow.first + slow.prefill * 2000 > 1.5 * max(usual)
    newborn = model.endpoint()
    assert newborn.samples == 0
    assert newborn.prefill == pytest.approx(model.prefill)


def test_sizes_are_learned_by_weight() -> None:
    sizes = Sizes()
    assert sizes.output(10) == 10
    for _ in range(500):
        sizes.prompt(3000, 1000)
        sizes.answer(40)
    assert sizes.token_bytes == pytest.approx(3.0, rel=0.02)
    assert sizes.output() == pytest.approx(40, rel=0.05)
