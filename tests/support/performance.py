"""Constants without surprises for tests of the model of performance: every kernel reaches all of the data sheet, and
nothing takes time but what a test switches on. Measured rows, as dumps of benchmarks write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from headway.perf.catalog.accelerator import Accelerator
from headway.perf.catalog.architecture import Architecture
from headway.perf.constants import Bands, Constants, Engine, Harness, Kernels, Spread
from headway.perf.setting import Setting

__all__ = ["DENSE", "GPU", "MIXTURE", "constants_with", "measured_row", "setting"]

GPU = Accelerator("Made", "NVIDIA", "Made", 90, 80 * 10**9, 1e12, {"bf16": 1e14, "fp8": 2e14}, 1e11, 1e10, 8, 700.0)
"""1 TB/s, 100 TFLOP/s in bf16, 100 GB/s between two."""

DENSE = Architecture("dense", layers=10, hidden=1000, heads=10, kv_heads=2, head_dim=100, ffn=4000, vocabulary=10_000)
MIXTURE = replace(DENSE, name="mixture", ffn=0, experts=16, top_k=2, moe_ffn=500)

_KERNELS = Kernels(
    flops={"bf16": 1.0, "fp8": 1.0},
    expert_flops={"bf16": 1.0, "fp8": 1.0},
    stream=1.0,
    expert_stream=1.0,
    cache_stream=1.0,
    attend=1.0,
    sharpness=2.0,
    skew=1.0,
    tile=0.0,
    product=0.0,
    row=0.0,
    picking=0.0,
    linear=0.0,
    batched=0.5,
    uneven=0.0,
    gather={"2": 0.0, "8": 0.0},
    gather_pcie=0.0,
    gather_fabric=5e-5,
    link=1.0,
    pcie=1.0,
    hop=0.0,
    fabric=1e10,
)

_ENGINE = Engine(
    step=0.0,
    sequence=0.0,
    layer=0.0,
    mixture=0.0,
    latent=0.0,
    prompt_layer=0.0,
    token=0.0,
    slower=1.0,
    request=0.0,
    memory_share=0.9,
    of_free=False,
    reserve=1e9,
    most_sequences=256,
    token_budget=8192,
)


def constants_with(engine: dict[str, Any] | None = None, **kernels: Any) -> Constants:
    one = replace(_ENGINE, **(engine or {}))
    spreads = {"tpot": Spread(-0.1, 0.1, 100), "ttft": Spread(-0.3, 0.3, 100)}
    harness = Harness(spread=0.2, rounds=10, dense={}, mixture={})
    return Constants(
        source="made for tests",
        date="2026-01-01",
        rows=0,
        kernels=replace(_KERNELS, **kernels),
        engines={"vllm": one, "sglang": one, "trtllm": replace(one, of_free=True)},
        harnesses={"inferencemax": harness, "internal": harness},
        bands=Bands(spreads),
    )


def setting(model: Architecture = DENSE, **changed: Any) -> Setting:
    return replace(Setting(model, GPU), **changed)


def measured_row(**changed: str) -> dict[str, str]:
    """Llama-3.1-70B in 8 bits on four H200, 16 callers."""
    row = {
        "id": "one",
        "silicon_data_source": "source_file=2026-04-06.csv; silicon_concurrency=16",
        "backend": "vllm",
        "backend_version": "0.12.0",
        "model_path": "meta-llama/Llama-3.1-70B",
        "system": "h200_sxm",
        "precision": "fp8",
        "mode": "agg",
        "isl": "1024",
        "osl": "1024",
        "gemm_quant_mode": "fp8",
        "moe_quant_mode": "fp8",
        "batch_size": "16",
        "tp_size": "4",
        "pp_size": "1",
        "attention_dp_size": "1",
        "moe_tp_size": "4",
        "moe_ep_size": "1",
        "silicon_ttft_ms": "126",
        "silicon_tpot_ms": "10.9",
    }
    return row | changed
