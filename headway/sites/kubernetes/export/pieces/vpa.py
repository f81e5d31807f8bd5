"""`--piece vpa`: what the Vertical Pod Autoscaler would ask for, and that it may only say so."""

from __future__ import annotations

from collections.abc import Iterator

from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.objects.derived import Derived

__all__ = ["recommendations"]


def recommendations(wish: Wish) -> Iterator[Derived]:
    for way in wish.ways:
        workload = way.workload.manifest
        ref = {"apiVersion": workload["apiVersion"], "kind": workload["kind"], "name": way.name}
        policy = {
            "containerName": way.pod.engine["name"],
            "mode": "Auto",
            "controlledResources": ["cpu", "memory"],
            "controlledValues": "RequestsOnly",
        }
        why = {
            "/spec/updatePolicy/updateMode": "Off: it would evict an engine to resize it, and that costs a load of the "
            "weights; GPUs it cannot size at all",
            "/spec/resourcePolicy/containerPolicies/0/controlledValues": "limits guard the node and stay as derived",
        }
        manifest = {
            "apiVersion": "autoscaling.k8s.io/v1",
            "kind": "VerticalPodAutoscaler",
            "metadata": {"name": way.name, "namespace": way.namespace, "labels": way.labels},
            "spec": {
                "targetRef": ref,
                "updatePolicy": {"updateMode": "Off"},
                "resourcePolicy": {"containerPolicies": [policy]},
            },
        }
        note = f"Recommendations only: kubectl describe vpa {way.name}; they go under cpu and memory of the file."
        yield Derived(manifest, why, note)
