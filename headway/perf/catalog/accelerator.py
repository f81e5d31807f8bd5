"""An accelerator, whole or a MIG slice of one, as the models of performance and the planner see it.

Bytes, seconds and FLOP/s; figures are those of vendors' data sheets, dense (no sparsity), and say their source. A
slice is an Accelerator, too: what it is cut from times its fractions, without a link to others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Accelerator", "Prices", "Slice"]


@dataclass(frozen=True, slots=True)
class Prices:
    """What an hour of one costs in USD where it is rented, as of `date`; None: not known. A Site's own prices win."""

    on_demand: float | None = None  # of a large cloud
    neocloud: float | None = None  # of those that rent GPUs only
    spot: float | None = None
    date: str = ""  # and whose price list


@dataclass(frozen=True, slots=True)
class Slice:
    """A MIG profile: `compute`, `memory` and `bandwidth` are fractions of the whole; `most` of them fit on one."""

    profile: str  # as the driver says it: 3g.40gb
    compute: float
    memory: float
    bandwidth: float
    most: int


@dataclass(frozen=True, slots=True)
class Accelerator:
    """`flops`: dense FLOP/s by the dtype of the arithmetic (bf16, which stands for 16-bit floats, fp8, fp4, int8); one
    it cannot do is not there. `memory`: what the driver says. `link`: bytes/s in one direction between those of a node,
    by the fast link; 0: there is none, they meet over PCIe. `node`: how many the fast link joins in a usual machine (of
    a GB200 the 72 of a rack). `cut_from`: of a slice, the whole one's name."""

    name: str
    vendor: str
    generation: str
    capability: int  # CUDA's, times 10 (90: Hopper); 0: not NVIDIA's
    memory: int  # bytes
    bandwidth: float  # bytes/s
    flops: Mapping[str, float]
    link: float
    pcie: float  # bytes/s in one direction
    node: int
    power: float  # watts
    prices: Prices = field(default_factory=Prices)
    slices: tuple[Slice, ...] = ()
    profile: str = ""
    cut_from: str = ""
    source: str = ""
