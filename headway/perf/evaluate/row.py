"""A measured row, as published dumps of benchmarks write it, and the Setting and load that it stands for.

Columns are those of aiconfigurator's silicon samples: latencies in ms against engine, model, system, degrees of
parallelism and concurrency. Such rows want reading: `tp_size` 64 with experts 8 x 8 is tensor parallel over 8 of which
experts are spread 8 ways (the id says tp8_ep8); a batch is per attention rank, and the concurrency of the whole engine
is in `silicon_data_source` where it is known; a quantised checkpoint of a 16-bit model brings an 8-bit KV cache
(NVIDIA's model optimizer writes it into them), TensorRT-LLM keeps one for 8-bit weights anyway.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from headway.errors import UsageError
from headway.perf.catalog.accelerator import Accelerator
from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.models import architecture
from headway.perf.setting import EngineFamily, Setting

__all__ = ["COLUMNS", "Measured", "Mode", "measured", "settings"]

Mode = Literal["agg", "disagg"]

COLUMNS = ("backend", "model_path", "system", "isl", "osl")
"""Without these a file has nothing to predict."""

_DTYPES = (
    ("nvfp4", "nvfp4"),
    ("mxfp4", "mxfp4"),
    ("w4a", "int4"),
    ("int4", "int4"),
    ("awq", "int4"),
    ("gptq", "int4"),
    ("fp4", "nvfp4"),
    ("fp8", "fp8"),
    ("int8", "int8"),
    ("sq", "int8"),
    ("w8a", "int8"),
    ("bfloat16", "bf16"),
    ("float16", "bf16"),
    ("bf16", "bf16"),
    ("fp16", "bf16"),
)
"""A part of what a row calls a quantisation -> the dtype, the first that is in it."""

_FOUR_BITS_OF_EXPERTS = frozenset({"int4", "mxfp4"})
"""Checkpoints of mixtures in these have the rest of the model in 16 bits (Kimi-K2.5, gpt-oss)."""

KV_IN_16_BITS = frozenset({"H100-SXM"})
"""Accelerators for which InferenceMAX's scripts of vLLM leave the cache in 16 bits: callers wait there as soon as half
as many tokens fit."""

NOTHING = frozenset({"", "nan", "none", "null"})
"""What tables write where there is nothing."""

NODE = 8
"""Accelerators: what two degrees multiply to beyond it, that are the same, is one degree written twice."""

_CONCURRENCY = re.compile(r"silicon_concurrency=(\d+)")
_MEMORY = re.compile(r"[_-]\d+gb$", re.IGNORECASE)
_IN_NAME = re.compile(r"_c(\d+)(?:_|$)")
_INTERNAL = "auto-gap"


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds and tokens. `callers`: of the whole engine, 0: not known. `ttft`, `tpot`: 0: not measured. `harness`:
    whose load it was. `parts` say the degrees of parallelism as the row has them: `""` of an aggregated engine,
    `prefill_` and `decode_` of the two."""

    line: int
    name: str
    mode: Mode
    engine: str
    model: str
    system: str
    harness: str
    prompt: int
    output: int
    callers: int
    ttft: float
    tpot: float
    precision: str
    weights: str
    expert_weights: str
    source: str
    parts: Mapping[str, Mapping[str, int]]

    @property
    def compared(self) -> bool:
        """Whether there is anything to compare a prediction with."""
        return self.ttft > 0 and self.tpot > 0

    @property
    def lane(self) -> str:
        """Rows whose errors are alike: of one mode, and of one harness."""
        return self.mode if self.harness == "inferencemax" else self.harness

    @property
    def group(self) -> tuple[str, str, str]:
        return self.system, self.model, self.engine


def measured(fields: Mapping[str, str], line: int, file: str = "") -> Measured:
    """UsageError: with file and line, where a figure is missing or is none."""
    where = f"{file}:{line}: " if file else f"line {line}: "
    source = fields.get("silicon_data_source") or ""
    mode: Mode = "disagg" if (fields.get("mode") or "agg").strip() == "disagg" else "agg"
    parts = {each: _degrees(fields, each, where) for each in (("prefill_", "decode_") if mode == "disagg" else ("",))}
    found = _CONCURRENCY.search(source) or _IN_NAME.search(fields.get("id") or "")
    return Measured(
        line=line,
        name=fields.get("id") or str(line),
        mode=mode,
        engine=_text(fields, "backend", where).lower(),
        model=_text(fields, "model_path", where),
        system=_text(fields, "system", where),
        harness="internal" if _INTERNAL in source else "inferencemax",
        prompt=round(_figure(fields, "isl", where)),
        output=round(_figure(fields, "osl", where)),
        callers=int(found[1]) if found else _callers(parts),
        ttft=_told(fields, "silicon_ttft_ms", where) / 1e3,
        tpot=_told(fields, "silicon_tpot_ms", where) / 1e3,
        precision=fields.get("precision") or "",
        weights=fields.get("gemm_quant_mode") or "",
        expert_weights=fields.get("moe_quant_mode") or "",
        source=source,
        parts=parts,
    )


def settings(row: Measured) -> tuple[Setting, ...]:
    """One, or those of prefill and decode. UsageError: the engine, model or system is not known, or a degree is."""
    engine = {"tensorrt-llm": "trtllm", "trt": "trtllm"}.get(row.engine, row.engine)
    if engine not in get_args(EngineFamily):
        raise UsageError(f"unknown backend {row.engine!r}", hint=f"one of {', '.join(get_args(EngineFamily))}")
    model, on = architecture(row.model), _system(row.system)
    weights, experts = _weights(row, model)
    kv = _kv(engine, model, weights, row.model, on)
    found = []
    for each in row.parts.values():
        tensor, data, expert = _layout(each)
        if model.kv_lora and tensor > on.node and expert == tensor:
            tensor, data = 1, tensor  # latents on every rank of two nodes: nobody runs that but data parallel
        found.append(
            Setting(model, on, engine, weights, experts, kv, tensor, each["pp_size"], data, expert)  # type: ignore[arg-type] # looked up above
        )
    return tuple(found)


def _system(name: str) -> Accelerator:
    """Some add the memory: a100_sxm_80gb."""
    plain = _MEMORY.sub("", name)
    try:
        return accelerator(name)
    except UsageError:
        if plain == name:
            raise
        return accelerator(plain)


def _layout(degrees: Mapping[str, int]) -> tuple[int, int, int]:
    """Tensor, data and expert degrees of what the row says."""
    tensor, data = degrees["tp_size"], degrees["attention_dp_size"]
    split, expert = degrees["moe_tp_size"], degrees["moe_ep_size"]
    if split * expert > NODE and split == expert and tensor * data == split * expert:
        tensor, data, split = (split, 1, 1) if tensor > 1 else (1, split, 1)
    elif expert > NODE and tensor == data and expert == tensor * data:
        data, expert = 1, tensor
    if tensor * data < split * expert:
        data = split * expert // tensor
    return tensor, data, min(expert, tensor * data)


def _weights(row: Measured, model: Architecture) -> tuple[str, str]:
    named = [_dtype(each) for each in (row.weights, row.expert_weights, row.precision)]
    weights = named[0] or named[2] or model.native
    experts = named[1] or named[0] or named[2] or model.native
    if model.experts and model.native in _FOUR_BITS_OF_EXPERTS:
        weights, experts = "bf16", model.native
    return weights, experts if model.experts else weights


def _dtype(named: str) -> str:
    return next((dtype for part, dtype in _DTYPES if part in named.lower()), "")


def _kv(engine: str, model: Architecture, weights: str, named: str, on: Accelerator) -> str:
    if weights not in ("fp8", "nvfp4", "fp8_block"):
        return "bf16"
    if engine == "trtllm":
        return "fp8"
    quantised = named.lower().startswith("nvidia/") or architecture(model.name).native == "bf16"
    return "fp8" if engine == "vllm" and quantised and on.name not in KV_IN_16_BITS else "bf16"


def _degrees(fields: Mapping[str, str], prefix: str, where: str) -> dict[str, int]:
    names = ("batch_size", "num_workers", "tp_size", "pp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size")
    least = {"batch_size": 0, "num_workers": 0}
    return {name: max(least.get(name, 1), round(_told(fields, prefix + name, where))) for name in names}


def _callers(parts: Mapping[str, Mapping[str, int]]) -> int:
    """By the batch of each attention rank."""
    last = parts.get("decode_") or parts[""]
    return last["batch_size"] * _layout(last)[1] * max(1, last["num_workers"])


def _text(fields: Mapping[str, str], name: str, where: str) -> str:
    if value := (fields.get(name) or "").strip():
        return value
    raise UsageError(f"{where}{name} is empty", hint="each row wants one")


def _told(fields: Mapping[str, str], name: str, where: str) -> float:
    """0: it is not told."""
    return 0.0 if (fields.get(name) or "").strip().lower() in NOTHING else _figure(fields, name, where)


def _figure(fields: Mapping[str, str], name: str, where: str) -> float:
    value = _text(fields, name, where)
    try:
        figure = float(value)
    except ValueError:
        raise UsageError(f"{where}{name} is {value!r}, not a number") from None
    if not 0 <= figure < 1e12:
        raise UsageError(f"{where}{name} is {value}, not a positive number")
    return figure
