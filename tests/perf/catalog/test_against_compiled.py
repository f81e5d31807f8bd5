"""Our rows beside tables that others compiled, where those are: every product and model of theirs is known here."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from headway.perf.catalog import parameters
from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.models import architecture

COMPILED = Path(__file__).parents[4] / "shared" / "data" / "perf"

OTHERWISE = {  # theirs count linear layers as attention, all layers as windows, or experts in all blocks
    "Llama-4", "Qwen3.5", "Qwen3.6", "Nemotron", "MiniMax-M3", "Step-3.7", "DeepSeek-V4", "DeepSeek-V3.2", "GLM-5",
    "Kimi-K3", "MiMo-V2", "gemma-4", "Gemma-4",
}  # fmt: skip


def rows(name: str) -> list[dict[str, str]]:
    path = COMPILED / name
    if not path.exists():
        pytest.skip(f"needs {name}, which others compiled and which is not part of the project (../shared/data/perf)")
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_accelerators() -> None:
    for row in rows("gpus.csv"):
        ours = accelerator(row["gpu"])
        assert float(row["mem_gb"]) * 0.92 < ours.memory / 2**30 <= float(row["mem_gb"]) * 1.01
        assert ours.bandwidth / 1e9 == pytest.approx(float(row["bw_gbs"]), rel=0.12)  # an edition of RTX PRO 6000
        assert ours.flops["bf16"] / 1e12 == pytest.approx(float(row["bf16_tflops"]), rel=0.01)
        assert ours.flops.get("fp8", 0) / 1e12 == pytest.approx(float(row["fp8_tflops"]), rel=0.01)
        assert ours.power == float(row["tdp_w"] or ours.power)


def test_slices() -> None:
    for row in rows("mig.csv"):
        whole = accelerator(row["gpu"])
        ours = next(each for each in whole.slices if each.profile == row["profile"])
        assert ours.memory == float(row["memory_and_bw_frac"]) == ours.bandwidth
        assert ours.compute == pytest.approx(float(row["compute_frac"]), abs=1e-4)
        assert ours.most == int(row["max_instances"])


def test_models() -> None:
    compared = 0
    for row in rows("models.csv"):
        ours = architecture(row["model"])
        if any(each in row["model"] for each in OTHERWISE):
            continue
        compared += 1
        if row["params_b_est"]:
            assert parameters.total(ours) / 1e9 == pytest.approx(float(row["params_b_est"]), rel=0.02), row["model"]
        kept = float(row["kv_bytes_per_token_bf16"])
        assert parameters.kv_bytes_per_token(ours) == pytest.approx(kept), row["model"]
    assert compared > 60
