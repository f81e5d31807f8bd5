"""Which fit applies to a setting, and that predictions then say so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headway.perf.bands import shape
from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.models import architecture
from headway.perf.constants import Spread, constants
from headway.perf.cores import some_cores
from headway.perf.live.fitted import Fit, Performance, applied, fit_for
from headway.perf.prediction import Load
from headway.perf.setting import Setting
from tests.support.live import CORE

FIT = Fit(
    site="local",
    accelerator="cpu",
    engine="llamacpp",
    model=CORE.model.name,
    shape=shape(CORE.model),
    weights="q4_1",
    measured="2026-11-21",
    requests=312,
    sources=("records.jsonl",),
    values={
        "kernels.stream": 0.4,
        "kernels.flops.bf16": 2.0,
        "kernels.attend": 0.3,
        "kernels.cache_stream": 0.5,
        "engines.llamacpp.request": 0.02,
    },
    ttft=Spread(-0.1, 0.2, 100),
    tpot=Spread(-0.05, 0.05, 100),
    errors={},
    bandwidth=CORE.accelerator.bandwidth,
    flops=CORE.accelerator.flops["bf16"],
    threads=1,
)
GPU = Setting(architecture("Qwen/Qwen3-32B"), accelerator("H100"))


def test_its_constants_are_used_and_the_others_stay() -> None:
    by = applied(constants(), FIT, CORE.accelerator)
    assert (by.kernels.stream, by.kernels.flops["bf16"], by.engines["llamacpp"].request) == (0.4, 2.0, 0.02)
    assert by.kernels.sharpness == constants().kernels.sharpness
    assert by.engines["vllm"] == constants().engines["vllm"]


def test_a_prediction_says_what_it_rests_on() -> None:
    performance = Performance("local", [FIT])
    told = performance.predict(CORE, Load(100, 50, concurrency=1))
    assert told.fitted_on == "fitted on your measurements of 2026-11-21, 312 requests"
    assert told.ttft.high / told.ttft.value < 1.3
    shipped = performance.predict(GPU, Load(100, 50, concurrency=1))
    assert shipped.fitted_on == constants().told


def test_another_model_site_or_accelerator_has_the_shipped_constants() -> None:
    for other in (
        replace(CORE, model=architecture("builtin://gemma-3-270m")),
        replace(CORE, weights="q8_0"),
        replace(CORE, accelerator=accelerator("H100"), threads=None),
        replace(CORE, engine="vllm", threads=None),
    ):
        assert fit_for(other, "local", [FIT]) is None
    assert fit_for(CORE, "berlin", [FIT]) is None


def test_another_number_of_threads_has_a_wider_band() -> None:
    two = fit_for(replace(CORE, accelerator=some_cores(accelerator("cpu"), 2), threads=None), "local", [FIT])
    assert two is not None
    assert two.values == FIT.values
    assert two.ttft.high > FIT.ttft.high


def test_the_newest_of_equals_counts() -> None:
    newer = replace(FIT, measured="2026-11-22")
    assert fit_for(CORE, "local", [FIT, newer]) is newer


def test_an_accelerator_that_was_measured_since_is_as_fast_as_it_was_when_fitted() -> None:
    slow = replace(CORE.accelerator, bandwidth=CORE.accelerator.bandwidth / 3, flops={"bf16": 1e10})
    performance = Performance("local", [FIT])
    before, after = (performance.step_time(replace(CORE, accelerator=each)) for each in (CORE.accelerator, slow))
    assert after.seconds(200, 2e4, 1, 1, 50.0) == pytest.approx(before.seconds(200, 2e4, 1, 1, 50.0), rel=0.02)
