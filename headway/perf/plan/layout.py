"""How one replica may be split over the accelerators of one node, and the rules that say no.

- Tensor parallelism divides the heads evenly; KV heads are divided, or replicated evenly; each part of an MLP in blocks
  of fp8 is a multiple of 128 (vLLM and SGLang refuse others).
- A MIG slice has no link to another: one slice, one replica.
- No replica spans nodes: nothing here launches one that does.
- Experts lie whole on their accelerators (expert parallelism) or are cut like any MLP; latent attention may be
  replicated instead of split (data parallel), as its cache cannot be split (DeepSeek-V3 report, arXiv 2412.19437).
- fp8 is stored from capability 80 on and multiplied from 89 on, fp4 from 100 on (vLLM's table of quantisations);
  four bits of a checkpoint that has no other form (mxfp4 of gpt-oss) are widened first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from headway.perf.catalog.architecture import Architecture
from headway.perf.plan.checkpoint import Checkpoint
from headway.perf.plan.offer import Offer
from headway.perf.setting import EngineFamily

__all__ = ["Layout", "layouts", "unsuited"]

_LEAST = {"fp8": 80, "fp8_block": 80, "nvfp4": 100, "mxfp4": 80, "int4": 75, "int8": 75}
"""CUDA capability x 10 from which vLLM has kernels for weights of this dtype."""
_BLOCK = 128


@dataclass(frozen=True, slots=True)
class Layout:
    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: int = 1

    @property
    def accelerators(self) -> int:
        return self.tensor * self.pipeline * self.data

    def __str__(self) -> str:
        named = (("TP", self.tensor), ("PP", self.pipeline), ("DP", self.data), ("EP", self.expert))
        return " ".join(f"{name}{degree}" for name, degree in named if degree > 1) or "1"


def unsuited(offer: Offer, checkpoint: Checkpoint, engine: EngineFamily) -> str:
    """Why these accelerators cannot take these weights, whatever the layout; empty when they can."""
    accelerator = offer.accelerator
    if engine == "llamacpp":
        return ""
    if accelerator.vendor.casefold() != "nvidia":
        return f"Headway launches no engine on {accelerator.vendor}'s accelerators yet"
    for dtype in (checkpoint.weights, checkpoint.expert_weights):
        if accelerator.capability < _LEAST.get(dtype, 0):
            least = _LEAST[dtype] / 10
            return f"{dtype} weights need compute capability {least:g}, it has {accelerator.capability / 10:g}"
    return ""


def layouts(offer: Offer, checkpoint: Checkpoint) -> Iterator[Layout]:
    """Those that an engine takes, from one accelerator up."""
    model, most = checkpoint.architecture, 1 if offer.is_slice else offer.per_node
    has_link = offer.accelerator.link > 0
    for tensor in _powers(most):
        if _divides(model, checkpoint, tensor, whole_experts=False):
            yield Layout(tensor)
        if model.experts and tensor > 1 and model.experts % tensor == 0:
            if _divides(model, checkpoint, tensor, whole_experts=True):
                yield Layout(tensor, expert=tensor)
            if model.kv_lora:
                yield Layout(1, data=tensor, expert=tensor)
        if not has_link or not _heads_divide(model, tensor):
            # Stages pass one vector a token on, where tensor parallelism passes two a layer: for slow links.
            for stages in _powers(most // tensor):
                if stages > 1 and _divides(model, checkpoint, tensor, whole_experts=False):
                    yield Layout(tensor, stages)


def _powers(most: int) -> Iterator[int]:
    power = 1
    while power <= most:
        yield power
        power *= 2


def _heads_divide(model: Architecture, tensor: int) -> bool:
    kv_heads = model.kv_heads or model.heads
    return model.heads % tensor == 0 and (kv_heads % tensor == 0 or tensor % kv_heads == 0 or bool(model.kv_lora))


def _divides(model: Architecture, checkpoint: Checkpoint, tensor: int, *, whole_experts: bool) -> bool:
    if not _heads_divide(model, tensor):
        return False
    widths = [model.ffn if model.dense_layers or not model.experts else 0, model.shared_ffn]
    widths += [] if whole_experts else [model.moe_ffn]
    block = _BLOCK if checkpoint.weights == "fp8_block" and tensor > 1 else 1
    return all(width % (tensor * block) == 0 for width in widths)
