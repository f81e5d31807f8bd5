"""`gpu:` of a Revision and what a cluster has -> what its pods ask for. Pure, and blind to what is free: a node that
fills up or joins never changes a Replica.

By device plugin (`nvidia.com/gpu`), by MIG profile (`nvidia.com/mig-1g.10gb`), a share of a time-sliced GPU, a TPU's
chips, or by DRA where a driver offers devices and no plugin does. A product or a least memory chooses nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import Any

from headway.engines.container import PodShape, Vendor
from headway.errors import ResourceError, UsageError
from headway.perf.catalog.accelerators import accelerator
from headway.sites.kubernetes.facts import Facts, Gpus
from headway.sites.kubernetes.objects import gpu_labels
from headway.spec.gpu import GpuWish, parse_gpu

__all__ = ["RESOURCES", "Accelerators", "accelerators"]

NVIDIA = "nvidia.com/gpu"
RESOURCES: dict[Vendor, str] = {"nvidia": NVIDIA, "amd": "amd.com/gpu", "google": "google.com/tpu"}
PER_NODE = 8
"""GPUs of a machine, where nobody says."""
OF_MEMORY = 0.8
"""Of a GPU's memory the weights may take so much; engines leave a tenth, the rest is for KV cache and activations."""
LARGEST = 80_000_000_000
"""Bytes of the GPU that is reckoned with where nothing is known of the cluster."""
NEED_GPU = ("vllm", "sglang")


@dataclass(frozen=True, slots=True)
class Accelerators:
    """For one pod. `resource`: extended resource (empty: none); `device_class` and `selectors`: by DRA instead.
    `terms`: of the node's labels one list must hold whole; none: any node."""

    shape: PodShape = field(default_factory=PodShape)
    resource: str = ""
    device_class: str = ""
    selectors: tuple[str, ...] = ()
    terms: tuple[tuple[dict[str, Any], ...], ...] = ()
    why: str = ""
    why_nodes: str = ""
    why_pods: str = ""


def accelerators(engine: str, gpu: str, weights: int, facts: Facts) -> Accelerators:
    """`weights`: bytes, 0 = not known. Raises ResourceError for what no cluster can give."""
    if engine in ("mock", "embed"):
        return Accelerators(why=f"engine {engine} runs on cores")
    wish = _wish(engine, gpu, weights, facts)
    if wish is None:
        return Accelerators(why="on cores" if gpu == "cpu" else "llama.cpp serves on cores unless gpu says otherwise")
    said, why = wish
    if said.mig_profile:
        return _slice(said, facts)
    vendor = _vendor(said, facts)
    pods, each, why_pods = _pods(said, facts, vendor)
    shape = PodShape(gpus=each, vendor=vendor, share=said.fraction, pods=pods)
    labelled, why_nodes = gpu_labels.terms(said, vendor, facts)
    if device_class := _device_class(facts, vendor, ""):
        chosen = gpu_labels.selectors(said, device_class)
        why = f"{why}; by DRA: a driver offers {device_class} and no device plugin does"
        return Accelerators(shape, "", device_class, chosen, (), why, "", why_pods)
    resource = _resource(said, facts, vendor)
    return Accelerators(shape, resource, "", (), labelled, why, why_nodes, why_pods)


def _wish(engine: str, gpu: str, weights: int, facts: Facts) -> tuple[GpuWish, str] | None:
    """None: cores."""
    if gpu and gpu != "auto":
        wish = parse_gpu(gpu)
        return None if wish is None else (wish, f"as written: {gpu}")
    there = _all(facts)
    if engine not in NEED_GPU:
        return (GpuWish(), "auto: the cluster has GPUs") if gpu == "auto" and there else None
    if not weights:
        return GpuWish(), "one GPU: the catalogue does not know how large this model is; write gpu: to be sure"
    return _that_holds(weights, there)


def _that_holds(weights: int, there: list[Gpus]) -> tuple[GpuWish, str]:
    """As few GPUs as hold the weights, of those that there are the largest. A least memory is asked for only where
    labels of this cluster say how much a GPU has: elsewhere no node would have the label."""
    said = max((each.memory_bytes for each in there), default=0)
    largest = said or LARGEST
    known = "of the cluster's largest" if said else "of 80 GB, as no label says how much there is"
    count = 1
    while count * largest * OF_MEMORY < weights and count < 64:
        count *= 2
    least = ceil(weights / count / OF_MEMORY)
    many = f"{count} GPU{'s' if count > 1 else ''}"
    why = f"{many}: {weights / 1e9:.1f} GB of weights in {OF_MEMORY:.0%} of the memory {known}"
    return GpuWish(count=count, min_memory_bytes=least if said else 0), why


def _vendor(wish: GpuWish, facts: Facts) -> Vendor:
    if wish.product:
        try:
            made = accelerator(wish.product).vendor.casefold()
        except UsageError:
            made = "nvidia"
        if made not in RESOURCES:
            raise ResourceError(f"no image of an engine here runs on {wish.product} ({made})", hint="use another gpu")
        return made
    names = {each.resource for each in _all(facts) if not each.dra}
    return next((vendor for vendor, resource in RESOURCES.items() if resource in names), "nvidia")


def _resource(wish: GpuWish, facts: Facts, vendor: Vendor) -> str:
    """A plugin may name shared GPUs apart (`nvidia.com/gpu.shared`)."""
    shared = f"{NVIDIA}.shared"
    if wish.fraction < 1 and any(each.resource == shared for each in _all(facts)):
        return shared
    return RESOURCES[vendor]


def _slice(wish: GpuWish, facts: Facts) -> Accelerators:
    """MIG. `mixed`: each profile is a resource; `single`: all GPUs of a node are cut alike and count as GPUs."""
    profile = wish.mig_profile.removeprefix("mig-")
    shape = PodShape(gpus=1, vendor="nvidia")
    mixed = f"nvidia.com/mig-{profile.replace('+', '.')}"
    there = _all(facts)
    if device_class := _device_class(facts, "nvidia", "mig"):
        chosen = (f"device.attributes['gpu.nvidia.com'].profile == '{profile}'",)
        return Accelerators(shape, "", device_class, chosen, why=f"as written: a slice {profile}, by DRA")
    alike = [each for each in there if each.resource == NVIDIA and each.product.endswith(f"/{profile}")]
    if alike and not any(each.resource == mixed for each in there):
        terms = ((gpu_labels.sliced(profile, facts),),)
        return Accelerators(
            shape, NVIDIA, "", (), terms, "as written; MIG strategy single", f"nodes cut into {profile}"
        )
    return Accelerators(shape, mixed, why=f"as written: one MIG slice {profile} (strategy mixed of the device plugin)")


def _pods(wish: GpuWish, facts: Facts, vendor: Vendor) -> tuple[int, int, str]:
    """How many pods one Replica is, and the GPUs of each: no pod spans two nodes."""
    there = [each for each in _all(facts) if gpu_labels.fits(wish, each)]
    most = max((each.count // each.shares for each in there), default=0)
    where = "the largest node has" if most else "a machine usually has"
    most = most or min(_usual(wish), PER_NODE)
    if wish.count <= most:
        return 1, wish.count, ""
    pods = ceil(wish.count / most)
    if wish.count % pods:
        raise ResourceError(
            f"{wish.count} GPUs do not divide over {pods} nodes of {most}", hint=f"write {most * pods} or {most}"
        )
    return pods, wish.count // pods, f"{wish.count} GPUs for one Replica, and {where} {most}"


def _usual(wish: GpuWish) -> int:
    try:
        return accelerator(wish.product).node if wish.product else PER_NODE
    except UsageError:
        return PER_NODE


def _device_class(facts: Facts, vendor: Vendor, kind: str) -> str:
    """Of DRA, where no device plugin offers the same; empty: none."""
    if not facts.has("resource.k8s.io") or any(not each.dra for each in _all(facts)):
        return ""
    wanted = {"nvidia": "mig.nvidia.com" if kind == "mig" else "gpu.nvidia.com", "amd": "gpu.amd.com"}.get(vendor, "")
    return wanted if wanted in facts.device_classes else ""


def _all(facts: Facts) -> list[Gpus]:
    return [each for node in facts.nodes for each in node.gpus]
