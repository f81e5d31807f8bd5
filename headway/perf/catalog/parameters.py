"""Counts that follow from an architecture: parameters, bytes of weights, bytes of the KV cache.

Matrices only: norms, biases, sinks and heads for speculation are left out, together less than a hundredth of a model.
Formulas: "Attention is all you need" (2017) with grouped queries (arXiv 2305.13245); latent attention as in
DeepSeek-V2 (arXiv 2405.04434, section 2.1), its indexer as in DeepSeek-V3.2. A test holds the sums against what the
publishers say.
"""

from __future__ import annotations

from headway.perf.catalog.architecture import Architecture
from headway.perf.dtypes import bytes_of

__all__ = [
    "active",
    "attention",
    "dense",
    "embedding",
    "expert",
    "experts",
    "full_layers",
    "indexer",
    "kv_bytes",
    "kv_bytes_per_token",
    "mixture_layers",
    "router",
    "shared",
    "state_bytes",
    "total",
    "weight_bytes",
]

WHOLE = 2.0
"""Bytes of a parameter that most quantised checkpoints keep whole: embedding, head, router."""


def full_layers(model: Architecture) -> int:
    """Layers whose attention sees the whole context."""
    return model.layers - model.windowed_layers - model.linear_layers


def mixture_layers(model: Architecture) -> int:
    return model.layers - model.dense_layers - model.bare_layers if model.experts else 0


def attention(model: Architecture, *, windowed: bool = False) -> int:
    """Parameters of one layer's attention, its indexer not among them."""
    if model.mixer:
        return model.mixer
    if model.kv_lora:
        return _latent_attention(model)
    head = (model.windowed_head_dim if windowed else 0) or model.head_dim
    kv_heads = (model.windowed_kv_heads if windowed else 0) or model.kv_heads
    value = head if windowed and model.windowed_head_dim else model.value_dim or head
    queries = model.heads * head * (2 if model.gated_attention else 1)
    return model.hidden * (queries + kv_heads * (head + value) + model.heads * value)


def _latent_attention(model: Architecture) -> int:
    value = model.value_dim or model.head_dim
    queries = model.heads * (model.head_dim + model.rope_dim)
    into_queries = model.query_lora * (model.hidden + queries) if model.query_lora else model.hidden * queries
    latent = model.hidden * (model.kv_lora + model.rope_dim) + model.kv_lora * model.heads * (model.head_dim + value)
    gate = model.hidden * model.heads * value if model.gated_attention else 0
    return into_queries + latent + model.heads * value * model.hidden + gate


def indexer(model: Architecture) -> int:
    """Parameters of one layer's indexer of sparse attention."""
    queries = model.index_heads * model.index_dim
    return queries * (model.query_lora or model.hidden) + model.hidden * (model.index_dim + model.index_heads)


def dense(model: Architecture) -> int:
    """Parameters of one layer's dense MLP."""
    return _matrices(model) * model.hidden * model.ffn


def expert(model: Architecture) -> int:
    """Parameters of one routed expert."""
    return _matrices(model) * (model.moe_hidden or model.hidden) * model.moe_ffn


def experts(model: Architecture) -> int:
    """Parameters of all routed experts of the model: they are quantised, split and read apart from the rest."""
    return mixture_layers(model) * model.experts * expert(model)


def shared(model: Architecture) -> int:
    """Parameters of what each token takes beside the experts in one layer, and the way into a latent mixture."""
    return _matrices(model) * model.hidden * model.shared_ffn + 2 * model.hidden * model.moe_hidden


def router(model: Architecture) -> int:
    return model.hidden * model.experts


def embedding(model: Architecture) -> int:
    """Parameters of the embedding and the head; one matrix where they are tied."""
    return model.vocabulary * model.hidden * (1 if model.tied else 2)


def total(model: Architecture) -> int:
    """All parameters."""
    return _always(model) + experts(model)


def active(model: Architecture, *, embedded: bool = True) -> int:
    """Parameters that a token takes part in; publishers differ in whether they count the embedding (`embedded`)."""
    chosen = mixture_layers(model) * model.top_k * expert(model)
    left_out = 0 if embedded or model.tied else model.vocabulary * model.hidden
    return _always(model) + chosen - left_out


def weight_bytes(model: Architecture, dtype: str = "", expert_dtype: str = "") -> float:
    """Of all weights. None named: as published, where some of 4 bits quantise the experts alone (gpt-oss, Kimi)."""
    rest = dtype or ("bf16" if model.experts and model.native in ("mxfp4", "int4") else model.native)
    of_experts = expert_dtype or dtype or model.native
    whole = embedding(model) + mixture_layers(model) * router(model)
    size_whole = _end_bytes(model, rest)
    plain = (_always(model) - whole) * bytes_of(rest)
    return whole * size_whole + plain + experts(model) * bytes_of(of_experts)


def _end_bytes(model: Architecture, dtype: str) -> float:
    """Of a parameter of the embedding, the head or the router. llama.cpp packs them in 6 bits, or in 8 where a row does
    not divide by 256 (llama-quant.cpp); other quantised checkpoints keep them whole."""
    if dtype.startswith(("q", "iq")):
        return max(bytes_of(dtype), bytes_of("q8_0" if model.hidden % 256 else "q6_k"))
    return bytes_of("f32") if dtype == "f32" else WHOLE


def kv_bytes_per_token(model: Architecture, dtype: str = "bf16") -> float:
    """What one more token of one sequence takes in all layers together, while windows are not yet full."""
    return kv_bytes(model, 1, dtype)


def kv_bytes(model: Architecture, tokens: float, dtype: str = "bf16") -> float:
    """The KV cache of one sequence of so many tokens; a windowed layer keeps its window. Without `state_bytes`."""
    size = bytes_of(dtype)
    seen = min(tokens, model.window) if model.window else tokens
    values = full_layers(model) * tokens * model.kept * _kept_values(model)
    windowed_values = model.windowed_layers * seen * _kept_values(model, windowed=True)
    index = full_layers(model) * tokens * model.kept * model.index_dim * (1 + 4 / 128) if model.index_dim else 0.0
    return (values + windowed_values) * size + index


def state_bytes(model: Architecture) -> int:
    """What linear layers keep of one sequence, however long."""
    return model.linear_layers * model.state_bytes


def _always(model: Architecture) -> int:
    """Parameters that each token takes part in."""
    mixtures = mixture_layers(model)
    mixers = (
        full_layers(model) * (attention(model) + indexer(model))
        + model.windowed_layers * attention(model, windowed=True)
        + model.linear_layers * model.linear_mixer
    )
    plain = model.layers - mixtures - model.bare_layers
    return mixers + plain * dense(model) + mixtures * (shared(model) + router(model)) + embedding(model)


def _kept_values(model: Architecture, *, windowed: bool = False) -> int:
    """Values that one layer keeps of one token."""
    if model.kv_lora:
        return model.kv_lora + model.rope_dim
    head = (model.windowed_head_dim if windowed else 0) or model.head_dim
    kv_heads = (model.windowed_kv_heads if windowed else 0) or model.kv_heads
    value = head if windowed and model.windowed_head_dim else model.value_dim or head
    return kv_heads * (head + value)


def _matrices(model: Architecture) -> int:
    return 3 if model.gated else 2
