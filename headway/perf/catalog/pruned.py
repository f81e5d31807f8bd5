"""Models pruned block by block (NVIDIA's Puzzle, arXiv 2411.19146), whose `block_configs` say what each block has left.

An Architecture's layers are all alike. So a layer here is one that still has attention, and the MLPs of all blocks,
each of its own width, are shared out among these: weights, keys and values and arithmetic are those of the model, only
the number of small kernels is that of fewer layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.fields import counted

__all__ = ["folded"]

ROUND = 256
"""MLP widths are rounded up to it (modeling_decilm.py, _ffn_mult_to_intermediate_size)."""


def folded(model: Architecture, blocks: Sequence[Any]) -> Architecture | None:
    """None: the blocks say nothing that is known."""
    told = [each for each in blocks if isinstance(each, Mapping)]
    groups = [_group(each.get("attention")) for each in told]
    attending = [each for each in groups if each]
    width = sum(_width(each.get("ffn"), model.hidden) for each in told)
    width += sum(model.hidden // 3 for each in told if _is(each.get("attention"), "replace_with_linear"))
    if not attending or not width:
        return None
    kv_heads = sum(max(1, model.heads // each) for each in attending) / len(attending)
    return replace(model, layers=len(attending), kv_heads=round(kv_heads), ffn=round(width / len(attending)))


def _group(attention: object) -> int:
    """Query heads to one for keys and values; 0: there is no attention."""
    if not isinstance(attention, Mapping) or _is(attention, "no_op") or _is(attention, "replace_with_linear"):
        return 0
    return counted(attention.get("n_heads_in_group")) or 0


def _width(ffn: object, hidden: int) -> int:
    if not isinstance(ffn, Mapping) or _is(ffn, "no_op"):
        return 0
    if _is(ffn, "replace_with_linear"):
        return hidden // 3
    if exact := counted(ffn.get("intermediate_size")):
        return exact
    multiple = ffn.get("ffn_mult")
    if isinstance(multiple, bool) or not isinstance(multiple, int | float) or not 0 < multiple < ROUND:
        return 0
    return -(-int(2 * multiple * hidden / 3) // ROUND) * ROUND


def _is(told: object, what: str) -> bool:
    return isinstance(told, Mapping) and bool(told.get(what))
