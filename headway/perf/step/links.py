"""Seconds of the collectives of one step: a fixed part, and a part for each token.

Tensor parallelism reduces the hidden vector of each token over its ranks twice a layer (Megatron-LM, arXiv 1909.08053):
2 (t - 1) / t of its bytes pass each link. Attention that is data parallel sends tokens to the experts and their sums
back, over all ranks: (g - 1) / g of the bytes each way. A pipeline hands the hidden vector to the next stage. Past one
node the fabric between nodes is the link.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import log2

from headway.perf.catalog.accelerator import Accelerator
from headway.perf.constants import Kernels
from headway.perf.setting import Setting

__all__ = ["Links", "latency", "links_of"]

VALUE = 2
"""Bytes of a value of the hidden vector on a link."""


@dataclass(frozen=True, slots=True)
class Links:
    """Seconds: `fixed` of a step and `token` for each token of it."""

    fixed: float
    token: float


def latency(ranks: int, kernels: Kernels, accelerator: Accelerator) -> float:
    """Seconds that a collective over so many ranks takes at least; between the measured ones by log2."""
    if ranks > accelerator.node:
        return kernels.gather_fabric
    if not accelerator.link:
        return kernels.gather_pcie
    known = sorted((int(each), seconds) for each, seconds in kernels.gather.items())
    (low, first), (high, last) = known[0], known[-1]
    for (a, x), (b, y) in pairwise(known):
        if a <= ranks <= b:
            return x + (y - x) * log2(ranks / a) / log2(b / a)
    return first if ranks < low else last * (1 + 0.5 * log2(ranks / high))


def links_of(setting: Setting, kernels: Kernels) -> Links:
    model, accelerator = setting.model, setting.accelerator
    tensor, stage = setting.tensor, setting.tensor * setting.data
    layers = model.layers / setting.pipeline
    fixed = token = 0.0
    if tensor > 1:
        speed = _speed(setting, kernels, tensor)
        reductions = 2.0 if setting.data == 1 else 1.0
        fixed += reductions * layers * latency(tensor, kernels, accelerator)
        token += reductions * layers * 2 * (tensor - 1) / tensor * model.hidden * VALUE / speed / setting.data
    if setting.data > 1 and stage > 1:
        speed = _speed(setting, kernels, stage)
        fixed += 2 * layers * latency(stage, kernels, accelerator)
        token += 2 * layers * (stage - 1) / stage * model.hidden * VALUE / speed
    if setting.pipeline > 1:
        fixed += kernels.hop
        token += model.hidden * VALUE / _speed(setting, kernels, 2)
    return Links(fixed, token)


def _speed(setting: Setting, kernels: Kernels, ranks: int) -> float:
    accelerator = setting.accelerator
    if ranks > accelerator.node:
        return kernels.fabric
    return accelerator.link * kernels.link if accelerator.link else accelerator.pcie * kernels.pcie
