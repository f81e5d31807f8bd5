"""The constants of the model of performance: what no data sheet says and measurements do.

`Kernels` hold for every engine on a vendor's accelerators: shares of what the data sheet promises that kernels reach,
fixed times of a kernel or a collective. `Engine` holds for one engine: its work on the CPU between steps, the small
kernels it starts for each layer, its scheduling. They are written by `python -m headway.perf.fit` into
`data/constants.json`, with their source, date and residuals. Seconds, bytes/s as shares of the data sheet's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import msgspec

from headway.perf.setting import EngineFamily

__all__ = ["Bands", "Constants", "Engine", "Harness", "Kernels", "Spread", "constants", "decoded"]


@dataclass(frozen=True, slots=True)
class Kernels:
    """`flops`: share of the data sheet's FLOP/s that large products reach, by their dtype; `expert_flops`: likewise
    of grouped products of a mixture, by the dtype of the weights where they are widened for bf16 and it is known.
    `stream`: share of the bandwidth that reading weights reaches, `expert_stream` of experts' and `cache_stream` of
    keys and values. `attend`: share of bf16 FLOP/s of attention over a prompt. `sharpness`: exponent of the smooth
    maximum of arithmetic and reading. `skew`: how uneven the router is (1: even): the experts hit are those of a
    router over that share of the experts. `tile`: rows to which an expert's share is filled up. `gather`: seconds
    that a collective takes at least, by number of accelerators, over the fast link; `gather_pcie` where there is
    none, `gather_fabric` between nodes; `link`, `pcie`: share of the link's bandwidth that collectives reach;
    `hop`: seconds of sending to the next stage; `fabric`: bytes/s between nodes for each accelerator. `row`:
    seconds of attention of one layer for each sequence that decodes, beside reading its keys. `uneven`: the busiest
    of e ranks of experts has e to that power times its share of the tokens. `picking`, `linear`: seconds of the
    further small kernels of a layer with an indexer, with linear attention. `batched`: share of its time alone that
    a prompt takes of a worker that computes prompts only, many at once."""

    flops: Mapping[str, float]
    expert_flops: Mapping[str, float]
    stream: float
    expert_stream: float
    cache_stream: float
    attend: float
    sharpness: float
    skew: float
    tile: float
    product: float  # seconds that a product of matrices takes at least
    row: float
    picking: float
    linear: float
    batched: float
    uneven: float
    gather: Mapping[str, float]
    gather_pcie: float
    gather_fabric: float
    link: float
    pcie: float
    hop: float
    fabric: float


@dataclass(frozen=True, slots=True)
class Engine:
    """Seconds. `step`: between two steps; `sequence`: for each that decodes; `layer`: small kernels of a layer (norms,
    rotation, writing keys and values); `mixture`: further ones of a layer with experts,
    `latent` of one with latent attention; `prompt_layer`: further ones
    where a step has prompts (not in a CUDA graph); `token`: for each token of a prompt; `slower`: factor on what
    kernels take. `request`: before a request's first step and after it (HTTP, tokenizer, queue between processes).
    `memory_share`, `reserve` (bytes), `most_sequences`, `token_budget`: the engine's defaults. `shared`: by what share
    steps take longer for each other replica that computes on cores of the same processor at the same time."""

    step: float
    sequence: float
    layer: float
    mixture: float
    latent: float
    prompt_layer: float
    token: float
    slower: float
    request: float
    memory_share: float
    of_free: bool
    reserve: float
    most_sequences: int
    token_budget: int
    shared: float = 0.0


@dataclass(frozen=True, slots=True)
class Harness:
    """How a benchmark loads an engine: lengths up to `longest` times the stated ones and `spread` of that below it,
    `rounds` requests for each caller; `cached`: by engine, the share of a prompt that the prefix cache has.

    Seconds, by engine, that its first tokens come later than our own work explains: the first requests meet kernels
    that are not compiled yet, and more of them where there are experts (`mixture`, else `dense`). `relay`: and where
    one kind of worker hands over to another."""

    spread: float
    rounds: int
    dense: Mapping[EngineFamily, float]
    mixture: Mapping[EngineFamily, float]
    relay: float = 0.0
    longest: float = 1.0
    cached: Mapping[EngineFamily, float] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Of the lengths, as a share of the stated ones."""
        return self.longest * (1 - self.spread / 2)


@dataclass(frozen=True, slots=True)
class Spread:
    """Of log(measured / predicted): the quantiles 5 % and 95 %, of `rows` settings of a like."""

    low: float
    high: float
    rows: int


@dataclass(frozen=True, slots=True)
class Bands:
    """By `like`: "tpot/agg/vllm/seen" …; see bands.py for how one is chosen. `models`, `accelerators`, `generations`:
    those that were fitted on, a model by its shape."""

    spreads: Mapping[str, Spread]
    models: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    generations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Constants:
    source: str
    date: str
    rows: int
    kernels: Kernels
    engines: Mapping[EngineFamily, Engine]
    harnesses: Mapping[str, Harness]
    bands: Bands

    @property
    def told(self) -> str:
        """What they were fitted on, and when."""
        return f"{self.source}, {self.date}" if self.date else self.source


@cache
def constants() -> Constants:
    """Those that the package has."""
    return decoded(resources.files("headway.perf.data").joinpath("constants.json").read_bytes())


def decoded(text: bytes) -> Constants:
    return msgspec.json.decode(text, type=Constants)
