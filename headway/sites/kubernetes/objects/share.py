"""A Tenant's quota in Kubernetes' words: resource names and quantities, with the reason of each."""

from __future__ import annotations

from headway.perf.catalog.accelerators import accelerator, accelerators
from headway.sites.kubernetes.devices import MIG, WHOLE
from headway.sites.kubernetes.facts import Facts
from headway.spec.share import Quota
from headway.spec.units import format_cpu

__all__ = ["every_gpu_resource", "gpu_resources", "hard"]

COMMON_GPUS = ("nvidia.com/gpu", "amd.com/gpu")
"""Where nobody has looked at the cluster."""


def gpu_resources(facts: Facts) -> tuple[str, ...]:
    """The resource names of GPUs and slices that the nodes have, in the order of their names."""
    seen = sorted({each.resource for node in facts.nodes for each in node.gpus if not each.dra})
    return tuple(seen) if facts.known and seen else COMMON_GPUS


def every_gpu_resource(facts: Facts) -> tuple[str, ...]:
    """Those that the nodes have, and all that nodes may have tomorrow: pools that are empty now, GPUs that are cut
    otherwise. In this order."""
    slices = {f"{MIG}{each.profile}" for name in accelerators() for each in accelerator(name).slices}
    return tuple(dict.fromkeys((*gpu_resources(facts), *WHOLE, *sorted(slices))))


def hard(quota: Quota, facts: Facts) -> tuple[dict[str, str], dict[str, str]]:
    """`hard` of a ResourceQuota, and why each entry stands there."""
    limits: dict[str, str] = {}
    why: dict[str, str] = {}
    if quota.gpus is not None:
        for name in gpu_resources(facts):
            limits[f"requests.{name}"] = str(quota.gpus)
            why[f"requests.{name}"] = "quota.gpus, for each kind of GPU that nodes offer: a quota cannot add them up"
        for each in facts.device_classes:
            name = f"{each}.deviceclass.resource.k8s.io/devices"
            limits[name], why[name] = str(quota.gpus), "quota.gpus, for devices that are claimed (DRA)"
    said = {
        "requests.cpu": None if quota.cpu is None else format_cpu(quota.cpu),
        "requests.memory": None if quota.memory is None else str(quota.memory),
        "requests.storage": None if quota.storage is None else str(quota.storage),
        "pods": None if quota.pods is None else str(quota.pods),
    }
    return limits | {name: value for name, value in said.items() if value is not None}, why
