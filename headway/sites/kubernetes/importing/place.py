"""Where a pod may run, as hand-written manifests say it, in the words of a Model: `gpu`, `cost.spot`, and the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from headway.errors import UsageError
from headway.perf.catalog.accelerators import accelerator
from headway.spec.units import format_size

__all__ = ["Place", "place"]

_WHOLE = re.compile(r"(nvidia\.com|amd\.com)/gpu|google\.com/tpu")
_SHARED = "nvidia.com/gpu.shared"
_MIG = re.compile(r"nvidia\.com/(mig-\d+g\.\d+gb(?:\.[a-z.]+)?)")
_PRODUCT = (
    "nvidia.com/gpu.product",
    "cloud.google.com/gke-accelerator",
    "karpenter.k8s.aws/instance-gpu-name",
    "amd.com/gpu.product-name",
    "gpu.nvidia.com/model",
)
_MEMORY = ("nvidia.com/gpu.memory", "karpenter.k8s.aws/instance-gpu-memory")  # MiB
_SPOT = {
    "cloud.google.com/gke-spot": "true",
    "cloud.google.com/gke-preemptible": "true",
    "karpenter.sh/capacity-type": "spot",
    "eks.amazonaws.com/capacityType": "SPOT",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
_DERIVED = ("nvidia.com/gpu", "amd.com/gpu", "google.com/tpu", "nvidia.com/gpu.present", "nvidia.com/mig.capable")
"""Taints and labels that follow from the device that is asked for."""
_DEFAULTS = ("default", "default-scheduler")
"""What the API server writes into a pod that names none."""
MEMORY_SLACK = 0.9
"""A card of 24 GB has 23 028 MiB by its driver; people ask for what the box says."""


@dataclass(frozen=True, slots=True)
class Place:
    """`pod`: what no field of a Model says, as the pod's spec has it. `told`: what was lost, for a person."""

    gpu: str
    spot: str = ""
    pod: Mapping[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()


def place(spec: Mapping[str, Any], container: Mapping[str, Any]) -> Place:
    """Of a pod's spec and its engine's container."""
    limits = {
        **(container.get("resources") or {}).get("requests", {}),
        **(container.get("resources") or {}).get("limits", {}),
    }
    wanted: list[tuple[str, str, list[str]]] = list(_requirements(spec))
    products = next((values for key, how, values in wanted if key in _PRODUCT and how == "In"), [])
    least = max((int(values[0]) for key, how, values in wanted if key in _MEMORY and how in ("Gt", "Gte")), default=0)
    gpu, told = _gpu(limits, products, least)
    required = any(_SPOT.get(key) in values for key, how, values in wanted if how == "In" and key in _SPOT)
    tolerated = [each for each in spec.get("tolerations") or () if each.get("key") in _SPOT]
    avoided = any(_SPOT.get(key) in values for key, how, values in wanted if how == "NotIn" and key in _SPOT)
    spot = "only" if required else "prefer" if tolerated else "never" if avoided else ""
    return Place(gpu, spot, _rest(spec), tuple(told))


def _gpu(limits: Mapping[str, Any], products: list[str], least: int) -> tuple[str, list[str]]:
    for resource, count in limits.items():
        if match := _MIG.fullmatch(resource):
            profile = match[1].replace(".me", "+me")
            several = (
                [f"{count} slices of {profile}: a Replica takes one, write gpu: anew"] if str(count) != "1" else []
            )
            return profile, several
        if resource == _SHARED:
            return "0.5", ["a time-sliced share: 0.5 is a guess, write the share that it is"]
        if _WHOLE.fullmatch(resource):
            return _whole(int(count), products, least)
    return "cpu", []


def _whole(count: int, products: list[str], least: int) -> tuple[str, list[str]]:
    """Of so many GPUs, of one of these products or with at least so much memory (MiB)."""
    if len(products) == 1:
        return _of_product(products[0], count), []
    sizes = sorted(filter(None, map(_memory_of, products)))
    if count == 1 and sizes:
        told = f"{' or '.join(products)}: any GPU with as much memory as the least of them"
        return f"{format_size(int(sizes[0] * MEMORY_SLACK))}..", [told]
    if count == 1 and least:
        return f"{format_size(least << 20)}..", []
    unsaid = bool(products or least)
    what = ", ".join(products) or "a memory"
    return str(count), [f"several GPUs of one of {what}: write which, like H100:{count}"] if unsaid else []


def _of_product(product: str, count: int) -> str:
    try:
        name = accelerator(product).name
    except UsageError:
        name = product
    return name if count == 1 else f"{name}:{count}"


def _memory_of(product: str) -> int:
    try:
        return accelerator(product).memory
    except UsageError:
        return 0


def _requirements(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """What a node must have: key, operator, values."""
    for key, value in (spec.get("nodeSelector") or {}).items():
        yield key, "In", [str(value)]
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for each in term.get("matchExpressions") or ():
            yield each["key"], each.get("operator", "In"), [str(value) for value in each.get("values") or ()]


def _rest(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the pod that go under `pod:` unread."""
    known = {*_PRODUCT, *_MEMORY, *_SPOT, *_DERIVED}
    kept: dict[str, Any] = {}
    if selector := {key: value for key, value in (spec.get("nodeSelector") or {}).items() if key not in known}:
        kept["nodeSelector"] = selector
    if tolerations := [each for each in spec.get("tolerations") or () if each.get("key") not in known]:
        kept["tolerations"] = tolerations
    for name in ("imagePullSecrets", "serviceAccountName", "runtimeClassName", "schedulerName", "dnsConfig"):
        if spec.get(name) and spec[name] not in _DEFAULTS:
            kept[name] = spec[name]
    return kept
