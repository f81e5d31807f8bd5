"""The shape of a model, as far as its speed and its memory depend on it. No weights, no names of tensors.

From a row of the catalogue, a `config.json` or a GGUF header. Counts of parameters follow from it (`parameters.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Architecture"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """Zero: it has none of these. Widths are in values, lengths in tokens.

    A layer is a mixer (attention or a linear one) and an MLP; `bare_layers` have no MLP (Nemotron-H).
    Attention: `value_dim`: width of a head's value where that is not `head_dim`; `gated_attention`: queries bring a
    gate of the same width (Qwen3-Next); `mixer`: parameters of a layer's attention where its widths do not tell them
    (DeepSeek-V4). `windowed_layers` see only the last `window` tokens, and may have other `windowed_kv_heads` and
    `windowed_head_dim` (Gemma 4, MiMo-V2). `linear_layers` keep a state of `state_bytes` for each sequence and layer
    and no KV; the mixer of one has `linear_mixer` parameters. `kv_lora`, `rope_dim`: multi-head latent attention keeps
    these two of a token (DeepSeek-V2, arXiv 2405.04434), `head_dim` is then without the rotary part; `query_lora`: its
    queries come from a latent of that width. `selected`: attention is to so many tokens that an indexer of
    `index_heads` heads of width `index_dim` picks (DeepSeek-V3.2); `kept`: KV entries for a token on the mean where
    tokens are merged (DeepSeek-V4), else 1.
    MLP: `ffn`: width of the dense one; `gated`: it has three matrices (SwiGLU and the like), else two. Of a mixture:
    `experts`, of which a token takes `top_k`, each `moe_ffn` wide, between vectors of width `moe_hidden` where that is
    not `hidden` (LatentMoE of Nemotron 3); `shared_ffn`: width of what each token takes beside them, together;
    `dense_layers` (the first, or every other) have the dense MLP and no experts.
    `native`: the dtype of the weights as published (bf16, fp8, nvfp4, mxfp4, int4, q4_1 …).
    """

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocabulary: int
    gated: bool = True
    tied: bool = False
    context: int = 0  # the longest it was trained for
    experts: int = 0
    top_k: int = 0
    moe_ffn: int = 0
    moe_hidden: int = 0
    shared_ffn: int = 0
    dense_layers: int = 0
    bare_layers: int = 0
    window: int = 0
    windowed_layers: int = 0
    windowed_kv_heads: int = 0
    windowed_head_dim: int = 0
    linear_layers: int = 0
    state_bytes: int = 0
    linear_mixer: int = 0
    kv_lora: int = 0
    rope_dim: int = 0
    query_lora: int = 0
    value_dim: int = 0
    gated_attention: bool = False
    mixer: int = 0
    kept: float = 1.0
    selected: int = 0
    index_heads: int = 0
    index_dim: int = 0
    native: str = "bf16"
    source: str = ""
