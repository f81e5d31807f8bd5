"""The architecture that the header of a GGUF file describes. Keys: the GGUF specification in ggml's docs.

Pure: `headway.engines.gguf.header` reads the file. What llama.cpp has in its code and not in the header (which layers
of a family see a window) is taken from `layer_kinds.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from headway.errors import UsageError
from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.fields import Fields, counted
from headway.perf.catalog.layer_kinds import by_family
from headway.perf.catalog.mixers import mixer

__all__ = ["from_header"]

UNGATED = frozenset({"gpt2", "opt", "bloom", "falcon", "mpt", "phi2", "starcoder", "starcoder2", "bert", "nomic-bert"})
WINDOWED = frozenset({"gemma2", "gemma3", "gemma3n", "gpt-oss", "cohere2", "llama4", "phi3"})
DELTA_NETS = frozenset({"qwen3next", "qwen35", "qwen35moe"})
"""Architectures of llama.cpp whose linear layers are Gated DeltaNets, and whose attention has a gate."""

FILE_TYPES = {
    0: "f32", 1: "f16", 2: "q4_0", 3: "q4_1", 7: "q8_0", 8: "q5_0", 9: "q5_1", 10: "q2_k", 11: "q3_k", 12: "q3_k_m",
    13: "q3_k_m", 14: "q4_k", 15: "q4_k_m", 16: "q5_k", 17: "q5_k_m", 18: "q6_k", 21: "q2_k", 25: "iq4_nl",
    30: "iq4_xs", 32: "bf16", 38: "mxfp4",
}  # fmt: skip
"""general.file_type (llama.h, llama_ftype) -> dtype of most weights."""


class _Pairs:
    """The values of one architecture's keys; a list of one value for each layer is told by its largest."""

    def __init__(self, pairs: Mapping[str, Any]) -> None:
        self.all = pairs
        self.kind = str(pairs.get("general.architecture", ""))
        self.missing: list[str] = []

    def whole(self, key: str, default: int = 0) -> int:
        value = self.all.get(f"{self.kind}.{key}")
        every = value if isinstance(value, list) else [value]
        return max((each for each in map(counted, every) if each is not None), default=default)

    def listed(self, key: str) -> list[Any]:
        value = self.all.get(f"{self.kind}.{key}")
        return value if isinstance(value, list) else []

    def needed(self, key: str) -> int:
        value = self.whole(key)
        if not value:
            self.missing.append(f"{self.kind}.{key}")
        return value


def from_header(pairs: Mapping[str, Any], tensors: Collection[str] = (), name: str = "") -> Architecture:
    """`tensors`: names outside layers; without `output.weight` the embedding is the head, too.

    Raises UsageError that names the keys that are missing, or the kind of layers that cannot be told.
    """
    header = _Pairs(pairs)
    name = name or str(pairs.get("general.name") or "this GGUF file")
    if 0 in header.listed("attention.head_count"):
        raise UsageError(f"{name}: some of its layers have no attention", hint="give its config.json")
    stateful = header.whole("ssm.inner_size") or header.whole("wkv.head_size")
    if stateful and header.kind not in DELTA_NETS:
        raise UsageError(
            f"{name}: layers of the kind {header.kind!r} are not known in GGUF", hint="give its config.json"
        )
    model = _windows(header, _mixture(header, _latents(header, _plain(header, tensors, name))))
    model = _delta_net(header, model) if stateful else model
    if header.missing:
        raise UsageError(f"{name}: its GGUF header does not say {', '.join(header.missing)}", hint="convert it again")
    return model


def _plain(header: _Pairs, tensors: Collection[str], name: str) -> Architecture:
    hidden, heads = header.needed("embedding_length"), header.needed("attention.head_count")
    head_dim = header.whole("attention.key_length") or (hidden // heads if heads else 0)
    value_dim = header.whole("attention.value_length") or head_dim
    vocabulary = header.whole("vocab_size") or _length(header.all.get("tokenizer.ggml.tokens"))
    if not vocabulary:
        header.missing.append(f"{header.kind}.vocab_size")
    return Architecture(
        name=name,
        layers=header.needed("block_count"),
        hidden=hidden,
        heads=heads,
        kv_heads=header.whole("attention.head_count_kv", heads),
        head_dim=head_dim,
        ffn=header.whole("feed_forward_length")
        if header.whole("expert_count")
        else header.needed("feed_forward_length"),
        vocabulary=vocabulary,
        gated=header.kind not in UNGATED,
        tied="output.weight" not in tensors,
        context=header.whole("context_length"),
        value_dim=value_dim if value_dim != head_dim else 0,
        native=_native(header, name),
        source=f"the GGUF header of {name}",
    )


def _native(header: _Pairs, name: str) -> str:
    kind = header.all.get("general.file_type", 1)
    if not isinstance(kind, int) or kind not in FILE_TYPES:
        raise UsageError(
            f"{name}: its weights are of ggml's file type {kind}, which is not known", hint="give its config.json"
        )
    return FILE_TYPES[kind]


def _latents(header: _Pairs, model: Architecture) -> Architecture:
    latent = header.whole("attention.kv_lora_rank")
    if not latent:
        return model
    rope = header.whole("rope.dimension_count")
    return replace(
        model,
        kv_heads=model.heads,
        kv_lora=latent,
        rope_dim=rope,
        query_lora=header.whole("attention.q_lora_rank"),
        head_dim=(header.whole("attention.key_length_mla") or model.head_dim) - rope,
        value_dim=header.whole("attention.value_length_mla") or model.value_dim or model.head_dim,
    )


def _mixture(header: _Pairs, model: Architecture) -> Architecture:
    experts = header.whole("expert_count")
    if not experts:
        return model
    width = header.whole("expert_feed_forward_length") or model.ffn
    shared = header.whole("expert_shared_feed_forward_length") or header.whole("expert_shared_count") * width
    every = header.whole("interleave_moe_layer_step", 1)
    spaced = model.layers - model.layers // max(1, every)
    dense = min(model.layers, header.whole("leading_dense_block_count") or spaced)
    return replace(
        model,
        ffn=model.ffn if dense or width != model.ffn else 0,
        experts=experts,
        top_k=header.needed("expert_used_count"),
        moe_ffn=width,
        shared_ffn=shared,
        dense_layers=dense,
    )


def _delta_net(header: _Pairs, model: Architecture) -> Architecture:
    width, interval = header.needed("ssm.state_size"), max(1, header.whole("full_attention_interval", 4))
    told = {
        "linear_num_key_heads": header.needed("ssm.group_count"),
        "linear_num_value_heads": header.needed("ssm.time_step_rank"),
        "linear_key_head_dim": width,
        "linear_value_head_dim": width,
        "linear_conv_kernel_dim": header.whole("ssm.conv_kernel", 4),
    }
    found = mixer(Fields(told), model.hidden)
    if found is None or header.missing:
        return model
    return replace(
        model,
        gated_attention=True,
        linear_layers=model.layers - model.layers // interval,
        linear_mixer=found.parameters,
        state_bytes=found.state,
    )


def _windows(header: _Pairs, model: Architecture) -> Architecture:
    window = header.whole("attention.sliding_window")
    if not window or (model.context and window >= model.context):
        return model
    pattern = header.listed("attention.sliding_window_pattern")
    if pattern:
        windowed = sum(bool(each) for each in pattern[: model.layers])
    elif header.kind in WINDOWED:
        windowed = by_family(header.kind, model.layers)
    else:  # llama.cpp passes the key over for other families
        return model
    return replace(model, window=window, windowed_layers=windowed)


def _length(value: object) -> int:
    return len(value) if isinstance(value, list) else counted(value) or 0
