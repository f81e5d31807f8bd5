"""Models of the catalogue for people and programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.table import Table

from headway.cli.words import size
from headway.perf.catalog import parameters
from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.models import same_shape

__all__ = ["describe", "record", "table"]

DTYPES = ("bf16", "fp8", "nvfp4", "int4", "q4_k_m")
CONTEXTS = (4096, 32768, 131072)


def record(model: Architecture) -> dict[str, Any]:
    """The architecture, and what follows from it: counts of parameters, bytes."""
    return asdict(model) | {
        "parameters": parameters.total(model),
        "active_parameters": parameters.active(model),
        "weight_bytes": {dtype: round(parameters.weight_bytes(model, dtype)) for dtype in DTYPES},
        "native_weight_bytes": round(parameters.weight_bytes(model)),
        "kv_bytes_per_token": parameters.kv_bytes_per_token(model),
        "sequence_state_bytes": parameters.state_bytes(model),
    }


def table(every: Iterable[Architecture]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    shown.add_column("NAME", no_wrap=True)
    for column in ("PARAMETERS", "ACTIVE", "LAYERS", "WEIGHTS", "DTYPE", "KV/TOKEN", "CONTEXT"):
        shown.add_column(column, justify="right", no_wrap=True)
    shown.add_column("KIND")
    for model in every:
        shown.add_row(
            model.name,
            _count(parameters.total(model)),
            _count(parameters.active(model)) if model.experts else "",
            str(model.layers),
            size(parameters.weight_bytes(model)),
            model.native,
            size(parameters.kv_bytes_per_token(model)),
            str(model.context or "-"),
            kind(model),
        )
    return shown


def kind(model: Architecture) -> str:
    """What is not plain about it."""
    said = []
    if model.experts:
        said.append(f"{model.top_k} of {model.experts} experts")
    if model.kv_lora:
        said.append("latent attention")
    if model.linear_layers:
        said.append(f"{model.linear_layers} linear layers")
    if model.windowed_layers:
        said.append(f"window {model.window} in {model.windowed_layers} layers")
    if model.selected:
        said.append(f"sparse attention to {model.selected}")
    return ", ".join(said) or "dense"


def describe(model: Architecture) -> str:
    """All about one, a line each."""
    active = f", {_count(parameters.active(model))} active" if model.experts else ""
    weights = ", ".join(f"{dtype} {size(parameters.weight_bytes(model, dtype))}" for dtype in DTYPES)
    also = [each for each in same_shape(model.name) if each != model.name]
    lines = [
        ("kind", kind(model)),
        ("parameters", f"{_count(parameters.total(model))}{active}"),
        ("layers", f"{model.layers} of width {model.hidden}, vocabulary {model.vocabulary:,}"),
        ("attention", _attention(model)),
        ("MLP", _mlp(model)),
        ("weights", f"{model.native} {size(parameters.weight_bytes(model))} as published; {weights}"),
        ("KV cache", _kv(model)),
        ("context", f"{model.context:,} tokens" if model.context else ""),
        ("source", model.source),
        ("also", ", ".join(also)),
    ]
    return "\n".join([model.name, *(f"  {key:<11} {said}" for key, said in lines if said)])


def _attention(model: Architecture) -> str:
    if model.kv_lora:
        return f"{model.heads} heads over a latent of {model.kv_lora} + {model.rope_dim} rotary"
    grouped = f"{model.heads} heads, {model.kv_heads} for keys and values" if model.kv_heads != model.heads else ""
    return f"{grouped or f'{model.heads} heads'}, {model.head_dim} wide"


def _mlp(model: Architecture) -> str:
    dense = f"{model.ffn} wide" if model.ffn else ""
    if not model.experts:
        return dense
    shared = f" and {model.shared_ffn} for each token" if model.shared_ffn else ""
    first = f"; {model.dense_layers} layers dense, {dense}" if model.dense_layers else ""
    return f"{model.experts} experts {model.moe_ffn} wide, {model.top_k} for each token{shared}{first}"


def _kv(model: Architecture) -> str:
    state = parameters.state_bytes(model)
    lengths = [each for each in CONTEXTS if not model.context or each <= model.context]
    of_long = ", ".join(f"{size(parameters.kv_bytes(model, each) + state)} at {each:,}" for each in lengths)
    kept = f" and {size(state)} of state a sequence" if state else ""
    each = f"{size(parameters.kv_bytes_per_token(model))} a token in bf16{kept}"
    return f"{each}; a sequence takes {of_long}" if of_long else each


def _count(counted: float) -> str:
    for unit, power in (("T", 1e12), ("B", 1e9)):
        if counted >= 0.9995 * power:
            return f"{counted / power:.3g} {unit}"
    return f"{counted / 1e6:.0f} M"
