"""The fit finds again the constants of an engine that answered: made by the simulator's own replica."""

from __future__ import annotations

from dataclasses import replace
from math import log
from statistics import fmean

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from headway.errors import UsageError
from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.models import architecture
from headway.perf.constants import Constants, constants
from headway.perf.live.fit import FEWEST, fitted
from headway.perf.live.fitted import Fit, applied
from headway.perf.live.seen import Seen
from headway.perf.live.spells import spells
from headway.perf.live.timed import alone, timed
from headway.perf.setting import Setting
from headway.perf.step.shape import Limits
from headway.perf.step.step import step_of
from tests.support.live import CORE, LIMITS, other_constants, seen_by

STEPS = ((250, 250 * 125.0, 1, 0, 0.0), (400, 400 * 200.0, 1, 2, 600.0), (0, 0.0, 0, 1, 300.0), (0, 0.0, 0, 3, 900.0))
"""A prompt, one beside two answers, one answer's token, three's."""


def fit(seen: list[Seen]) -> Fit:
    return fitted(
        seen, CORE, constants(), seats=LIMITS.most_sequences, budget=LIMITS.token_budget, site="local",
        measured="2026-11-21", sources=["records.jsonl"],
    )  # fmt: skip


def far(found: Constants, truth: Constants) -> list[float]:
    """How far the steps are from the true ones, as shares."""
    mine, real = step_of(CORE, found), step_of(CORE, truth)
    return [abs(mine.seconds(*step) / real.seconds(*step) - 1) for step in STEPS]


@settings(max_examples=4, phases=(Phase.explicit, Phase.generate))
@given(reading=st.floats(0.3, 1.5), computing=st.floats(2.0, 8.0), seed=st.integers(0, 1000))
def test_the_seconds_of_steps_are_found_again(reading: float, computing: float, seed: int) -> None:
    truth = other_constants(reading=reading, computing=computing)
    rate = 0.5 / step_of(CORE, truth).seconds(*STEPS[0])
    found = fit(seen_by(truth, rate=rate, count=120, seed=seed))
    assert max(far(applied(constants(), found, CORE.accelerator), truth)) < 0.2
    assert max(far(constants(), truth)) > 0.2
    assert found.errors["ttft"] < 0.1
    assert found.errors["tpot"] < 0.05
    assert found.errors["ttft"] < found.errors["ttft_shipped"]


def test_what_is_measured_next_is_inside_the_band() -> None:
    """Of blocks of requests of another run, about nine of ten."""
    truth = other_constants(reading=0.6, computing=5.0)
    found = fit(seen_by(truth, rate=1.2, count=150, seed=1, noise=0.4))
    assert found.ttft.low < 0 < found.ttft.high or found.ttft.high - found.ttft.low > 0.01
    inside = [
        found.ttft.low <= miss <= found.ttft.high
        for seed in range(2, 12)
        for miss in _block_misses(found, seen_by(truth, rate=1.2, count=80, seed=seed, noise=0.4))
    ]
    assert sum(inside) / len(inside) > 0.8


def _block_misses(found: Fit, seen: list[Seen]) -> list[float]:
    """log(measured / predicted) of the waits of blocks of requests, as a stranger would reckon it."""
    by = applied(constants(), found, CORE.accelerator)
    step = step_of(CORE, by)
    waits = [each for each in spells(seen, lambda each: alone(each, step), 4) if each.waits]
    misses = [log(each.seconds / timed(each, step, by.engines["llamacpp"], 2048)) for each in waits]
    return [fmean(misses[at : at + 15]) for at in range(0, len(misses) - 14, 15)]


def test_one_slow_request_in_twenty_moves_little() -> None:
    truth = other_constants(reading=0.6, computing=5.0)
    seen = seen_by(truth, rate=1.0, count=120, seed=3)
    held = [
        Seen(each.replica, each.sent, each.first + 3.0, each.last + 3.0, each.prompt, each.cached, each.output)
        if number % 20 == 0
        else each
        for number, each in enumerate(seen)
    ]
    assert max(far(applied(constants(), fit(held), CORE.accelerator), truth)) < 0.25


def test_replicas_on_the_same_cores_slow_each_other() -> None:
    """Two replicas that are busy at the same time and take 30 % longer then."""
    truth = other_constants(reading=0.6, computing=5.0)
    alone = seen_by(truth, rate=0.6, count=80, seed=5)
    crowded = [
        Seen(
            f"chat-{number}", start + 500 + (each.sent - start), start + 500 + (each.first - start) * 1.3 + 0.0,
            start + 500 + (each.last - start) * 1.3, each.prompt, each.cached, each.output,
        )
        for number in (0, 1)
        for each, start in _one_by_one(alone)
    ]  # fmt: skip
    found = fit([*alone, *crowded])
    assert 0.15 < found.values["engines.llamacpp.shared"] < 0.45


def _one_by_one(seen: list[Seen]) -> list[tuple[Seen, float]]:
    """Those that had the replica to themselves, with when they came."""
    return [
        (each, each.sent)
        for each in seen
        if not any(other is not each and other.sent < each.last and other.last > each.sent for other in seen)
    ]


def test_an_engine_on_a_gpu_is_fitted_near_what_is_shipped() -> None:
    setting, room = Setting(architecture("meta-llama/Llama-3.1-8B"), accelerator("H100")), Limits(400_000)
    base = constants()
    kernels = replace(base.kernels, stream=base.kernels.stream * 0.8)
    slow = replace(base.engines["vllm"], request=0.06)
    truth = replace(base, kernels=kernels, engines={**base.engines, "vllm": slow})
    seen = seen_by(truth, setting=setting, limits=room, rate=12.0, count=150, seed=4)
    found = fitted(
        seen, setting, base, seats=256, budget=8192, site="berlin", measured="2026-11-21", sources=["requests.db"]
    )
    assert found.accelerator == "H100-SXM"
    by = applied(base, found, setting.accelerator)
    assert by.engines["vllm"].request == pytest.approx(0.06, rel=0.15)
    decode = 0, 0.0, 0, 4, 4 * 300.0
    assert step_of(setting, by).seconds(*decode) == pytest.approx(step_of(setting, truth).seconds(*decode), rel=0.1)


def test_too_few_requests_are_no_fit() -> None:
    seen = seen_by(constants(), rate=0.1, count=FEWEST - 1, seed=1)
    with pytest.raises(UsageError, match=f"{FEWEST - 1} requests can be used, and {FEWEST} are needed"):
        fit(seen)
