"""Keys and values of a token, on one accelerator of one pipeline stage.

For each layer and token a key and a value vector for each KV head here; with latent attention one latent and one
rotated key, on each rank the same (an indexer of sparse attention has one further key, in 8 bits); a layer with a
window keeps no more than its window; a linear-attention layer keeps a state for each sequence instead. Bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.perf.dtypes import bytes_of
from headway.perf.setting import Setting

__all__ = ["Cache", "cache_of"]


@dataclass(frozen=True, slots=True)
class Cache:
    """`token`: for each token of a sequence; `sequence`: for each sequence whatever its length (windows, as if they
    were full, and states); `state`: the states in it; `full_layers`: those that see the whole context."""

    token: float
    sequence: float
    state: float
    full_layers: float
    windowed_layers: float


def cache_of(setting: Setting) -> Cache:
    model, stages = setting.model, setting.pipeline
    value = bytes_of(setting.kv)
    windowed = model.windowed_layers if model.window else 0
    full = max(0, model.layers - windowed - model.linear_layers)
    narrow = _width(setting, model.windowed_kv_heads or model.kv_heads, model.windowed_head_dim or model.head_dim)
    state = model.linear_layers * model.state_bytes / setting.tensor
    token = full * model.kept * (_width(setting, model.kv_heads, model.head_dim) * value + model.index_dim)
    return Cache(
        token=token / stages,
        sequence=(windowed * narrow * value * model.window + state) / stages,
        state=state / stages,
        full_layers=full / stages,
        windowed_layers=windowed / stages,
    )


def _width(setting: Setting, kv_heads: int, head_dim: int) -> float:
    """Values that one layer keeps of one token."""
    model = setting.model
    if model.kv_lora:
        return float(model.kv_lora + model.rope_dim)
    return max(kv_heads / setting.tensor, 1.0) * (head_dim + (model.value_dim or head_dim))
