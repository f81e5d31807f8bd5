"""What the layers of a model hold and compute on one accelerator of one pipeline stage, split as a Setting says.

A product with a matrix of P parameters takes 2 P FLOP for each token. Query heads are split over the tensor ranks; key
and value heads too, until there are fewer of them than ranks: then they are replicated (vLLM, Megatron-LM). The
latents of multi-head latent attention are replicated, what they are expanded to is split (DeepSeek-V2, arXiv
2405.04434). Experts are split `expert` ways whole, and each over the ranks that are left. Counts are floats: a split
may not be even.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from headway.perf.catalog.architecture import Architecture
from headway.perf.setting import Setting

__all__ = ["Layers", "attention_parameters", "head_widths", "layers_of"]

LINEAR_WIDTHS = 3.5
"""Parameters of a linear-attention layer over hidden x heads x head width, where the architecture does not say them:
query, key, value, gate and output of a gated delta net (Qwen3-Next's config.json)."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Parameters on one accelerator. `split`: of attention, dense MLPs and shared experts; `expert`: of one expert (its
    part here) times the layers of experts; `experts`: whole experts here, of each such layer; `router`, `head` (the
    vocabulary's matrix; `embedding`: a second one). `layers`, `mixtures`: of this stage."""

    layers: float
    mixtures: float
    split: float
    expert: float
    experts: float
    router: float
    head: float
    embedding: float


def head_widths(model: Architecture) -> tuple[int, int]:
    """Of a query or key (with its rotated part), and of a value."""
    if model.kv_lora:
        return model.head_dim + model.rope_dim, model.value_dim or model.head_dim
    return model.head_dim, model.value_dim or model.head_dim


def attention_parameters(model: Architecture, tensor: int = 1, *, windowed: bool = False) -> float:
    """Of one layer, on one of `tensor` ranks."""
    if windowed and (model.windowed_head_dim or model.windowed_kv_heads):
        narrow = replace(
            model,
            kv_heads=model.windowed_kv_heads or model.kv_heads,
            head_dim=model.windowed_head_dim or model.head_dim,
            value_dim=0 if model.windowed_head_dim else model.value_dim,
        )
        return attention_parameters(narrow, tensor)
    heads, hidden = model.heads / tensor, model.hidden
    if model.mixer:
        return model.mixer / tensor
    query, value = head_widths(model)
    if model.kv_lora:
        reduced = model.query_lora * (hidden + heads * query)
        queries = reduced if model.query_lora else hidden * heads * query
        indexer = model.index_heads * model.index_dim * model.query_lora + hidden * model.index_dim
        latent = hidden * (model.kv_lora + model.rope_dim)
        expanded = model.kv_lora * heads * (model.head_dim + value)
        return queries + indexer + latent + expanded + heads * value * hidden
    kv_heads = max(model.kv_heads / tensor, 1.0)
    gate = 2 if model.gated_attention else 1
    return hidden * (heads * (gate * query + value) + kv_heads * (query + value))


def layers_of(setting: Setting) -> Layers:
    model, tensor = setting.model, setting.tensor
    stage = setting.tensor * setting.data
    matrices = 3 if model.gated else 2
    mlps = model.layers - model.bare_layers
    mixtures = max(0, mlps - model.dense_layers) if model.experts else 0
    dense = mlps - mixtures
    full = max(0, model.layers - model.linear_layers - model.windowed_layers)
    linear = model.linear_mixer or LINEAR_WIDTHS * model.hidden * model.heads * model.head_dim
    split = full * attention_parameters(model, tensor) + model.linear_layers * linear / tensor
    split += model.windowed_layers * attention_parameters(model, tensor, windowed=True)
    split += matrices * model.hidden * (dense * model.ffn + mixtures * model.shared_ffn) / tensor
    split += mixtures * 2 * model.hidden * model.moe_hidden / tensor
    across = max(1.0, stage / setting.expert)
    width = model.moe_hidden or model.hidden
    return Layers(
        layers=model.layers / setting.pipeline,
        mixtures=mixtures / setting.pipeline,
        split=split / setting.pipeline,
        expert=mixtures * matrices * width * model.moe_ffn / across / setting.pipeline,
        experts=model.experts / setting.expert,
        router=mixtures * model.hidden * model.experts / setting.pipeline,
        head=model.vocabulary * model.hidden / tensor,
        embedding=0.0 if model.tied else model.vocabulary * model.hidden / tensor,
    )
