"""Which labels say that a node's GPU is the one that is asked for, in the words of each platform.

GPU feature discovery of NVIDIA's GPU operator (`nvidia.com/gpu.product`, `.memory` in MiB), AMD's labeller, GKE's and
Karpenter's own labels. A node carries one platform's words: each vocabulary is a term, and one of them must hold.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from headway.engines.container import Vendor
from headway.errors import UsageError
from headway.perf.catalog.accelerators import accelerator, accelerators, aliases
from headway.sites.kubernetes.facts import Facts, Gpus
from headway.sites.kubernetes.products import clouds, known_as
from headway.spec.gpu import GpuWish
from headway.spec.units import format_size

__all__ = ["fits", "selectors", "sliced", "terms"]

Expression = dict[str, Any]
MIB = 1 << 20
PRODUCT, MEMORY, STRATEGY = "nvidia.com/gpu.product", "nvidia.com/gpu.memory", "nvidia.com/gpu.sharing-strategy"
AMD_PRODUCT, GKE, GKE_TPU = (
    "amd.com/gpu.product-name",
    "cloud.google.com/gke-accelerator",
    "cloud.google.com/gke-tpu-accelerator",
)
KARPENTER = "karpenter.k8s.aws/instance-gpu-name"
KARPENTER_MEMORY = "karpenter.k8s.aws/instance-gpu-memory"


def terms(wish: GpuWish, vendor: Vendor, facts: Facts) -> tuple[tuple[tuple[Expression, ...], ...], str]:
    """One of these must hold whole; and why. Empty: any node that has the resource."""
    if wish.fraction < 1:
        shared = {"key": STRATEGY, "operator": "In", "values": ["time-slicing", "mps"]}
        why = f"{wish.fraction:g} of a GPU: only where GPUs are shared; nothing keeps the sharers' memory apart"
        return ((shared,),), why
    if wish.product:
        return _of_product(wish.product, vendor, facts), f"only nodes whose labels say {wish.product}"
    if wish.min_memory_bytes and vendor == "nvidia":
        size = format_size(wish.min_memory_bytes)
        return _of_memory(wish.min_memory_bytes), f"only GPUs with {size} or more, by the labels of each platform"
    return (), ""


def fits(wish: GpuWish, gpus: Gpus) -> bool:
    """Whether these GPUs are of the kind that is asked for; what no label says counts as right."""
    if gpus.resource.startswith("nvidia.com/mig-"):
        return False
    if wish.product and gpus.product and _name(gpus.product) != _name(wish.product):
        return False
    return not (gpus.memory_bytes and gpus.memory_bytes < wish.min_memory_bytes)


def selectors(wish: GpuWish, device_class: str) -> tuple[str, ...]:
    """As CEL, for a DRA request of this class."""
    if wish.product:
        said = [each.replace("-", " ") for each in _labels(_name(wish.product))]
        names = ", ".join(f"'{each}'" for each in dict.fromkeys(said))
        return (f"device.attributes['{device_class}'].productName in [{names}]",)
    if wish.min_memory_bytes:
        floor = f"{wish.min_memory_bytes // MIB}Mi"
        return (f"device.capacity['{device_class}'].memory.compareTo(quantity('{floor}')) >= 0",)
    return ()


def sliced(profile: str, facts: Facts) -> Expression:
    """Nodes that are cut alike into such slices."""
    said = {node.labels.get(PRODUCT, "") for node in facts.nodes}
    values = sorted(each for each in said if each.endswith(f"-MIG-{profile}"))
    return {"key": PRODUCT, "operator": "In", "values": values}


def _of_product(product: str, vendor: Vendor, facts: Facts) -> tuple[tuple[Expression, ...], ...]:
    name = _name(product)
    if vendor == "google":
        return tuple(_in(GKE_TPU, values) for values in [_cloud(name, "tpu")] if values)
    key = AMD_PRODUCT if vendor == "amd" else PRODUCT
    seen = {node.labels[key] for node in facts.nodes if key in node.labels and known_as(node.labels[key]) == name}
    found = [_in(key, sorted({*_labels(name), *seen}))]
    if vendor == "nvidia":
        found += [_in(GKE, values) for values in [_cloud(name, "nvidia-")] if values]
        found += [_in(KARPENTER, values) for values in [_cloud(name, "")] if values]
    return tuple(found)


def _of_memory(least: int) -> tuple[tuple[Expression, ...], ...]:
    """`Gt` reads a label as a whole number: one less than the least MiB."""
    floor = [str(-(-least // MIB) - 1)]
    large = [each.name for each in accelerators().values() if each.vendor == "NVIDIA" and each.memory >= least]
    in_gke = sorted({label for name in large for label in _cloud(name, "nvidia-")})
    found = [
        ({"key": MEMORY, "operator": "Gt", "values": floor},),
        ({"key": KARPENTER_MEMORY, "operator": "Gt", "values": floor},),
    ]
    return (*found, *([_in(GKE, in_gke)] if in_gke else []))


def _in(key: str, values: list[str]) -> tuple[Expression, ...]:
    return ({"key": key, "operator": "In", "values": values},)


@cache
def _labels(name: str) -> list[str]:
    """As the driver's name becomes a label: blanks are dashes."""
    try:
        said = [each for each in aliases(name) if each.startswith(("NVIDIA-", "Tesla-", "AMD-"))]
        vendor = accelerator(name).vendor
    except (UsageError, StopIteration):
        return [name.replace(" ", "-")]
    if vendor == "AMD":
        return [each.replace("-", "_") for each in said] + [f"{each.replace('-', '_')}_OAM" for each in said]
    return said or [f"NVIDIA-{name}"]


def _cloud(name: str, prefix: str) -> list[str]:
    """A cloud's own words for it. Karpenter's have no prefix."""
    found = [label for label, known in clouds().items() if known == name]
    if prefix:
        return sorted(each for each in found if each.startswith(prefix))
    return sorted(each for each in found if not each.startswith(("nvidia-", "tpu")))


def _name(product: str) -> str:
    try:
        return accelerator(product).name
    except UsageError:
        return known_as(product)
