"""The models that Headway knows, by any name that the hub, an engine or the user gives them.

`Qwen/Qwen3-32B`, `qwen3-32b`, `hf://Qwen/Qwen3-32B@main` and `nvidia/Qwen3-32B-FP8` are one architecture; what a name
says of quantisation becomes the architecture's `native` dtype. Only words that cannot change the shape are passed
over, so that a name never leads to a model of another shape: that is an error with the nearest names. The facts stand
in data/models.toml.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

from headway.errors import UsageError
from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.names import Words, near, words

__all__ = ["architecture", "architectures", "quantised_as", "same_shape", "shapes"]

TUNED = frozenset(
    {"instruct", "chat", "it", "pt", "base", "hf", "thinking", "preview", "meta", "nvidia", "gguf", "ud", "quantized"}
)
"""Words of a name that tell what a model was trained for, who published it or in which file, not its shape."""

QUANTISED: tuple[tuple[Words, str], ...] = (
    (("nvfp", "4"), "nvfp4"),
    (("fp", "4"), "nvfp4"),
    (("mxfp", "4"), "mxfp4"),
    (("mxfp", "8"), "mxfp8"),
    (("fp", "8", "dynamic"), "fp8"),
    (("fp", "8", "block"), "fp8"),
    (("fp", "8"), "fp8"),
    (("awq",), "int4"),
    (("gptq",), "int4"),
    (("autoround",), "int4"),
    (("int", "4"), "int4"),
    (("int", "8"), "int8"),
    (("w", "4a", "16"), "int4"),
    (("w", "8a", "16"), "int8"),
    (("w", "8a", "8"), "int8"),
    (("bnb",), "int4"),
    (("4bit",), "int4"),
    (("8bit",), "int8"),
    (("bf", "16"), "bf16"),
    (("fp", "16"), "bf16"),
    (("f", "16"), "bf16"),
    *((tuple(each.split()), each.replace(" ", "", 1).replace(" ", "_")) for each in (
        "q 8 0", "q 6 k", "q 5 k m", "q 5 k", "q 5 1", "q 5 0", "q 4 k m", "q 4 k", "q 4 1", "q 4 0", "iq 4 nl",
        "iq 4 xs", "q 3 k m", "q 3 k", "q 2 k",
    )),
)  # fmt: skip
"""What a name says of its weights -> the dtype."""

SIZES = (("s",), ("l",), ("xl",))
"""Mixes of ggml's k-quants near their plain type: Q4_K_S, Q4_K_XL."""

_URI = re.compile(r"^(?:hf|huggingface|https?)://(?:huggingface\.co/)?")
BUILT_IN = "builtin://"


@cache
def architectures() -> Mapping[str, Architecture]:
    """Every checkpoint that is listed, by its name on the hub or `builtin://`."""
    every: dict[str, Architecture] = {}
    for row in _data()["model"]:
        for name, changed in _checkpoints(row):
            every[name] = _read(row, name, changed)
    return every


@cache
def shapes() -> tuple[str, ...]:
    """The names that stand for an architecture of their own, one each."""
    return tuple(row["name"] for row in _data()["model"])


def same_shape(name: str) -> tuple[str, ...]:
    """Every checkpoint of the shape of this one; none, if it is not listed."""
    named = ([each for each, _ in _checkpoints(row)] for row in _data()["model"])
    return tuple(next((every for every in named if name in every), ()))


def architecture(name: str) -> Architecture:
    """The architecture of this name. Raises UsageError with the nearest names where none has it."""
    every = architectures()
    if known := every.get(name) or every.get(f"{BUILT_IN}{name}"):
        return known
    if name.startswith(BUILT_IN):
        raise _unknown(name, [each for each in every if each.startswith(BUILT_IN)])
    wanted = words(_plain(name))
    if exact := _by_words().get(wanted):
        return every[exact]
    rest, native = _quantisation(wanted)
    found = _by_words().get(rest) or _by_shape().get(_without_tuning(rest))
    if found is None:
        raise _unknown(name, list(every))
    return replace(every[found], native=native) if native else every[found]


def quantised_as(name: str) -> str:
    """The dtype that a file or a repository says its weights have; empty: none."""
    return _quantisation(words(_plain(name)))[1]


def _unknown(name: str, known: list[str]) -> UsageError:
    meant = near(_plain(name), known)
    hint = (
        f"did you mean {' or '.join(meant)}? Or give its config.json"
        if meant
        else "give its config.json, or see: headway catalog models"
    )
    return UsageError(f"no model {name!r} is known", hint=hint)


def _plain(name: str) -> str:
    """Without scheme, organisation, revision and the end of a file's name."""
    inside = _URI.sub("", name.removeprefix(BUILT_IN)).partition("@")[0].strip("/")
    return inside.removesuffix(".gguf").rpartition("/")[2]


@cache
def _data() -> Mapping[str, Any]:
    text = files("headway.perf.catalog.data").joinpath("models.toml").read_text("utf-8")
    return tomllib.loads(text)


@cache
def _by_words() -> Mapping[Words, str]:
    return {words(_plain(name)): name for name in reversed(list(architectures())) if not name.startswith(BUILT_IN)}


@cache
def _by_shape() -> Mapping[Words, str]:
    """Words without what does not change the shape -> the checkpoint that is published unquantised, if one is."""
    found: dict[Words, str] = {}
    for name in architectures():
        if not name.startswith(BUILT_IN):
            found.setdefault(_without_tuning(_quantisation(words(_plain(name)))[0]), name)
    return found


def _checkpoints(row: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(row["name"], {}), *((name, {}) for name in row.get("also", ())), *row.get("variants", {}).items()]


def _read(row: Mapping[str, Any], name: str, changed: Mapping[str, Any]) -> Architecture:
    told = {key: value for key, value in row.items() if key not in ("also", "variants")} | dict(changed)
    told["name"] = name
    told["source"] = _data()["sources"].get(told["source"], told["source"])
    return Architecture(**told)


def _quantisation(name: Words) -> tuple[Words, str]:
    """The name without its words of quantisation, and the dtype that the first of them says; empty: none does."""
    dtype, left, at = "", [], 0
    while at < len(name):
        match = next(((part, says) for part, says in QUANTISED if name[at : at + len(part)] == part and at), None)
        if match is None:
            left.append(name[at])
            at += 1
        else:
            dtype = dtype or match[1]
            at += len(match[0])
            if match[1].endswith("_k") and name[at : at + 1] in SIZES:
                at += 1
    return tuple(left), dtype


def _without_tuning(name: Words) -> Words:
    return tuple(each for each in name if each not in TUNED)
