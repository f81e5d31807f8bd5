"""Predictions of rows of every kind: of the right size, and never left out where something can be said."""

from __future__ import annotations

import pytest

from headway.errors import UsageError
from headway.perf.constants import constants
from headway.perf.evaluate.foresee import foresee
from headway.perf.evaluate.row import measured
from headway.perf.evaluate.scored import ADDED, added, scored
from tests.support.performance import measured_row


def test_a_well_known_row_is_inside_its_band() -> None:
    """Llama-3.1-70B in 8 bits on 4 H200, vLLM, 16 callers of 1k / 1k: published by InferenceMAX as 126 and 10.9 ms."""
    found = foresee(measured(measured_row(), 2), constants())
    assert found.tpot.low < 0.0109 < found.tpot.high
    assert found.ttft.low < 0.126 < found.ttft.high
    assert found.accelerators == 4


@pytest.mark.parametrize("system", ["b200_sxm", "gb200", "b300_sxm", "a100_sxm", "l40s", "h100_sxm", "mi300x"])
@pytest.mark.parametrize("backend", ["vllm", "sglang", "trtllm"])
def test_accelerators_that_no_row_was_of(system: str, backend: str) -> None:
    row = measured(measured_row(system=system, backend=backend, tp_size="8", batch_size="4"), 2)
    found = foresee(row, constants())
    assert 0 < found.tpot.low < found.tpot.value < found.tpot.high < 1
    assert 0 < found.ttft.low < found.ttft.value < found.ttft.high < 60


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-oss-120b",
        "Qwen/Qwen3-32B",
        "mistralai/Mixtral-8x7B-Instruct-v0.1",
        "zai-org/GLM-5-FP8",
        "Qwen/Qwen3.5-397B-A17B",
    ],
)
def test_models_of_every_kind(model: str) -> None:
    found = foresee(measured(measured_row(model_path=model, tp_size="8", moe_tp_size="8"), 2), constants())
    assert 0.001 < found.tpot.value < 0.1


def test_better_accelerators_are_predicted_to_be_faster() -> None:
    tokens = [
        foresee(measured(measured_row(system=each), 2), constants()).tpot.value
        for each in ("a100_sxm", "h100_sxm", "h200_sxm", "b200_sxm")
    ]
    assert tokens == sorted(tokens, reverse=True)


def test_unlike_accelerators_have_the_wider_band() -> None:
    near, far = (foresee(measured(measured_row(system=each), 2), constants()).tpot for each in ("h200_sxm", "b200_sxm"))
    assert far.high / far.low > near.high / near.low


def test_prompts_and_tokens_by_different_workers() -> None:
    apart = {"prefill_tp_size": "8", "decode_tp_size": "8", "prefill_moe_ep_size": "8", "decode_moe_ep_size": "8"}
    told = apart | {"prefill_num_workers": "1", "decode_num_workers": "4"}
    base = {"mode": "disagg", "model_path": "deepseek-ai/DeepSeek-R1", "backend": "trtllm"}
    some, known = (foresee(measured(measured_row(**base, **each), 2), constants()) for each in (apart, told))
    assert some.accelerators == 0
    assert known.accelerators == 5 * 8
    more = foresee(measured(measured_row(**base, **(told | {"decode_num_workers": "1"})), 2), constants())
    assert known.tpot.value < more.tpot.value


def test_what_cannot_be_predicted_is_kept_and_marked() -> None:
    rows = [
        measured_row(),
        measured_row(model_path="nobody/Model-9000"),
        measured_row(system="abacus"),
        measured_row(batch_size="", silicon_data_source=""),
    ]
    found = list(scored(rows, "rows.csv", constants()))
    assert [each.foreseen is None for each in found] == [False, True, True, True]
    columns = [added(each) for each in found]
    assert [each["predicted"] for each in columns] == ["yes", "no", "no", "no"]
    assert "Model-9000" in columns[1]["not_predicted_because"]
    assert all(set(each) == set(ADDED) for each in columns)
    assert float(columns[0]["predicted_tpot_lo_ms"]) < float(columns[0]["predicted_tpot_ms"])
    assert columns[1]["predicted_tpot_ms"] == ""


def test_a_file_without_a_column_is_an_error() -> None:
    row = measured_row()
    del row["osl"], row["system"]
    with pytest.raises(UsageError, match=r"rows\.csv:1: no column system, osl"):
        list(scored([row], "rows.csv", constants()))


SYSTEMS = (
    *("b200_sxm", "gb200", "gb200_sxm", "gb200_nvl72", "gb300", "b300_sxm", "a100_sxm", "a100_sxm_80gb", "l40s", "l4"),
    *("rtx_pro_6000", "mi300x", "h100_sxm"),
)
QUANTISED = (
    *("bfloat16", "float16", "int8_wo", "int4_wo", "fp8", "fp8_static", "fp8_block", "fp8_ootb", "sq", "nvfp4"),
    *("w4afp8", "w4a16_mxfp4", "w4a8_mxfp4_mxfp8", "mxfp4"),
)


@pytest.mark.parametrize("system", SYSTEMS)
def test_systems_as_others_spell_them(system: str) -> None:
    written = measured_row(system=system, model_path="meta-llama/Llama-3.1-8B-Instruct", isl="1024.0", tp_size="8.0")
    (found,) = scored([written], "rows.csv", constants())
    assert found.foreseen is not None, found.reason


@pytest.mark.parametrize("model", ["openai/gpt-oss-120b", "Qwen/Qwen3-32B", "deepseek-ai/DeepSeek-R1"])
@pytest.mark.parametrize("system", ["a100_sxm", "b200_sxm"])
def test_dtypes_as_others_spell_them(model: str, system: str) -> None:
    """Those that an accelerator has no arithmetic for, too: it widens them first."""
    rows = [
        measured_row(
            model_path=model, system=system, tp_size="8", moe_tp_size="8", gemm_quant_mode=each, moe_quant_mode=each
        )
        for each in QUANTISED
    ]
    rows += [
        measured_row(
            model_path=model, system=system, tp_size="8", gemm_quant_mode="", moe_quant_mode="", precision=each
        )
        for each in ("fp4", "nvfp4", "bf16", "fp8", "int4", "int8", "")
    ]
    for each in scored(rows, "rows.csv", constants()):
        assert each.foreseen is not None, each.reason


def test_what_does_not_fit_but_was_measured_is_predicted() -> None:
    """DeepSeek-R1 in 16 bits on one L4."""
    row = measured_row(
        model_path="deepseek-ai/DeepSeek-R1", system="l4", gemm_quant_mode="bfloat16", tp_size="1", moe_tp_size="1"
    )
    (found,) = scored([row], "rows.csv", constants())
    assert found.foreseen is not None


def test_runs_that_speculated_are_told_by_their_experts() -> None:
    """InferenceMAX on TensorRT-LLM, H200: 7.1 ms with experts spread over ranks, 13.7 without, all else equal."""
    base = {"model_path": "deepseek-ai/DeepSeek-R1", "backend": "trtllm", "tp_size": "8", "osl": "8192"}
    spread, whole = (
        foresee(measured(measured_row(**base, moe_tp_size=split, moe_ep_size=expert), 2), constants()).tpot.value
        for split, expert in (("1", "8"), ("8", "1"))
    )
    assert 1.5 < whole / spread < 2.0
    elsewhere = measured_row(**base, moe_tp_size="1", moe_ep_size="8", silicon_data_source="silicon_concurrency=16")
    assert foresee(measured(elsewhere, 2), constants()).tpot.value > 1.5 * spread
