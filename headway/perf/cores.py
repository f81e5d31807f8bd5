"""Cores as an accelerator: so many of a processor that the catalogue has with its usual number."""

from __future__ import annotations

from dataclasses import replace

from headway.perf.catalog.accelerator import Accelerator

__all__ = ["CORES", "count_of", "crowded", "faster", "some_cores"]

CORES = 8
"""Of the catalogue's `cpu`."""


def some_cores(whole: Accelerator, count: int, memory: int | None = None, *, of: int = CORES) -> Accelerator:
    """So many of the `of` that `whole` is. Arithmetic goes with the number of cores; so does the memory's bandwidth,
    until its channels are full. `memory`: bytes, None: as `whole` has it."""
    reads, computes = faster(of, count)
    return replace(
        whole,
        name=f"{count} cores" if count != 1 else "1 core",
        memory=whole.memory if memory is None else memory,
        bandwidth=whole.bandwidth * reads,
        flops={dtype: rate * computes for dtype, rate in whole.flops.items()},
        node=1,
        link=0.0,
    )


def faster(these: int, those: int) -> tuple[float, float]:
    """By what factors `those` many cores read and compute faster than `these` many; 0 of either: no cores, 1."""
    if not these or not those:
        return 1.0, 1.0
    return min(1.0, 2 * those / CORES) / min(1.0, 2 * these / CORES), those / these


def crowded(others: float, shared: float, part: float) -> float:
    """By what factor steps take longer while so many other replicas compute on the same processor: they have memory
    and caches in common (`shared`, for each), and threads beyond the cores take turns. `part`: of the cores, what one
    replica's threads are."""
    return max(1.0, (others + 1.0) * part) * (1.0 + shared * others)


def count_of(accelerator: Accelerator) -> int:
    """How many cores that is; 0: it is something else."""
    count, _, what = accelerator.name.partition(" ")
    return int(count) if what in ("core", "cores") and count.isdigit() else 0
