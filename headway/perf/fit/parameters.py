"""What is fitted, from where it starts and how far it may be from there.

The start of what kernels reach is what the tables of single operations say (`operations.py`); of an engine's own work
what its makers and others measured. Each is a length, a share or a time, so that it is fitted by its logarithm, and
the further from the start (in units of `spread`) the more it costs: with few systems and models to learn from, what
they do not tell stays as physics has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp
from typing import Any

import msgspec

from headway.perf.constants import Constants
from headway.perf.fit.operations import Operation

__all__ = ["PARAMETERS", "Parameter", "changed", "informed"]

ENGINES = ("vllm", "sglang", "trtllm")


@dataclass(frozen=True, slots=True)
class Parameter:
    """`path` to it in the file of constants; `start`; `spread`: a standard deviation of its logarithm."""

    path: tuple[str, ...]
    start: float
    spread: float

    @property
    def name(self) -> str:
        return ".".join(self.path)


def _kernels() -> Iterator[Parameter]:
    for path, start, spread in (
        ("flops.bf16", 0.80, 0.15),
        ("flops.fp8", 0.60, 0.2),
        ("expert_flops.bf16", 0.25, 0.4),
        ("expert_flops.fp8", 0.12, 0.4),
        ("expert_flops.mxfp4", 0.25, 0.4),  # no whole run tells of it: it stays where operations say
        ("stream", 0.82, 0.08),
        ("expert_stream", 0.70, 0.1),
        ("cache_stream", 0.85, 0.1),
        ("attend", 0.65, 0.15),
        ("skew", 0.90, 0.15),
        ("tile", 8.0, 0.5),
        ("product", 3e-6, 0.3),
        ("row", 4.5e-8, 0.4),
        ("picking", 2e-5, 0.7),
        ("linear", 2e-5, 0.7),
        ("gather.2", 4.5e-6, 0.3),
        ("gather.4", 5e-6, 0.3),
        ("gather.8", 6e-6, 0.3),
        ("link", 0.60, 0.3),
        ("uneven", 0.10, 0.7),
    ):
        yield Parameter(("kernels", *path.split(".")), start, spread)


def _engines() -> Iterator[Parameter]:
    for engine in ENGINES:
        for name, start, spread in (
            ("step", 1e-3, 0.7),
            ("sequence", 1e-5, 0.7),
            ("layer", 2e-5, 0.5),
            ("mixture", 2.5e-5, 0.5),
            ("latent", 1.5e-5, 0.8),
            ("prompt_layer", 5e-5, 1.0),
            ("token", 3e-7, 1.0),
            ("slower", 1.0, 0.1),
            ("request", 0.03, 0.7),
        ):
            yield Parameter(("engines", engine, name), start, spread)
        yield Parameter(("harnesses", "inferencemax", "mixture", engine), 0.08, 1.0)
        yield Parameter(("harnesses", "internal", "dense", engine), 0.1, 1.0)
        yield Parameter(("harnesses", "internal", "mixture", engine), 0.1, 1.0)


PARAMETERS: tuple[Parameter, ...] = (*_kernels(), *_engines())


def informed(found: Iterable[Operation]) -> tuple[Parameter, ...]:
    """The parameters, those that tables of operations tell of starting there; the first table that does counts."""
    known: dict[str, float] = {}
    for each in found:
        for name, value in each.values.items():
            known.setdefault(f"kernels.{name}", value)
    known.pop("kernels.product")  # in a CUDA graph a kernel's start overlaps the one before it
    return tuple(replace(each, start=known.get(each.name, each.start)) for each in PARAMETERS)


def changed(base: Constants, parameters: Sequence[Parameter], logs: Iterable[float]) -> Constants:
    """`base` with these values; four-bit arithmetic, which no row has, keeps its ratio to that in eight bits."""
    whole: dict[str, Any] = msgspec.to_builtins(base)
    for each, value in zip(parameters, logs, strict=True):
        at = whole
        for name in each.path[:-1]:
            at = at[name]
        at[each.path[-1]] = exp(value)
    for name in ("flops", "expert_flops"):
        shares: dict[str, float] = whole["kernels"][name]
        shares["int8"] = shares["fp8"]
        shares["fp4"] = shares["fp8"] * FOUR_BITS
    return msgspec.convert(whole, Constants)


FOUR_BITS = 0.75
"""Share of what products in eight bits reach of their data sheet's FLOP/s, that those in four bits do: CUTLASS and
cuBLAS reach 5.5 to 6.5 of 9 PFLOP/s on B200 in NVFP4, 3 to 3.4 of 4.5 in FP8 (NVIDIA's CUTLASS 4 and cuBLAS 12.9
notes); rough."""
