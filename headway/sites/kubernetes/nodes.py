"""A Node object, and what pods took of it -> NodeFacts. Pure: an operator calls it on its mirrors, a command once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headway.sites.kubernetes.devices import gpus_of
from headway.sites.kubernetes.facts import Gpus, NodeFacts
from headway.sites.kubernetes.labels import PRICE
from headway.sites.kubernetes.quantity import Amounts, amount, amounts
from headway.wire.kube.manifest import Manifest, labels

__all__ = ["is_spot", "node_facts"]

_SPOT = {
    "cloud.google.com/gke-spot": "true",
    "cloud.google.com/gke-preemptible": "true",
    "cloud.google.com/gke-provisioning": "spot",
    "eks.amazonaws.com/capacitytype": "spot",
    "karpenter.sh/capacity-type": "spot",
    "kubernetes.azure.com/scalesetpriority": "spot",
    "node.kubernetes.io/lifecycle": "spot",
}
"""Labels of GKE, EKS, Karpenter, AKS, and the one that node groups of one's own have, in lower case."""


def node_facts(node: Manifest, taken: Amounts, devices: Sequence[Gpus] = ()) -> NodeFacts:
    """`taken`: what pods that are bound to it asked for; `devices`: those offered by DRA."""
    said, spec, status = labels(node), node.get("spec") or {}, node.get("status") or {}
    there = amounts(status.get("allocatable"))
    return NodeFacts(
        name=node["metadata"]["name"],
        ready=any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ()),
        schedulable=not spec.get("unschedulable", False),
        arch=said.get("kubernetes.io/arch", (status.get("nodeInfo") or {}).get("architecture", "amd64")),
        cpu=there.get("cpu", 0.0),
        free_cpu=max(0.0, there.get("cpu", 0.0) - taken.get("cpu", 0.0)),
        memory_bytes=int(there.get("memory", 0)),
        free_memory_bytes=max(0, int(there.get("memory", 0) - taken.get("memory", 0))),
        gpus=(*gpus_of(said, there, taken), *devices),
        spot=is_spot(said),
        price=amount(said.get(PRICE, "0")),
        zone=said.get("topology.kubernetes.io/zone", ""),
        labels=said,
        taints=tuple((each["key"], each.get("value", ""), each["effect"]) for each in spec.get("taints") or ()),
    )


def is_spot(said: Mapping[str, str]) -> bool:
    return any(_SPOT.get(name.lower()) == value.lower() for name, value in said.items())
