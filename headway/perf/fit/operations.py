"""What kernels reach, from tables of single operations: products, attention, experts, collectives on A100 and H100.

These are aiconfigurator's own tables (vLLM's kernels, one operation timed in a loop). Each is fitted by the same
formula as the step model has for it, over the data sheet's figures, so that the constants have no unit of an
accelerator in them and can be carried from one to another: `carried` tells how well that goes. What they give is where
the fit of whole runs starts, not where it ends: beside others an operation is a little slower than alone.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from headway.errors import UsageError
from headway.perf.catalog.accelerators import accelerator
from headway.perf.dtypes import bytes_of

__all__ = ["Operation", "carried", "operations"]

Row = Mapping[str, str]
Floats = npt.NDArray[np.float64]

SYSTEMS = ("h100_sxm", "a100_sxm")
DTYPES = {"bfloat16": "bf16", "fp8": "fp8"}
WIDENED = "w4a16_mxfp4"
"""Experts in mxfp4 that are multiplied in bf16: one kernel of gpt-oss's shapes and one of another. No whole run has
them."""
EVERY = 7
"""Of the larger tables every so many rows: the grids are dense."""
TILE = 8.0


@dataclass(frozen=True, slots=True)
class Operation:
    """A formula of constants (by their names) fitted to `rows` rows; `misses`: the median of abs(log) residuals."""

    name: str
    values: Mapping[str, float]
    rows: int
    misses: float


@dataclass(frozen=True, slots=True)
class _Table:
    """`predict`: seconds by the constants `names`, of the features of each row."""

    name: str
    names: tuple[str, ...]
    start: tuple[float, ...]
    predict: Callable[[Floats, Floats], Floats]
    features: Floats
    seconds: Floats


def operations(folder: Path) -> list[Operation]:
    """UsageError: there are no such tables."""
    found = folder / "perf" / "ops" if (folder / "perf").is_dir() else folder / "ops"
    if not found.is_dir():
        raise UsageError(f"no {found}", hint="name the folder that has ops/ with the tables of operations")
    return [_fitted(each) for each in _tables(found, SYSTEMS)] + list(_collectives(found))


def carried(folder: Path) -> Iterator[tuple[str, float, float]]:
    """Of each table: the median error on A100 of constants fitted on H100's, and of those fitted on its own."""
    found = folder / "perf" / "ops" if (folder / "perf").is_dir() else folder / "ops"
    there = {each.name: each for each in _tables(found, ("a100_sxm",))}
    for each in _tables(found, ("h100_sxm",)):
        if each.name in there:
            of = there[each.name]
            other = np.array(list(_fitted(each).values.values()))
            yield each.name, _miss(of, other), _fitted(of).misses


def _fitted(table: _Table) -> Operation:
    from scipy.optimize import least_squares  # noqa: PLC0415 # only the extra `headway[fit]` has it

    def residuals(at: Floats) -> Floats:
        return np.clip(np.log(table.predict(np.exp(at), table.features) / table.seconds), -1.0, 1.0)

    best = least_squares(residuals, np.log(table.start), loss="soft_l1", f_scale=0.2)
    values = np.exp(best.x)
    told = dict(zip(table.names, map(float, values), strict=True))
    return Operation(table.name, told, len(table.seconds), _miss(table, values))


def _miss(table: _Table, values: Floats) -> float:
    return float(np.median(np.abs(np.log(table.predict(values, table.features) / table.seconds))))


def _tables(folder: Path, systems: Sequence[str]) -> Iterator[_Table]:
    for dtype, own in DTYPES.items():
        products = _gathered(folder, systems, "gemm", partial(_product, dtype))
        if products is not None:
            names = f"flops.{own}", "stream", "product"
            yield _Table(f"products in {own}", names, (0.7, 0.8, 4e-6), _roofline, *products)
    prompts = _gathered(folder, systems, "context_attention", _prompt)
    if prompts is not None:
        yield _Table(
            "attention over prompts",
            ("attend", "prompt moved", "prompt kernel"),
            (0.6, 0.5, 1e-5),
            lambda p, x: p[2] + x[:, 0] / p[0] + x[:, 1] / p[1],
            *prompts,
        )
    tokens = _gathered(folder, systems, "generation_attention", _token)
    if tokens is not None:
        yield _Table(
            "attention in decoding",
            ("cache_stream", "row", "decode kernel"),
            (0.8, 5e-8, 1e-5),
            lambda p, x: p[2] + x[:, 0] / p[0] + x[:, 1] * p[1],
            *tokens,
        )
    for dtype, own in DTYPES.items():
        experts = _gathered(folder, systems, "moe", partial(_experts, dtype))
        if experts is not None:
            names = f"expert_flops.{own}", "expert reading", "expert kernels"
            yield _Table(f"experts in {own}", names, (0.3, 0.7, 4e-5), _roofline, *experts)
    widened = _gathered(folder, systems, "moe", partial(_experts, WIDENED))
    if widened is not None:
        names = "expert_flops.mxfp4", "expert reading", "expert kernels"
        yield _Table("experts in mxfp4", names, (0.3, 0.7, 4e-5), _roofline, *widened)


def _roofline(constants: Floats, features: Floats) -> Floats:
    """A kernel's own time, and the smooth maximum of arithmetic and reading."""
    seconds: Floats = constants[2] + np.hypot(features[:, 0] / constants[0], features[:, 1] / constants[1])
    return seconds


def _gathered(
    folder: Path, systems: Sequence[str], table: str, feature: Callable[[Row, str], tuple[float, float] | None]
) -> tuple[Floats, Floats] | None:
    """Two features of each row that has them, and its seconds; none: there are no such rows."""
    features, seconds = [], []
    for system in systems:
        for number, row in enumerate(_rows(folder, system, table)):
            found = feature(row, system) if number % EVERY == 0 else None
            if found is not None:
                features.append(found)
                seconds.append(float(row["latency"]) / 1e3)
    return (np.array(features), np.array(seconds)) if features else None


def _rows(folder: Path, system: str, table: str) -> Iterator[Row]:
    for file in sorted(folder.glob(f"{system}.*{table}_perf.csv.gz")):
        with gzip.open(file, "rt", newline="") as lines:
            yield from csv.DictReader(lines)


def _figures(row: Row, *names: str) -> tuple[float, ...]:
    return tuple(float(row[name]) for name in names)


def _product(dtype: str, row: Row, system: str) -> tuple[float, float] | None:
    """Of the sizes that layers have: seconds of its arithmetic and of reading its weights, by the data sheet."""
    on, own = accelerator(system), DTYPES[dtype]
    m, n, k = _figures(row, "m", "n", "k")
    if row["gemm_dtype"] != dtype or own not in on.flops or min(n, k) < 1024 or n * k > 4e8 or m > 16384:
        return None
    return 2 * m * n * k / on.flops[own], n * k * bytes_of(own) / on.bandwidth


def _prompt(row: Row, system: str) -> tuple[float, float] | None:
    on = accelerator(system)
    batch, length, heads, kv, width = _figures(row, "batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim")
    if width != 128 or row["kv_cache_dtype"] != "bfloat16" or _figures(row, *_window(row)) not in ((), (0.0,)):
        return None
    moved = batch * length * 4 * (heads + kv) * width
    return 2 * batch * length**2 * heads * width / on.flops["bf16"], moved / on.bandwidth


def _token(row: Row, system: str) -> tuple[float, float] | None:
    on = accelerator(system)
    batch, length, step, kv, width = _figures(row, "batch_size", "isl", "step", "num_key_value_heads", "head_dim")
    if width != 128 or row["kv_cache_dtype"] != "bfloat16" or _figures(row, *_window(row)) not in ((), (0.0,)):
        return None
    return batch * (length + step) * 4 * kv * width / on.bandwidth, batch


def _window(row: Row) -> tuple[str, ...]:
    return ("window_size",) if row.get("window_size") else ()


def _experts(dtype: str, row: Row, system: str) -> tuple[float, float] | None:
    """Seconds of the arithmetic, tiles filled up, and of reading the experts that an even router hits."""
    on = accelerator(system)
    own, weights = ("bf16", "mxfp4") if dtype == WIDENED else (DTYPES[dtype], DTYPES[dtype])
    if row["moe_dtype"] != dtype or own not in on.flops or row["distribution"] != "power_law_1.01":
        return None
    names = ("num_tokens", "hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size", "moe_ep_size")
    tokens, hidden, inter, top, experts, split, spread = _figures(row, *names)
    if spread > 8 or inter / split < 64:
        return None
    each = 3 * hidden * inter / split
    hit = experts / spread * (1 - (1 - top / experts) ** tokens)
    computed = 2 * each * (tokens * top / spread + hit * TILE / 2) / on.flops[own]
    return computed, hit * each * bytes_of(weights) / on.bandwidth


def _collectives(folder: Path) -> Iterator[Operation]:
    """The least latency of vLLM's own reduction in a CUDA graph, and what large ones reach of the link."""
    values: dict[str, list[float]] = {}
    rows = 0
    for system in SYSTEMS:
        link = accelerator(system).link
        for row in _rows(folder, system, "custom_allreduce"):
            ranks, elements, milliseconds = _figures(row, "num_gpus", "message_size", "latency")
            if row["backend"] != "vllm_graph":
                continue
            rows += 1
            if elements <= 1024:
                values.setdefault(f"gather.{ranks:.0f}", []).append(milliseconds / 1e3)
            elif elements >= 1 << 23:
                moved = 2 * (ranks - 1) / ranks * elements * 2
                values.setdefault("link", []).append(moved / link / (milliseconds / 1e3))
    if values:
        yield Operation("collectives", {name: float(np.median(each)) for name, each in values.items()}, rows, 0.0)
