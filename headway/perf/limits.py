"""How many tokens one replica's engine has room for, and what else bounds a step.

vLLM and SGLang take a share of the accelerator's whole memory (gpu_memory_utilization, mem_fraction_static),
TensorRT-LLM a share of what is free when the weights are there (free_gpu_memory_fraction). Weights are those of the
fullest accelerator. Bytes inside.
"""

from __future__ import annotations

from dataclasses import replace

from headway.errors import ResourceError
from headway.perf.constants import Constants, constants
from headway.perf.dtypes import bytes_of
from headway.perf.setting import Setting
from headway.perf.step.cache import cache_of
from headway.perf.step.layers import layers_of
from headway.perf.step.shape import Limits
from headway.perf.step.step import HEAD_BYTES

__all__ = ["admitted", "limits", "weight_bytes"]

BLOCK = 16
"""Tokens of a block of the KV cache (vLLM's default; TensorRT-LLM's is 32, SGLang's 1)."""


def weight_bytes(setting: Setting) -> float:
    """Of the weights on one accelerator, the first or last pipeline stage's."""
    layers = layers_of(setting)
    experts = layers.expert * layers.experts * bytes_of(setting.expert_weights or setting.weights)
    ends = layers.head + layers.embedding if setting.pipeline == 1 else layers.head
    return layers.split * bytes_of(setting.weights) + experts + 2 * layers.router + HEAD_BYTES * ends


def limits(setting: Setting, by: Constants | None = None) -> Limits:
    """ResourceError: weights and what the engine needs beside them leave no room for keys and values."""
    engine = (by or constants()).engines[setting.engine]
    memory, weights = setting.accelerator.memory, weight_bytes(setting)
    share = engine.memory_share if setting.memory_share is None else setting.memory_share
    free = (memory - weights - engine.reserve) * share if engine.of_free else memory * share - weights - engine.reserve
    cache = cache_of(setting)
    most = setting.most_sequences or engine.most_sequences
    room = (free - cache.sequence) / cache.token if cache.token else free / max(cache.sequence, 1.0) * 1e6
    tokens = int(room * setting.data) // BLOCK * BLOCK
    if tokens < BLOCK:
        raise ResourceError(
            f"{setting.model.name} does not fit on {setting.accelerators} x {setting.accelerator.name}: "
            f"{weights / 1e9:.1f} GB of weights on each and {engine.reserve / 1e9:.1f} GB beside them, "
            f"of {memory / 1e9:.1f} GB ({share:.0%} for the engine)",
            hint="use more accelerators, larger ones, or weights of fewer bits",
        )
    if cache.token and cache.sequence:
        # What a sequence keeps whatever its length (windows, states) bounds how many there can be at all.
        most = max(1, min(most, int(free / cache.sequence)))
    return Limits(tokens, BLOCK, most, setting.token_budget or engine.token_budget)


def admitted(setting: Setting, room: Limits, longest: float) -> Limits:
    """TensorRT-LLM starts a request only when all its tokens have room (GUARANTEED_NO_EVICT, its default), so that
    fewer run; the others start it and preempt when room ends."""
    if setting.engine != "trtllm":
        return room
    return replace(room, most_sequences=max(1, min(room.most_sequences, int(room.kv_tokens / max(longest, 1.0)))))
