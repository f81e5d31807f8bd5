"""The GPUs of a node that a device plugin offers: extended resources, told apart by the node's labels.

Memory is that of one GPU, or of one slice; time-sliced GPUs count each share (a pod that asks for one gets the whole
memory to fight over, which is what `shares` warns of).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from headway.sites.kubernetes.facts import Gpus
from headway.sites.kubernetes.products import known_as, memory_of, profile_of
from headway.sites.kubernetes.quantity import Amounts, amount

__all__ = ["MIG", "WHOLE", "gpus_of", "is_accelerator"]

MIB = 1 << 20
NVIDIA, SHARED, MIG = "nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-"
OTHERS = ("amd.com/gpu", "google.com/tpu", "habana.ai/gaudi", "gpu.intel.com/xe", "gpu.intel.com/i915")
WHOLE = (NVIDIA, SHARED, *OTHERS)
_PRODUCTS = {
    NVIDIA: ("nvidia.com/gpu.product", "cloud.google.com/gke-accelerator", "karpenter.k8s.aws/instance-gpu-name"),
    "amd.com/gpu": ("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name"),
    "google.com/tpu": ("cloud.google.com/gke-tpu-accelerator",),
    "habana.ai/gaudi": ("karpenter.k8s.aws/instance-gpu-name",),
}
_MEMORY_MIB = ("nvidia.com/gpu.memory", "karpenter.k8s.aws/instance-gpu-memory")
_GKE_PARTITION = "cloud.google.com/gke-gpu-partition-size"
_SHARES = ("nvidia.com/gpu.replicas", "cloud.google.com/gke-max-shared-clients-per-gpu")


def is_accelerator(resource: str) -> bool:
    return resource in WHOLE or resource.startswith(MIG)


def gpus_of(labels: Mapping[str, str], allocatable: Amounts, taken: Amounts) -> Iterator[Gpus]:
    """`taken`: what pods asked for, by the same names. A resource whose devices are all gone (0) is still told."""
    for resource in sorted(filter(is_accelerator, allocatable)):
        count = int(allocatable[resource])
        free = max(0, count - int(taken.get(resource, 0)))
        read = _slice if resource.startswith(MIG) else _whole
        product, memory, shares = read(labels, resource)
        yield Gpus(resource, count, free, product, memory, shares)


def _whole(labels: Mapping[str, str], resource: str) -> tuple[str, int, int]:
    base = NVIDIA if resource == SHARED else resource
    said = _first(labels, _PRODUCTS.get(base, ()))
    profile = profile_of(said) or labels.get(_GKE_PARTITION, "")
    product = known_as(said, profile)
    memory = amount(_first(labels, _MEMORY_MIB)) * MIB if base == NVIDIA else _vram(labels)
    is_shared = said.endswith("-SHARED") or resource == SHARED or _SHARES[1] in labels
    shares = int(amount(_first(labels, _SHARES))) if is_shared else 1
    return product, int(memory) or memory_of(product), max(1, shares)


def _slice(labels: Mapping[str, str], resource: str) -> tuple[str, int, int]:
    """Of the `mixed` strategy: each profile is a resource with labels of its own."""
    profile = resource.removeprefix(MIG)
    said = labels.get(f"{resource}.product", "") or _first(labels, _PRODUCTS[NVIDIA])
    product = known_as(said, profile.removesuffix(".shared"))
    memory = int(amount(labels.get(f"{resource}.memory", "0"))) * MIB
    shares = int(amount(labels.get(f"{resource}.replicas", "1"))) if said.endswith("-SHARED") else 1
    return product, memory or memory_of(product), max(1, shares)


def _vram(labels: Mapping[str, str]) -> float:
    """AMD's labeller writes 192G and means 192 GiB."""
    written = _first(labels, ("amd.com/gpu.vram", "beta.amd.com/gpu.vram"))
    return amount(written if written.endswith("i") else f"{written}i") if written else 0.0


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")
