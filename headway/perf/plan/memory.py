"""What the memory of one accelerator of a replica is used for. Bytes."""

from __future__ import annotations

from dataclasses import dataclass

from headway.perf.limits import weight_bytes
from headway.perf.setting import Setting
from headway.perf.step.cache import cache_of
from headway.perf.step.shape import Limits

__all__ = ["Memory", "memory_of"]


@dataclass(frozen=True, slots=True)
class Memory:
    """`engine`: activations, graphs and buffers; `left`: not the engine's to take. `kv_tokens`: of the whole replica;
    `sequences`: so many mean requests fit at once."""

    total: float
    weights: float
    kv: float
    engine: float
    left: float
    kv_tokens: int
    sequences: int


def memory_of(setting: Setting, limits: Limits, mean: float) -> Memory:
    """`mean`: tokens of a request when it is half done. The Setting's `memory_share` is said."""
    total, weights = float(setting.accelerator.memory), weight_bytes(setting)
    cache = cache_of(setting)
    kv = limits.kv_tokens / setting.data * cache.token + cache.sequence
    left = total * (1 - (setting.memory_share or 1.0))
    return Memory(
        total=total,
        weights=weights,
        kv=kv,
        engine=max(0.0, total - weights - kv - left),
        left=left,
        kv_tokens=limits.kv_tokens,
        sequences=max(1, min(limits.most_sequences, int(limits.kv_tokens / max(mean, 1.0)))),
    )
