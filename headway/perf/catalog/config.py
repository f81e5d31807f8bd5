"""The architecture that a Hugging Face config.json describes: any model of the known kinds, listed or not.

Dense, mixtures of experts, latent attention, windows, linear layers, sparse attention. Fields are read by meaning
(`fields.py`), which layers are what by `layer_kinds.py`. A config that says too little is an error that names what is
missing; one of a kind that cannot be told by an Architecture is an error, too, and no guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from headway.errors import UsageError
from headway.perf.catalog import layer_kinds
from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.fields import Fields, counted
from headway.perf.catalog.mixers import mixer
from headway.perf.catalog.pruned import folded
from headway.perf.catalog.quantisation import native

__all__ = ["from_config"]

UNGATED = (
    "opt", "gpt2", "gpt_bigcode", "gpt_neox", "gptj", "bloom", "falcon", "mpt", "phi", "starcoder2", "bert",
    "nemotron", "nemotron_h",
)  # fmt: skip
"""Families whose MLP has two matrices. (`phi` is Phi-2's; Phi-3 and later are phi3.)"""

EXPERTS_HAVE_FFN = ("mixtral", "llama4", "llama4_text", "gpt_oss", "phimoe", "minimax", "minimax_m2", "minimax_m3")
"""Families whose `intermediate_size` is an expert's width."""

BESIDE = ("t5", "mt5", "bart", "whisper", "mamba", "mamba2", "rwkv", "jamba")
"""Kinds that an Architecture cannot tell: an encoder beside the decoder, or no attention."""

BLOCKS = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E"}


def from_config(config: Mapping[str, Any], name: str = "") -> Architecture:
    """Raises UsageError that names what is missing, or what of it is not known."""
    fields = Fields(config)
    name = name or str(config.get("_name_or_path") or "") or fields.kind or "this model"
    if fields.kind in BESIDE:
        raise UsageError(f"{name}: models of the kind {fields.kind!r} are not supported", hint="see docs/catalog.md")
    model = _mixture(fields, _attention(fields, _plain(fields, name)))
    if fields.missing:
        raise UsageError(
            f"{name}: its config.json does not say {', '.join(fields.missing)}",
            hint="give the whole config.json of the model's own repository",
        )
    model = _layers(fields, model)
    if model.linear_layers + model.windowed_layers > model.layers:
        raise UsageError(f"{name}: its config.json tells of more layers than {model.layers}", hint="is it whole?")
    return replace(model, native=native(fields, name), source=f"the config.json of {name}")


def _plain(fields: Fields, name: str) -> Architecture:
    hidden, heads = fields.needed("hidden"), fields.needed("heads")
    multi_query = fields.get("multi_query") and not fields.get("new_decoder_architecture")
    ffn = fields.number("ffn") or (4 * hidden if fields.kind in ("gpt2", "bloom", "falcon", "gpt_bigcode") else 0)
    if not ffn and not fields.number("moe_ffn") and not fields.has("block_configs"):
        fields.missing.append("intermediate_size")
    return Architecture(
        name=name,
        layers=0 if _pattern(fields) else fields.needed("layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=1 if multi_query else fields.number("kv_heads", heads),
        head_dim=fields.number("head_dim") or (hidden // heads if heads else 0),
        ffn=ffn,
        vocabulary=fields.needed("vocabulary"),
        gated=fields.kind not in UNGATED,
        tied=fields.tied,
        context=fields.number("context"),
    )


def _attention(fields: Fields, model: Architecture) -> Architecture:
    if fields.kind == "deepseek_v4":
        return _merged_attention(fields, model)
    if latent := fields.number("kv_lora_rank"):
        model = replace(
            model,
            kv_lora=latent,
            query_lora=fields.number("q_lora_rank"),
            rope_dim=fields.number("qk_rope_head_dim"),
            head_dim=fields.number("qk_nope_head_dim") or model.head_dim,
            value_dim=fields.number("v_head_dim"),
        )
    elif (value := fields.number("v_head_dim")) and value != model.head_dim:
        model = replace(model, value_dim=value)
    gated = fields.get("attn_output_gate", "mla_use_output_gate")
    return replace(
        model,
        gated_attention=bool(gated) or (gated is None and fields.kind == "qwen3_next"),
        selected=fields.number("index_topk"),
        index_heads=fields.number("index_n_heads"),
        index_dim=fields.number("index_head_dim"),
    )


def _merged_attention(fields: Fields, model: Architecture) -> Architecture:
    """DeepSeek-V4: one latent head, an output in groups, and layers that merge tokens by `compress_ratios`."""
    groups, low, query = fields.number("o_groups", 1), fields.number("o_lora_rank"), fields.number("q_lora_rank")
    width, rope = model.heads * model.head_dim, fields.number("qk_rope_head_dim")
    ratios = [each for each in map(counted, fields.listed("compress_ratios")[: model.layers]) if each]
    parts = (
        model.hidden * query,
        query * width,
        model.hidden * model.head_dim,
        width * low,
        groups * low * model.hidden,
    )
    return replace(
        model,
        kv_lora=model.head_dim - rope,
        rope_dim=rope,
        query_lora=query,
        head_dim=model.head_dim - rope,
        mixer=sum(parts),
        kept=round(sum(1 / each for each in ratios) / len(ratios), 4) if ratios else 1.0,
        windowed_layers=model.layers - len(ratios) if ratios else 0,
        window=fields.number("window"),
        selected=fields.number("index_topk"),
        index_heads=fields.number("index_n_heads"),
        index_dim=fields.number("index_head_dim"),
    )


def _mixture(fields: Fields, model: Architecture) -> Architecture:
    experts = fields.number("experts")
    if experts <= 1 or fields.get("enable_moe_block") is False:
        return model
    width, dense = fields.number("moe_ffn"), model.ffn
    if fields.kind.startswith(EXPERTS_HAVE_FFN):
        width = width or model.ffn
        dense = fields.number("intermediate_size_mlp") or fields.number("dense_intermediate_size")
    if not width:
        fields.missing.append("moe_intermediate_size")
    shared = fields.number("shared_width") * max(1, fields.number("shared_count", 1))
    shared = shared or fields.number("shared_count") * width
    if fields.kind.startswith("llama4"):
        shared = width
    if fields.kind.startswith("gemma4"):  # its dense MLP runs beside the experts
        shared, dense = model.ffn, 0
    return replace(
        model,
        ffn=dense,
        experts=experts,
        top_k=fields.needed("top_k"),
        moe_ffn=width,
        moe_hidden=fields.number("moe_hidden"),
        shared_ffn=shared,
        dense_layers=layer_kinds.dense_layers(fields, model.layers),
    )


def _layers(fields: Fields, model: Architecture) -> Architecture:
    if blocks := fields.listed("block_configs"):
        if (pruned := folded(model, blocks)) is None:
            raise UsageError(f"{model.name}: its block_configs are not known", hint="see docs/catalog.md")
        return pruned
    if pattern := _pattern(fields):
        return _blocks(fields, model, pattern)
    linear = layer_kinds.linear_layers(fields, model.layers)
    if linear:
        model = _with_mixer(fields, model, linear)
    if model.kept < 1:
        return model
    window = layer_kinds.window(fields)
    windowed = layer_kinds.windowed_layers(fields, model.layers) if window else 0
    if not windowed:
        return model
    model = replace(model, window=window, windowed_layers=windowed)
    if wide := fields.number("global_head_dim"):  # Gemma 4 tells the windowed ones first
        kv_heads = fields.number("num_global_key_value_heads") or model.kv_heads
        return replace(
            model,
            windowed_head_dim=model.head_dim,
            windowed_kv_heads=model.kv_heads,
            head_dim=wide,
            kv_heads=kv_heads,
        )
    other = fields.number("swa_num_key_value_heads")
    return replace(model, windowed_kv_heads=other if other != model.kv_heads else 0)


def _pattern(fields: Fields) -> str:
    """Of Nemotron-H: a letter for each block, or a list of their kinds; empty: it is no model of that kind."""
    said = fields.get("hybrid_override_pattern")
    listed = "".join(BLOCKS.get(str(each), "?") for each in fields.listed("layers_block_type"))
    return str(said or listed)


def _blocks(fields: Fields, model: Architecture, pattern: str) -> Architecture:
    """Nemotron-H: M a Mamba, * attention, - an MLP, E experts; a layer here is a mixer with the MLP that follows."""
    mixers, linear = pattern.count("M") + pattern.count("*"), pattern.count("M")
    dense, mixtures = pattern.count("-"), pattern.count("E")
    if not mixers or dense + mixtures > mixers or set(pattern) - set(BLOCKS.values()):
        raise UsageError(
            f"{model.name}: hybrid_override_pattern {pattern[:20]!r} is not known", hint="M, *, - and E are"
        )
    model = replace(model, layers=mixers, bare_layers=mixers - dense - mixtures)
    if mixtures:
        model = replace(model, dense_layers=dense, ffn=model.ffn if dense else 0)
    else:
        model = replace(model, experts=0, top_k=0, moe_ffn=0, moe_hidden=0, shared_ffn=0, dense_layers=0)
    return _with_mixer(fields, model, linear) if linear else model


def _with_mixer(fields: Fields, model: Architecture, linear: int) -> Architecture:
    found = mixer(fields, model.hidden)
    if found is None:
        raise UsageError(
            f"{model.name}: {linear} of its layers are linear ones whose widths its config.json does not say",
            hint="known are Gated DeltaNet, Kimi Delta Attention and Mamba-2",
        )
    return replace(model, linear_layers=linear, linear_mixer=found.parameters, state_bytes=found.state)
