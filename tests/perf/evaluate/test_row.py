"""What a measured row stands for: degrees, dtypes, callers; and what is wrong with one that stands for nothing."""

from __future__ import annotations

import pytest

from headway.errors import UsageError
from headway.perf.evaluate.row import measured, settings
from tests.support.performance import measured_row


def degrees(**changed: str) -> tuple[int, int, int]:
    (found,) = settings(measured(measured_row(**changed), 2))
    return found.tensor, found.data, found.expert


def test_a_plain_row() -> None:
    row = measured(measured_row(), 7)
    (found,) = settings(row)
    assert (row.line, row.mode, row.harness, row.callers) == (7, "agg", "inferencemax", 16)
    assert (row.ttft, row.tpot) == (pytest.approx(0.126), pytest.approx(0.0109))
    assert (found.tensor, found.pipeline, found.data, found.expert) == (4, 1, 1, 1)
    assert found.accelerator.name == "H200-SXM"
    assert found.model.layers == 80


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"tp_size": "64", "moe_tp_size": "8", "moe_ep_size": "8"}, (8, 1, 8)),
        ({"tp_size": "1", "attention_dp_size": "64", "moe_tp_size": "8", "moe_ep_size": "8"}, (1, 8, 8)),
        ({"tp_size": "4", "attention_dp_size": "4", "moe_tp_size": "1", "moe_ep_size": "16"}, (4, 1, 4)),
        ({"tp_size": "4", "attention_dp_size": "1", "moe_tp_size": "2", "moe_ep_size": "2"}, (4, 1, 2)),
        ({"tp_size": "1", "attention_dp_size": "8", "moe_tp_size": "1", "moe_ep_size": "8"}, (1, 8, 8)),
        ({"tp_size": "1", "attention_dp_size": "", "moe_tp_size": "4", "moe_ep_size": "1"}, (1, 4, 1)),
        ({"tp_size": "1", "attention_dp_size": "32", "moe_tp_size": "1", "moe_ep_size": "32"}, (1, 32, 32)),
    ],
)
def test_degrees_as_they_are_meant(written: dict[str, str], meant: tuple[int, int, int]) -> None:
    assert degrees(**written) == meant


@pytest.mark.parametrize(
    ("written", "weights", "experts", "kv"),
    [
        ({}, "fp8", "fp8", "fp8"),  # a quantised checkpoint of a 16-bit model brings its cache
        ({"system": "h100_sxm"}, "fp8", "fp8", "bf16"),
        ({"system": "b200_sxm"}, "fp8", "fp8", "fp8"),
        ({"backend": "sglang"}, "fp8", "fp8", "bf16"),
        ({"backend": "trtllm"}, "fp8", "fp8", "fp8"),
        ({"gemm_quant_mode": "", "precision": "bf16"}, "bf16", "bf16", "bf16"),
        ({"gemm_quant_mode": "nvfp4", "backend": "trtllm"}, "nvfp4", "nvfp4", "fp8"),
        ({"model_path": "MiniMaxAI/MiniMax-M2.5"}, "fp8", "fp8", "bf16"),
        (
            {"model_path": "moonshotai/Kimi-K2.5", "gemm_quant_mode": "int4_wo", "moe_quant_mode": "int4_wo"},
            "bf16",
            "int4",
            "bf16",
        ),
        (
            {"model_path": "openai/gpt-oss-120b", "gemm_quant_mode": "bfloat16", "moe_quant_mode": "w4a16_mxfp4"},
            "bf16",
            "mxfp4",
            "bf16",
        ),
        (
            {"model_path": "openai/gpt-oss-120b", "gemm_quant_mode": "", "moe_quant_mode": "", "precision": "fp4"},
            "bf16",
            "mxfp4",
            "bf16",
        ),
    ],
)
def test_dtypes(written: dict[str, str], weights: str, experts: str, kv: str) -> None:
    (found,) = settings(measured(measured_row(**written), 2))
    assert (found.weights, found.expert_weights if found.model.experts else experts, found.kv) == (weights, experts, kv)


def test_what_is_not_told_is_one() -> None:
    assert degrees(pp_size="nan", attention_dp_size="0", moe_tp_size="", moe_ep_size="None") == (4, 1, 1)


def test_callers_by_the_batch_of_each_rank_where_the_source_does_not_tell() -> None:
    row = measured(
        measured_row(silicon_data_source="x", tp_size="1", attention_dp_size="8", moe_tp_size="1", moe_ep_size="8"), 2
    )
    assert row.callers == 16 * 8


def test_callers_by_the_name_of_a_row() -> None:
    assert (
        measured(measured_row(silicon_data_source="", id="dsr1_h200_fp8_disagg_1024x1024_c576_cfg303"), 2).callers
        == 576
    )


def test_prefill_and_decode_apart() -> None:
    apart = {f"{kind}_{name}": "1" for kind in ("prefill", "decode") for name in ("pp_size", "moe_tp_size")}
    apart |= {"prefill_tp_size": "8", "prefill_moe_ep_size": "8", "decode_tp_size": "1"}
    apart |= {"decode_attention_dp_size": "8", "decode_moe_ep_size": "8", "decode_num_workers": "3"}
    row = measured(measured_row(mode="disagg", model_path="deepseek-ai/DeepSeek-R1", **apart), 2)
    prefill, decode = settings(row)
    assert (prefill.tensor, prefill.data, decode.tensor, decode.data) == (8, 1, 1, 8)
    assert row.parts["decode_"]["num_workers"] == 3
    assert row.parts["prefill_"]["num_workers"] == 0  # not told


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"isl": "many"}, "rows.csv:9: isl is 'many', not a number"),
        ({"osl": ""}, "rows.csv:9: osl is empty"),
        ({"silicon_tpot_ms": "-3"}, "rows.csv:9: silicon_tpot_ms is -3, not a positive number"),
        ({"silicon_ttft_ms": "inf"}, "rows.csv:9: silicon_ttft_ms is inf, not a positive number"),
        ({"tp_size": "x"}, "rows.csv:9: tp_size is 'x', not a number"),
    ],
)
def test_a_row_that_is_none_names_its_line(written: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        measured(measured_row(**written), 9, "rows.csv")


def test_an_unknown_backend_is_told() -> None:
    with pytest.raises(UsageError, match="unknown backend 'lmdeploy'"):
        settings(measured(measured_row(backend="lmdeploy"), 2))
