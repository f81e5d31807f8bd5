"""In which dtype the weights of a published checkpoint are, from the words of its config.json.

Methods: those that Transformers and vLLM load (docs of `quantization_config`), NVIDIA's ModelOpt, and MLX's
`quantization`. A method that is not known is an error: to guess would be wrong by a factor of two and more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headway.errors import UsageError
from headway.perf.catalog.fields import Fields

__all__ = ["native"]

PLAIN = {"bfloat16": "bf16", "float16": "bf16", "float32": "f32", "": "bf16"}
"""What engines do with weights that are not quantised: 16-bit floats stay, f32 is as it is."""

OF_METHOD = {
    "fp8": "fp8", "fbgemm_fp8": "fp8", "mxfp4": "mxfp4", "mxfp8": "mxfp8", "nvfp4": "nvfp4", "modelopt_fp4": "nvfp4",
}  # fmt: skip
BY_BITS = frozenset({"awq", "gptq", "auto-round", "autoround", "auto_round", "awq_marlin", "gptq_marlin", "hqq"})


def native(fields: Fields, name: str) -> str:
    """Raises UsageError for a method that is not known."""
    told = fields.get("quantization_config", "compression_config", "quantization")
    if not isinstance(told, Mapping):
        return PLAIN.get(str(fields.get("dtype", "torch_dtype") or ""), "bf16")
    method = str(told.get("quant_method") or "").casefold()
    if fields.get("expert_dtype") == "fp4":  # DeepSeek-V4: the experts, the rest in 8 bits
        return "mxfp4"
    if method in OF_METHOD:
        return OF_METHOD[method]
    if found := _by_method(method, told):
        return found
    what = f"method {method!r}" if method else "no method"
    raise UsageError(f"{name}: its quantization_config has {what}, which is not known", hint="name the dtype instead")


def _by_method(method: str, told: Mapping[str, Any]) -> str:
    if method == "compressed-tensors":
        return _compressed(told)
    if method == "modelopt":
        return _modelopt(str(told.get("quant_algo") or ""))
    if method == "bitsandbytes":
        return "int8" if told.get("load_in_8bit") else "int4"
    if method in BY_BITS or (not method and "bits" in told):
        return _of_bits(told.get("bits") or told.get("w_bit"), "int")
    return ""


def _compressed(told: Mapping[str, Any]) -> str:
    layout = str(told.get("format") or "")
    for known in ("nvfp4", "mxfp4", "mxfp8"):
        if layout.startswith(known):
            return known
    groups = told.get("config_groups")
    first = next(iter(groups.values()), None) if isinstance(groups, Mapping) else None
    weights = first.get("weights") if isinstance(first, Mapping) else None
    return _of_bits(weights.get("num_bits"), str(weights.get("type"))) if isinstance(weights, Mapping) else ""


def _modelopt(algorithm: str) -> str:
    if "FP4" in algorithm:
        return "nvfp4"
    if "FP8" in algorithm:
        return "fp8"
    return {"W4A16_AWQ": "int4", "W4A8_AWQ": "int4", "INT4": "int4"}.get(
        algorithm, "nvfp4" if "MIXED" in algorithm else ""
    )


def _of_bits(bits: object, kind: str) -> str:
    if kind == "float":
        return {8: "fp8", 4: "nvfp4", 16: "bf16"}.get(bits if isinstance(bits, int) else 0, "")
    return {4: "int4", 8: "int8"}.get(bits if isinstance(bits, int) else 0, "")
