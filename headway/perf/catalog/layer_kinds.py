"""Which layers of a model see a window, keep a state, or have experts, from its config.json.

`layer_types` says it outright where it is there; older configs leave it to the class that runs them, whose rules are
those of Transformers (modeling_gemma2.py, modeling_gemma3.py, configuration_llama4.py …), named at each.
"""

from __future__ import annotations

from headway.perf.catalog.fields import Fields

__all__ = ["by_family", "dense_layers", "linear_layers", "window", "windowed_layers"]

LINEAR = frozenset({"linear_attention", "mamba", "mamba2", "kda", "ssm", "recurrent"})
WINDOWED = frozenset({"sliding_attention", "chunked_attention", "local_attention"})
FULL_OF = {"gemma3": 6, "gemma3_text": 6, "cohere2": 4, "gpt_oss": 2, "gpt-oss": 2, "llama4": 4, "llama4_text": 4}
"""One layer of so many sees everything."""

OPTIONAL = ("qwen", "mimo")
"""Families that write a `sliding_window` and use it only with `use_sliding_window`."""


def linear_layers(fields: Fields, layers: int) -> int:
    if types := fields.listed("layer_types"):
        return sum(str(each) in LINEAR for each in types[:layers])
    kimi = fields.get("linear_attn_config")
    if isinstance(kimi, dict) and isinstance(kimi.get("kda_layers"), list):
        return len(kimi["kda_layers"])
    interval = fields.number("full_attention_interval")
    return layers - layers // interval if interval else 0


def window(fields: Fields) -> int:
    """Tokens; 0: there is none, or it is as long as the context."""
    length = fields.number("window")
    if fields.kind.startswith(OPTIONAL) and not fields.get("hybrid_layer_pattern"):
        length = length if fields.get("use_sliding_window") else 0
    context = fields.number("context")
    return length if not context or length < context else 0


def windowed_layers(fields: Fields, layers: int) -> int:
    """How many see `window` tokens only, if there is a window."""
    if types := fields.listed("layer_types"):
        return sum(str(each) in WINDOWED for each in types[:layers])
    for pattern in ("hybrid_layer_pattern", "no_rope_layers"):  # MiMo-V2; Llama 4, where full layers have no positions
        if ones := fields.listed(pattern):
            return sum(bool(each) for each in ones[:layers])
    if fields.kind.startswith(OPTIONAL):
        return max(0, layers - fields.number("max_window_layers"))
    return by_family(fields.kind, layers, fields.number("sliding_window_pattern"))


def by_family(kind: str, layers: int, one_full_of: int = 0) -> int:
    """How many layers of a family have its window, where no list says."""
    if kind == "gemma2":  # every other, the first has one
        return (layers + 1) // 2
    whole = one_full_of or FULL_OF.get(kind, 0)
    return layers - layers // whole if whole else layers


def dense_layers(fields: Fields, layers: int) -> int:
    """Layers of a mixture that have the dense MLP."""
    listed = _listed_dense(fields, layers)
    return min(layers, max(0, _spaced_dense(fields, layers) if listed is None else listed))


def _listed_dense(fields: Fields, layers: int) -> int | None:
    """Where a list says which; None: there is none."""
    if types := fields.listed("mlp_layer_types"):
        return types[:layers].count("dense")
    if frequency := fields.listed("moe_layer_freq"):  # 1: experts
        return layers - sum(bool(each) for each in frequency[:layers])
    if isinstance(fields.get("moe_layers_enum"), str):  # Step: "3,4,5"
        return layers - len(str(fields.get("moe_layers_enum")).split(","))
    chosen = fields.listed("moe_layers")
    return layers - len(chosen) if chosen else None


def _spaced_dense(fields: Fields, layers: int) -> int:
    """The first so many, or all but every so-manieth."""
    if first := fields.number("first_k_dense_replace") or fields.number("moe_layer_start_index"):
        return first
    sparse = max(1, fields.number("interleave_moe_layer_step") or fields.number("decoder_sparse_step", 1))
    return layers - layers // sparse or len(fields.listed("mlp_only_layers"))
