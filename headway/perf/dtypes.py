"""Bytes of a value by dtype, and the arithmetic an accelerator does it in.

Scales are counted: nvfp4 has an fp8 scale for each 16 values (0.5625 bytes), mxfp4 one of 8 bits for each 32 (0.53),
int4 a bf16 scale and zero for each 128 (AWQ and GPTQ, g128: 0.52); ggml's types have their block sizes (ggml-common.h),
its mixes (_m) the bits that llama.cpp's quantize tells for them.
Weights of four bits are widened before they are multiplied where the accelerator has no such arithmetic (Marlin).
"""

from __future__ import annotations

from collections.abc import Mapping

from headway.errors import UsageError
from headway.perf.catalog.accelerator import Accelerator

__all__ = ["BYTES", "arithmetic", "bytes_of"]

BYTES: Mapping[str, float] = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "fp8": 1.0,
    "fp8_block": 1.0,
    "int8": 1.0,
    "int4": 0.52,
    "nvfp4": 0.5625,
    "mxfp4": 0.53125,
    "mxfp8": 33 / 32,
    "q8_0": 34 / 32,
    "q6_k": 210 / 256,
    "q5_k_m": 5.69 / 8,
    "q5_k": 176 / 256,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_k_m": 4.85 / 8,
    "q4_k": 144 / 256,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
    "iq4_xs": 136 / 256,
    "q3_k_m": 3.91 / 8,
    "q3_k": 110 / 256,
    "q2_k": 84 / 256,
}
"""Of one value, with its share of the scales."""

_ARITHMETIC: Mapping[str, tuple[str, ...]] = {
    "fp8": ("fp8", "bf16"),
    "fp8_block": ("fp8", "bf16"),
    "int8": ("int8", "bf16"),
    "nvfp4": ("fp4", "bf16"),
    "mxfp4": ("fp4", "bf16"),
}


def bytes_of(dtype: str) -> float:
    """Bytes of one value. UsageError: no such dtype."""
    try:
        return BYTES[dtype]
    except KeyError:
        raise UsageError(f"unknown dtype {dtype!r}", hint=f"one of {', '.join(BYTES)}") from None


def arithmetic(dtype: str, accelerator: Accelerator) -> str:
    """In which dtype `accelerator` multiplies such weights: the first it can of what suits them, else bf16."""
    for each in _ARITHMETIC.get(dtype, ("bf16",)):
        if accelerator.flops.get(each):
            return each
    return "bf16"
