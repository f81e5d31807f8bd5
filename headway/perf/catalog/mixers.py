"""What a layer without a KV cache holds: parameters of its mixer, and bytes of the state it keeps of a sequence.

Gated DeltaNet (arXiv 2412.06464) as in Qwen3-Next, Kimi Delta Attention (arXiv 2510.26692), Mamba-2 (arXiv 2405.21060)
as in Nemotron-H. The state is in 32-bit floats, the last inputs of the convolution in 16 bits (vLLM's defaults).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headway.perf.catalog.fields import Fields, counted

__all__ = ["Mixer", "mixer"]


@dataclass(frozen=True, slots=True)
class Mixer:
    parameters: int
    state: int  # bytes for each sequence


def mixer(fields: Fields, hidden: int) -> Mixer | None:
    """The linear mixer that this config describes; None: it describes none that is known."""
    if fields.has("linear_num_value_heads"):
        return _delta_net(fields, hidden)
    kimi = fields.get("linear_attn_config")
    if isinstance(kimi, Mapping):
        return _kimi(kimi, hidden)
    if fields.number("mamba_heads"):
        return _mamba(fields, hidden)
    return None


def _delta_net(fields: Fields, hidden: int) -> Mixer:
    heads, width = fields.number("linear_num_value_heads"), fields.number("linear_value_head_dim", 128)
    key_width = fields.number("linear_key_head_dim", 128)
    keys, values = fields.number("linear_num_key_heads") * key_width, heads * width
    kernel = fields.number("linear_conv_kernel_dim", 4)
    into = hidden * (2 * keys + 2 * values + 2 * heads)
    parameters = into + kernel * (2 * keys + values) + values * hidden
    return Mixer(parameters, _state(heads * width * key_width, 2 * keys + values, kernel))


def _kimi(told: Mapping[str, Any], hidden: int) -> Mixer | None:
    heads, width = counted(told.get("num_heads")), counted(told.get("head_dim"))
    if not heads or not width:
        return None
    kernel, inner = counted(told.get("short_conv_kernel_size")) or 4, heads * width
    low_rank = width * (hidden + inner)
    gate = hidden * inner if told.get("use_full_rank_gate") else low_rank
    parameters = 4 * hidden * inner + low_rank + gate + hidden * heads + 3 * kernel * inner
    return Mixer(parameters, _state(inner * width, 3 * inner, kernel))


def _mamba(fields: Fields, hidden: int) -> Mixer:
    heads, width = fields.number("mamba_heads"), fields.number("mamba_head_dim")
    size, groups = fields.number("mamba_state", 128), fields.number("mamba_groups", 1)
    kernel, inner = fields.number("mamba_kernel", 4), heads * width
    through = inner + 2 * groups * size
    parameters = hidden * (inner + through + heads) + kernel * through + inner * hidden
    return Mixer(parameters, _state(inner * size, through, kernel))


def _state(values: int, through: int, kernel: int) -> int:
    return 4 * values + 2 * through * (kernel - 1)
