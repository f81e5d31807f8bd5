"""What a Model's document leaves to the planner and what it fixes: GPUs, replicas, and the engine's options.

Whatever stands in the file stands. A file that says both which GPUs and how many replicas is planned as it is: what it
leaves out then is the engine's default and not the planner's to choose. Options of vLLM are read by
the names that `args` has, those of llama.cpp likewise; any other option is passed on unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headway.perf.plan.checkpoint import Checkpoint
from headway.perf.plan.layout import Layout
from headway.perf.plan.offer import Find, Offer
from headway.spec.cluster import SpotWay
from headway.spec.fault import Fault, describe
from headway.spec.gpu import GpuWish, parse_gpu
from headway.spec.model import Model

__all__ = ["Asked", "asked_of"]


@dataclass(frozen=True, slots=True)
class Asked:
    """None: left to the planner. `gpu`: None also where the file says auto; `product`: its name in the
    catalogue; `cores`: it says cpu. `least`, `most`:
    replicas. `most_cost`: money an hour, of all replicas."""

    gpu: GpuWish | None = None
    product: str = ""
    cores: bool = False
    least: int = 1
    most: int | None = None
    tensor: int | None = None
    pipeline: int | None = None
    data: int | None = None
    is_expert: bool | None = None
    quantization: str | None = None
    kv: str | None = None
    memory_share: float | None = None
    sequences: int | None = None
    token_budget: int | None = None
    context: int | None = None
    most_cost: float | None = None
    spot: SpotWay | None = None

    @property
    def replicas(self) -> int | None:
        """Where the file says one number."""
        return self.most if self.most == self.least else None

    @property
    def is_whole(self) -> bool:
        """The file says which GPUs, and how many replicas: nothing is left to choose."""
        names_gpu = self.gpu is not None and bool(self.gpu.product or self.gpu.mig_profile)
        return names_gpu and self.replicas is not None

    def refuses(self, layout: Layout) -> bool:
        default = 1 if self.is_whole else None
        said = (
            (self.tensor, layout.tensor),
            (self.pipeline or default, layout.pipeline),
            (self.data or default, layout.data),
        )
        if any(wanted is not None and wanted != degree for wanted, degree in said):
            return True
        if self.gpu is not None and self.gpu.product and self.gpu.count != layout.accelerators:
            return True
        if self.is_whole and not self.is_expert:
            return layout.expert > 1
        return self.is_expert is not None and self.is_expert != (layout.expert > 1) and layout.accelerators > 1

    def passes_over(self, offer: Offer) -> bool:
        """Whether the file names another kind of GPU, or of machine."""
        wish, is_spot = self.gpu, offer.preemptions is not None
        if (self.spot == "only" and not is_spot) or (self.spot == "never" and is_spot):
            return True
        if wish is None:
            return self.cores and offer.threads is None
        if wish.mig_profile:
            return offer.accelerator.profile != wish.mig_profile.removeprefix("mig-")
        is_other = bool(self.product) and self.product != offer.accelerator.name
        return offer.is_slice or is_other or offer.accelerator.memory < wish.min_memory_bytes

    def allows(self, checkpoint: Checkpoint) -> bool:
        """`quantization: fp8` is what vLLM does to 16 bits as it loads; others name what the weights are already."""
        if self.quantization is None and not self.is_whole:
            return True
        if self.quantization == "fp8" and not checkpoint.weights.startswith("fp8"):
            return False
        return bool(checkpoint.online) <= (self.quantization == "fp8") and not checkpoint.source


_KV = {"auto": "bf16", "bfloat16": "bf16", "fp8": "fp8", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8"}


def asked_of(model: Model, find: Find, currency: str = "") -> Asked:
    """`currency`: of the prices that a plan reckons with. Raises Fault with its path in the Model, and what `find`
    raises of a product that nobody knows."""
    args = model.args
    wish = None if model.gpu in (None, "auto", "cpu") else parse_gpu(str(model.gpu))
    said = "replicas" in model.model_fields_set
    kv = args.get("kv-cache-dtype")
    if kv is not None and kv not in _KV:
        raise Fault(f"found {describe(kv)}", f"write one of {', '.join(_KV)}", ("args", "kv-cache-dtype"))
    if wish is not None and wish.fraction < 1:
        raise Fault(f"found {model.gpu}", "a plan reckons with whole GPUs and MIG slices; leave it out", ("gpu",))
    return Asked(
        gpu=wish,
        product=find(wish.product).name if wish is not None and wish.product else "",
        cores=model.gpu == "cpu",
        least=max(1, model.replicas.low) if said else 1,
        most=max(1, model.replicas.high) if said else None,
        tensor=_whole(args, "tensor-parallel-size"),
        pipeline=_whole(args, "pipeline-parallel-size"),
        data=_whole(args, "data-parallel-size"),
        is_expert=bool(args["enable-expert-parallel"]) if "enable-expert-parallel" in args else None,
        quantization=str(args["quantization"]) if args.get("quantization") else None,
        kv=None if kv is None else _KV[kv],
        memory_share=_share(args),
        sequences=_whole(args, "max-num-seqs", "parallel"),
        token_budget=_whole(args, "max-num-batched-tokens", "batch-size"),
        context=_context(args),
        most_cost=_most(model, currency),
        spot=model.cost.spot if model.cost else None,
    )


def _most(model: Model, currency: str) -> float | None:
    most = model.cost.max if model.cost else None
    if most is not None and currency and most.currency not in ("", currency):
        raise Fault(f"found {most}", f"prices here are in {currency}", ("cost", "max"))
    return None if most is None else most.amount


def _whole(args: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = args.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not str(value).isdigit() or int(value) < 1:
            raise Fault(f"found {describe(value)}", "write a whole number from 1 on", ("args", name))
        return int(value)
    return None


def _context(args: Mapping[str, Any]) -> int | None:
    """Of one request: llama.cpp's is that of all its slots together."""
    whole = _whole(args, "ctx-size")
    return _whole(args, "max-model-len") or (whole and whole // (_whole(args, "parallel") or 1))


def _share(args: Mapping[str, Any]) -> float | None:
    value = args.get("gpu-memory-utilization")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise Fault(f"found {describe(value)}", "write a share, like 0.9", ("args", "gpu-memory-utilization"))
    return float(value)
