"""The shape of a model, as far as its speed and its memory depend on it. No weights, no names of tensors.

From a row of the catalogue, a `config.json` or a GGUF header. Counts of parameters follow from it (`parameters.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Architecture"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """Zero: it has none of these. Widths are in values, lengths in tokens.

    `ffn`: width of the dense MLP; `gated`: it has three matrices (SwiGLU and the like), else two. Of a mixture:
    `experts`, of which a token takes `top_k`, each `moe_ffn` wide; `shared_ffn`: width of the experts that each token
    takes, together; the first `dense_layers` layers have the dense MLP and no experts. `windowed_layers` see only the
    last `window` tokens; `linear_layers` keep a state of `state_bytes` for each sequence and layer and no KV.
    `kv_lora`, `rope_dim`: multi-head latent attention keeps these two of a token (DeepSeek-V2, arXiv 2405.04434).
    `query_lora`: its queries come from a latent of that width. `native`: the dtype of the weights as published (bf16,
    fp8, nvfp4, mxfp4, int4, q4_1 …).
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
    shared_ffn: int = 0
    dense_layers: int = 0
    window: int = 0
    windowed_layers: int = 0
    linear_layers: int = 0
    state_bytes: int = 0
    kv_lora: int = 0
    rope_dim: int = 0
    query_lora: int = 0
    native: str = "bf16"
    source: str = ""
