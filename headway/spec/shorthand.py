"""A Model from one word, for `headway up WORD`: a built-in model's name, a source, a repository of the hub, a file."""

from __future__ import annotations

from collections.abc import Collection

from headway.errors import UsageError
from headway.spec.check import from_json
from headway.spec.fault import Fault, describe, nearest
from headway.spec.model import Model
from headway.spec.names import dns_label
from headway.spec.source import Source

__all__ = ["from_name"]

FORMS = "give a file, a built-in model, org/name, or a source such as hf://org/name or ./model.gguf"


def from_name(text: str, *, known: Collection[str] = (), base: str = "") -> Model:
    """`known`: the names of the built-in models. `base`: the absolute folder that a relative file is seen from.

    Raises UsageError.
    """
    source = _source(text, known)
    if source.is_relative and base:
        source = source.within(base)
    return from_json({"name": _name(source), "source": str(source)})


def _source(text: str, known: Collection[str]) -> Source:
    if text in known:
        return Source("builtin", text)
    if "/" not in text:
        raise UsageError(f"no file and no built-in model {describe(text)}", hint=_advice(text, known))
    try:
        source = Source.parse(text)
    except Fault as fault:
        raise UsageError(fault.message, hint=fault.hint) from None
    if source.scheme == "builtin" and known and source.path not in known:
        raise UsageError(f"no built-in model {describe(source.path)}", hint=_advice(source.path, known))
    return source


def _advice(text: str, known: Collection[str]) -> str:
    if meant := nearest(text, known, likeness=0.4):  # model names are long, and people shorten them
        return f"did you mean {meant}?"
    return f"built-in models: {', '.join(known)}" if known else FORMS


def _name(source: Source) -> str:
    """The last part of the path, without what only says how the weights are packed."""
    label = dns_label((source.file or source.path).rstrip("/").rpartition("/")[2])
    return label.removesuffix("gguf").rstrip("-") or "model"
