"""Clusters as Facts, and the objects of a Model there."""

from __future__ import annotations

from typing import Any

from headway.engines import registry
from headway.sites.kubernetes.facts import UNKNOWN, Facts, Gpus, NodeFacts, StorageClass
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.model import model_objects
from headway.sites.kubernetes.objects.replica import replica_objects
from headway.spec.check import from_json

__all__ = ["BARE", "CLOUD", "CLUSTERS", "DRA", "EDGE", "UNKNOWN", "derived", "of_kind", "workload"]

GIB = 1 << 30


def _node(name: str, resource: str, count: int, product: str, memory_mib: int, **more: Any) -> NodeFacts:
    gpus = Gpus(
        resource, count, count, product, memory_mib << 20, shares=more.pop("shares", 1), dra=more.pop("dra", False)
    )
    return NodeFacts(name, cpu=64, memory_bytes=512 * GIB, gpus=(gpus,), **more)


H100 = _node("h100", "nvidia.com/gpu", 8, "H100-SXM", 81559, labels={"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"})
L4 = _node("l4", "nvidia.com/gpu", 4, "L4", 23034, spot=True, labels={"nvidia.com/gpu.product": "NVIDIA-L4"})
SLICED = _node("sliced", "nvidia.com/mig-1g.10gb", 7, "A100-80-SXM/1g.10gb", 9728)

BARE = Facts(version=(1, 34))
"""No GPU, no storage."""
CLOUD = Facts(
    version=(1, 36),
    groups=frozenset({"apps/v1", "leaderworkerset.x-k8s.io/v1", "resource.k8s.io/v1"}),
    nodes=(H100, L4, SLICED),
    storage=(StorageClass("disk", "pd.csi.storage.gke.io", default=True),
             StorageClass("shared", "filestore.csi.storage.gke.io", shared=True)),
)  # fmt: skip
"""GPUs by device plugin, MIG, spot, LeaderWorkerSet, storage that many nodes read."""
DRA = Facts(
    version=(1, 36),
    groups=frozenset({"resource.k8s.io/v1"}),
    nodes=(_node("dra", "gpu.nvidia.com", 8, "H100-SXM", 81559, dra=True),),
    device_classes=("gpu.nvidia.com", "mig.nvidia.com"),
)
"""GPUs by Dynamic Resource Allocation alone."""
EDGE = Facts(
    version=(1, 33),
    nodes=(_node("edge", "nvidia.com/gpu", 4, "T4", 15360, shares=4),),
    storage=(StorageClass("local-path", "rancher.io/local-path", default=True),),
)
"""k3s: one time-sliced GPU, the node's own disk."""
CLUSTERS = {"unknown": UNKNOWN, "bare": BARE, "cloud": CLOUD, "dra": DRA, "edge": EDGE}


def derived(facts: Facts, *, namespace: str = "team", replicas: int | None = 2, **written: Any) -> list[Derived]:
    """Of a Model with these fields."""
    model = from_json({"name": "chat", **written})
    found = list(model_objects(model, facts, namespace=namespace))
    for variant, way in model.ways.items():
        revision = registry.revise_elsewhere(way, variant).revision
        found += replica_objects(way, revision, facts, namespace=namespace, replicas=replicas)
    return found


def of_kind(objects: list[Derived], kind: str) -> list[dict[str, Any]]:
    return [each.manifest for each in objects if each.manifest["kind"] == kind]


def workload(objects: list[Derived]) -> dict[str, Any]:
    return objects[-1].manifest
