"""Seconds of attention in one step, as coefficients: for each pair of a new token and one it sees, and for each token
of context of a sequence that decodes.

Over a prompt it is arithmetic: 4 x heads x head width FLOP for a pair (FlashAttention, arXiv 2205.14135). In decoding
it reads keys and values, and with latent attention it also computes: every head against the one latent (2 x heads x
(2 x latent + rotated) FLOP for a token, the absorbed form of DeepSeek-V2, arXiv 2405.04434), so that the slower of
the two counts. A window, or picking of tokens, makes that part independent of the context: it counts as full.
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.perf.constants import Kernels
from headway.perf.setting import Setting
from headway.perf.step.cache import cache_of
from headway.perf.step.layers import head_widths

__all__ = ["Attention", "attention_of"]


@dataclass(frozen=True, slots=True)
class Attention:
    """Seconds. `pair`: for each pair of a new token and a token it sees; `new`: for each new token (windows, linear
    attention); `context`: for each token that decoding sequences see; `sequence`: for each that decodes (windows,
    states)."""

    pair: float
    new: float
    context: float
    sequence: float


def attention_of(setting: Setting, kernels: Kernels) -> Attention:
    model, accelerator = setting.model, setting.accelerator
    cache = cache_of(setting)
    heads = model.heads / setting.tensor
    flops = accelerator.flops["bf16"] * kernels.attend
    reading = accelerator.bandwidth * kernels.cache_stream
    pair = 2 * heads * sum(head_widths(model)) / flops
    computed = 0.0
    if model.kv_lora:
        computed = cache.full_layers * 2 * heads * (2 * model.kv_lora + model.rope_dim) / flops
    context = max(cache.token / reading, computed)
    pairs, windowed = cache.full_layers * pair, cache.windowed_layers * model.window * pair
    read = (cache.sequence + cache.state) / reading  # a state is read and written
    linear = model.linear_layers / setting.pipeline * 8 * heads * model.head_dim * model.head_dim / flops
    if model.selected:
        # Of the picked tokens only; the indexer goes over all of them with its own small heads (DeepSeek-V3.2).
        index = cache.full_layers * 2 * model.index_heads * model.index_dim / flops
        read, windowed = read + model.selected * context, windowed + model.selected * pairs
        context, pairs = max(index, cache.full_layers * model.index_dim / reading), index
    each = 1.0 / setting.data
    return Attention(pair=each * pairs, new=each * (windowed + linear), context=each * context, sequence=each * read)
