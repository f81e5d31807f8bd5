"""One value of a config.json under the many names that publishers give it.

A config is read by what it says, not by the class that would run it, so that a new model of a known kind needs no new
code. What a family leaves to its class's default in Transformers stands in `LEFT_OUT`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["NESTED", "Fields", "counted"]

NESTED = ("text_config", "llm_config", "language_config", "language_model", "thinker_config")
"""Where a model that sees or hears keeps the part that writes."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "hidden": ("hidden_size", "n_embd", "d_model"),
    "heads": ("num_attention_heads", "n_head", "n_heads"),
    "kv_heads": ("num_key_value_heads", "num_attention_groups", "multi_query_group_num", "num_kv_heads", "n_head_kv"),
    "head_dim": ("head_dim", "attention_head_dim", "kv_channels"),
    "ffn": ("intermediate_size", "ffn_dim", "ffn_hidden_size", "n_inner"),
    "vocabulary": ("vocab_size", "padded_vocab_size"),
    "context": ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "max_sequence_length"),
    "experts": ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    "top_k": ("num_experts_per_tok", "num_experts_per_token", "top_k_experts", "moe_top_k", "moe_topk", "moe_k"),
    "moe_ffn": ("moe_intermediate_size", "expert_ffn_hidden_size"),
    "moe_hidden": ("moe_latent_size", "routed_expert_hidden_size"),
    "shared_width": (
        "shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "shared_intermediate_size",
        "share_expert_dim",
    ),
    "shared_count": ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts"),
    "window": ("sliding_window", "sliding_window_size", "attention_chunk_size"),
    "mamba_heads": ("mamba_num_heads", "mamba_n_heads"),
    "mamba_head_dim": ("mamba_head_dim", "mamba_d_head"),
    "mamba_state": ("ssm_state_size", "mamba_d_state"),
    "mamba_groups": ("n_groups", "mamba_n_groups"),
    "mamba_kernel": ("conv_kernel", "mamba_d_conv"),
}  # fmt: skip

LEFT_OUT: Mapping[str, Mapping[str, Any]] = {
    "gemma3_text": {
        "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262208,
        "sliding_window": 4096, "max_position_embeddings": 131072,
    },
    "gemma2": {"head_dim": 256, "sliding_window": 4096},
    "opt": {"tie_word_embeddings": True},
    "bert": {"tie_word_embeddings": True},
}  # fmt: skip
"""Defaults of the classes of Transformers that published configs rely on."""

MOST = 1 << 40
"""No width, length or number of layers is larger."""

TIED = ("gemma", "cohere", "opt", "gpt2", "gpt_bigcode", "bloom", "falcon", "starcoder2", "bert")
"""Families whose embedding is the head, too, unless their config says otherwise."""


class Fields:
    """The part of a config that tells of the text model, read by our names or by theirs."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        inner = next((config[key] for key in NESTED if isinstance(config.get(key), Mapping)), None)
        self.whole = config
        told = dict(inner) if inner else dict(config)
        self.kind = str(told.get("model_type") or config.get("model_type") or "")
        self.told: Mapping[str, Any] = {**LEFT_OUT.get(self.kind, {}), **told}
        self.missing: list[str] = []

    def get(self, *names: str) -> Any:
        """The first of these fields that says something, of the text model or else of the whole."""
        for where in (self.told, self.whole):
            for name in names:
                if where.get(name) is not None:
                    return where[name]
        return None

    def number(self, ours: str, default: int = 0) -> int:
        """A whole number under any of the names of `ours`, or under `ours` itself."""
        found = self._number(ours)
        return default if found is None else found

    def needed(self, ours: str) -> int:
        """Like `number`; remembers that it is missing."""
        found = self._number(ours)
        if not found:
            self.missing.append(NAMES[ours][0])
        return found or 0

    def has(self, *names: str) -> bool:
        return self.get(*names) is not None

    def listed(self, name: str) -> list[Any]:
        found = self.get(name)
        return list(found) if isinstance(found, list | tuple) else []

    @property
    def tied(self) -> bool:
        said = self.get("tie_word_embeddings")
        return bool(said) if said is not None else self.kind.startswith(TIED)

    def _number(self, ours: str) -> int | None:
        found = self.get(*NAMES.get(ours, (ours,)))
        if isinstance(found, list) and found:  # one for each layer, or for each layer of experts (ERNIE)
            found = found[0]
        return counted(found)


def counted(value: object) -> int | None:
    """A count as configs write it; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST:
        return None
    return int(value)
