"""How much memory an engine takes, from what its model's header says. Pure arithmetic; every term has a name
for `explain`.

Sources: the KV cache holds a key and a value vector for each layer, KV head and token ("Efficient Memory
Management for Large Language Model Serving with PagedAttention", Kwon et al. 2023, section 2). The bytes of
quantised values are ggml's block sizes. The overhead of llama-server was fitted from above to what two models
took here (RSS after four prompts of 1,800 tokens, without weights and KV): SmolLM2-135M 36 MB (108 by the
formula), Gemma-3-270M about 160 MB (219). Layers with a sliding window are counted in full, so such models
take less than is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["BYTES_PER_VALUE", "Part", "explain", "kv_cache", "llama_overhead", "total"]

BYTES_PER_VALUE = {
    "f32": 4.0,
    "f16": 2.0,
    "bf16": 2.0,
    "q8_0": 34 / 32,
    "q5_1": 24 / 32,
    "q5_0": 22 / 32,
    "q4_1": 20 / 32,
    "q4_0": 18 / 32,
    "iq4_nl": 18 / 32,
}
"""Of the KV cache, by llama.cpp's names for its types."""

PROCESS = 64 << 20
"""A server's code, threads and connections."""

BATCH = 512
"""Tokens in one step of llama-server (--ubatch-size)."""

ACTIVATIONS = 16
"""Vectors of the embedding's width, as 32-bit floats, that one token of a step holds at once."""

LOGIT_ROWS = 128
"""Rows of the vocabulary's width, as 32-bit floats, that a step reserves."""


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    size: int  # bytes


def kv_cache(
    *, kv_heads: int, key_length: int, value_length: int, tokens: int, key_bytes: float = 2.0, value_bytes: float = 2.0
) -> int:
    """Bytes of the KV cache for `tokens` tokens in all slots together; `kv_heads` is the sum over the layers."""
    return int(kv_heads * tokens * (key_length * key_bytes + value_length * value_bytes))


def llama_overhead(*, vocabulary: int, embedding: int, batch: int = BATCH) -> int:
    """Bytes that llama-server takes beside weights, KV cache and prompt cache."""
    return PROCESS + 4 * (batch * embedding * ACTIVATIONS + LOGIT_ROWS * vocabulary)


def total(parts: Iterable[Part]) -> int:
    return sum(part.size for part in parts)


def explain(parts: Iterable[Part]) -> str:
    """`98 MB weights + 377 MB KV cache (16384 tokens) + …`, the largest first; what rounds to nothing is left
    out."""
    shown = sorted((part for part in parts if part.size >= 500_000), key=lambda part: -part.size)
    return " + ".join(f"{part.size / 1e6:.0f} MB {part.name}" for part in shown)
