"""A Tenant's queue, where Kueue (v1beta2) is installed: its share, and what it may borrow of others'.

Serving pods and Jobs that carry the queue's label wait for their share instead of failing at the quota.
"""

from __future__ import annotations

from typing import Any

from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.objects.derived import Derived
from headway.sites.kubernetes.objects.network import NAMESPACE_NAME
from headway.sites.kubernetes.objects.share import every_gpu_resource
from headway.spec.tenant import Tenant
from headway.spec.units import format_cpu
from headway.wire.kube.manifest import Manifest

__all__ = ["FLAVOR", "QUEUE", "queues"]

API = "kueue.x-k8s.io/v1beta2"
FLAVOR = "headway"
QUEUE = "default"
"""Kueue's own name of the queue for what names none."""
COHORT = "headway"
MOST = 64
"""Resources of one group of a ClusterQueue (Kueue's CRD)."""
UNLIMITED = "1000000"
"""Kueue admits nothing that asks for a resource it has no number of; this is more than any cluster has."""


def queues(tenant: Tenant, facts: Facts, namespace: str) -> tuple[Derived, ...]:
    name = f"headway-{tenant.name}"
    flavor: Manifest = {"apiVersion": API, "kind": "ResourceFlavor", "metadata": {"name": FLAVOR}, "spec": {}}
    local: Manifest = {
        "apiVersion": API,
        "kind": "LocalQueue",
        "metadata": {"name": QUEUE, "namespace": namespace},
        "spec": {"clusterQueue": name},
    }
    why = {
        "/spec/cohortName": "tenants with a queue lend each other what is idle",
        "/spec/fairSharing": "the Tenant's weight",
        "/spec/resourceGroups": "the Tenant's quota; what it does not say is not limited",
    }
    return (
        Derived(flavor, note="Every node; one flavor is shared by all tenants."),
        Derived(_cluster_queue(name, tenant, facts, namespace), why, "The tenant's share of the cluster."),
        Derived(local, note="Where pods of the namespace queue."),
    )


def _cluster_queue(name: str, tenant: Tenant, facts: Facts, namespace: str) -> Manifest:
    numbers = _numbers(tenant, facts)
    borrows = tenant.quota is None or tenant.quota.borrow
    resources: list[dict[str, Any]] = [
        {"name": resource, "nominalQuota": number} | ({} if borrows else {"borrowingLimit": "0"})
        for resource, number in numbers.items()
    ]
    return {
        "apiVersion": API,
        "kind": "ClusterQueue",
        "metadata": {"name": name},
        "spec": {
            "cohortName": COHORT,
            "namespaceSelector": {"matchLabels": {NAMESPACE_NAME: namespace}},
            "fairSharing": {"weight": f"{tenant.weight:g}"},
            "preemption": {"reclaimWithinCohort": "Any", "withinClusterQueue": "LowerPriority"},
            "resourceGroups": [
                {"coveredResources": list(numbers), "flavors": [{"name": FLAVOR, "resources": resources}]}
            ],
        },
    }


def _numbers(tenant: Tenant, facts: Facts) -> dict[str, str]:
    quota = tenant.quota
    gpus = UNLIMITED if quota is None or quota.gpus is None else str(quota.gpus)
    said = {
        "cpu": UNLIMITED if quota is None or quota.cpu is None else format_cpu(quota.cpu),
        "memory": f"{UNLIMITED}Gi" if quota is None or quota.memory is None else str(quota.memory),
        "ephemeral-storage": f"{UNLIMITED}Gi",
    }
    return said | dict.fromkeys(every_gpu_resource(facts)[: MOST - len(said)], gpus)
