"""The closed form: what it is by hand in the simplest cases, and what must hold."""

from __future__ import annotations

from math import inf, isinf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.perf.closed_loop import Callers, play
from headway.perf.constants import constants
from headway.perf.predict import limits, predict, step_time
from headway.perf.prediction import Load
from headway.perf.setting import Setting
from headway.perf.steady import prompt_seconds, steady
from headway.perf.step.shape import Limits
from tests.support.batching import Affine
from tests.support.performance import DENSE, GPU

STEP = Affine(step=0.01, token=1e-4, pair=0.0, sequence=0.0, context=0.0)
LIMITS = Limits(10**6, 16, 256, 1000)
ONE = Setting(DENSE, GPU)


def test_a_caller_alone_waits_for_its_own_steps() -> None:
    """500 tokens in one step of 10 + 50 ms; then 10 ms a token."""
    found = steady(STEP, LIMITS, Load(500, 101, concurrency=1))
    assert found.own == pytest.approx(0.06)
    assert found.tpot == pytest.approx(0.01)
    assert found.requests == pytest.approx(1 / (found.ttft + 100 * 0.01))


def test_a_prompt_beyond_the_budget_takes_several_steps() -> None:
    seconds, pieces = prompt_seconds(STEP, LIMITS, Load(2500, 10, concurrency=1), 0)
    assert pieces == 3
    assert seconds == pytest.approx(3 * 0.01 + 2499 * 1e-4, rel=1e-3)


def test_cached_tokens_are_not_computed() -> None:
    seconds, _ = prompt_seconds(STEP, LIMITS, Load(1000, 10, concurrency=1, cached=900), 0)
    assert seconds == pytest.approx(0.01 + 100 * 1e-4)


def test_the_prompts_of_others_stretch_a_token() -> None:
    """Seven others' prompts of 50 ms within 100 steps of 10 ms."""
    found = steady(STEP, LIMITS, Load(500, 101, concurrency=8))
    assert found.tpot == pytest.approx(0.01 + 7 * 0.05 / 100)


def test_an_open_loop_is_littles_law() -> None:
    found = steady(STEP, LIMITS, Load(500, 101, rate=2.0))
    assert found.running == pytest.approx(2.0 * (found.own + 100 * found.tpot), rel=1e-3)
    assert found.tpot == pytest.approx(0.01 / (1 - 2.0 * 0.05), rel=1e-2)


def test_a_rate_beyond_what_it_bears_is_said() -> None:
    told = predict(ONE, Load(2000, 200, rate=1e6))
    assert told.saturated
    assert isinf(told.ttft.value)
    assert told.ttft.high == inf
    assert told.requests.value < 1e6


def test_bands_hold_their_value() -> None:
    told = predict(ONE, Load(1000, 200, concurrency=8))
    for each in (told.ttft, told.ttft_p50, told.ttft_p95, told.tpot, told.itl_p50, told.itl_p95, told.requests):
        assert 0 < each.low <= each.value <= each.high
    assert told.ttft_p50.value <= told.ttft_p95.value
    assert told.itl_p50.value <= told.itl_p95.value
    assert constants().source in told.fitted_on


@given(st.integers(16, 4000), st.integers(2, 1000), st.integers(1, 200))
@settings(max_examples=50)
def test_more_callers_are_never_faster(prompt: int, output: int, callers: int) -> None:
    fewer, more = (steady(STEP, LIMITS, Load(prompt, output, concurrency=each)) for each in (callers, callers + 1))
    assert more.tpot >= fewer.tpot - 1e-9


@pytest.mark.parametrize("callers", [1, 4, 32])
def test_the_closed_form_is_near_the_played_benchmark(callers: int) -> None:
    """Of the time of a token: within 5 %."""
    step, room = step_time(ONE), limits(ONE)
    shut = steady(step, room, Load(900, 450, concurrency=callers))
    played = play(step, room, Callers(callers, 1000, 500, spread=0.2))
    assert played.tpot == pytest.approx(shut.tpot, rel=0.05)


def test_a_played_benchmark_is_the_same_every_time() -> None:
    callers = Callers(8, 500, 100, spread=0.2)
    assert play(STEP, LIMITS, callers) == play(STEP, LIMITS, callers)


def test_all_callers_ask_at_once() -> None:
    """One round: the k-th of 4 prompts of 500 tokens with a budget of 504 is there after k steps of 60 ms or so."""
    limits_ = Limits(10**6, 16, 256, 504)
    played = play(STEP, limits_, Callers(4, 500, 100, rounds=1))
    assert played.ttft == pytest.approx(0.06 * (1 + 2 + 3 + 4) / 4, rel=0.05)
