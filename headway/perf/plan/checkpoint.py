"""The forms of weights that a model may be served in, each with what it does to the answers.

As published; quantised by the engine as it loads (vLLM's `quantization: fp8`); or a checkpoint that somebody published
beside it. Nobody can say without trying how much an answer loses: the flag says what kind of change it is, and fewer
than eight bits are never picked unless they are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from headway.perf.catalog.architecture import Architecture

__all__ = ["QUALITIES", "Checkpoint", "Quality", "checkpoints", "form_of"]

Quality = Literal["published", "8bit", "4bit"]
QUALITIES: tuple[Quality, ...] = ("published", "8bit", "4bit")
"""From the best; each allows those before it."""

_SUFFIX = re.compile(r"-(fp8(-(static-pertensor|dynamic|block))?|nvfp4|fp4|mxfp4|bf16|awq|gptq|int4|w4a16|w8a8)$", re.I)
_EIGHT = ("fp8", "fp8_block", "int8", "mxfp8", "q8_0")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`source`: of a published one beside the Model's own, org/name; empty: the Model's. `online`: what the engine is
    told to quantise to. `expert_weights`: as in Setting."""

    architecture: Architecture
    weights: str
    expert_weights: str = ""
    quality: Quality = "published"
    source: str = ""
    online: str = ""

    @property
    def label(self) -> str:
        """bf16, fp8 quantised as it loads, nvfp4 of nvidia/Llama-3.3-70B-Instruct-NVFP4"""
        dtype = self.expert_weights or self.weights
        by = "quantised as it loads" if self.online else f"of {self.source}" if self.source else ""
        return dtype.replace("_", " ") + (f" {by}" if by else "")


def form_of(architecture: Architecture, native: str = "") -> Checkpoint:
    """As published. mxfp4 is of the experts alone (gpt-oss: attention stays in bf16)."""
    native = native or architecture.native
    if architecture.experts and native == "mxfp4":
        return Checkpoint(architecture, "bf16", "mxfp4")
    return Checkpoint(architecture, native)


def checkpoints(
    own: Architecture, known: Iterable[Architecture], *, online: bool, native: str = "", asked: str = ""
) -> Iterator[Checkpoint]:
    """The Model's own form first. `known`: the catalogue; `online`: the engine can quantise as it loads; `asked`: the
    name in the Model's source, which says whether a tuned one is meant."""
    published = form_of(own, native)
    yield published
    if published.expert_weights:
        return
    bits = _bits(published.weights)
    if online and bits == 16:
        yield Checkpoint(own, "fp8", "", "8bit", "", "fp8")
    for each in known:
        if each.name != own.name and _bits(each.native) < bits and _is_sibling(own, each):
            quality: Quality = "8bit" if _bits(each.native) == 8 else "4bit"
            is_other = not (online and each.native == "fp8")  # the same bits, without another download
            if is_other and _is_tuned(each.name) == _is_tuned(asked or own.name):
                yield Checkpoint(each, each.native, "", quality, each.name)


def _bits(dtype: str) -> int:
    return 16 if dtype in ("bf16", "f16", "f32") else 8 if dtype in _EIGHT else 4


def _is_sibling(one: Architecture, other: Architecture) -> bool:
    """The same model by shape and by name, but for the organisation and the dtype."""
    shapes = [
        (each.layers, each.hidden, each.heads, each.kv_heads, each.vocabulary, each.experts) for each in (one, other)
    ]
    return shapes[0] == shapes[1] and _stem(one.name) == _stem(other.name)


def _is_tuned(name: str) -> bool:
    return bool(re.search(r"-(instruct|it|chat)(-|$)", name.casefold()))


def _stem(name: str) -> str:
    """qwen3-32b of Qwen/Qwen3-32B-FP8; llama-3.1-70b of meta-llama/Meta-Llama-3.1-70B and of its -Instruct."""
    bare = name.rpartition("/")[2].casefold().removeprefix("meta-")
    while (cut := _SUFFIX.sub("", bare)) != bare:
        bare = cut
    return re.sub(r"-(instruct|it|chat)$", "", bare)
