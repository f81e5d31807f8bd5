"""Cores as an accelerator: so many of a processor that the catalogue has with its usual number."""

from __future__ import annotations

from dataclasses import replace

from headway.perf.catalog.accelerator import Accelerator

__all__ = ["CORES", "count_of", "faster", "some_cores"]

CORES = 8
"""Of the catalogue's `cpu`."""


def some_cores(whole: Accelerator, count: int, memory: int | None = None) -> Accelerator:
    """Arithmetic goes with the number of cores; so does the memory's bandwidth, until its channels are full. `memory`:
    bytes, None: as the catalogue has it."""
    reads, computes = faster(CORES, count)
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


def count_of(accelerator: Accelerator) -> int:
    """How many cores that is; 0: it is something else."""
    count, _, what = accelerator.name.partition(" ")
    return int(count) if what in ("core", "cores") and count.isdigit() else 0
