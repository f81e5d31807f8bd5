"""`--as lws`: LeaderWorkerSets. One of several nodes is what the operator makes, too, where LWS is installed; what fits
on one node becomes groups of one pod, which scale and roll as groups do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headway.sites.kubernetes.export.forms.plain import scaled_by
from headway.sites.kubernetes.export.forms.scaler import autoscaler
from headway.sites.kubernetes.export.way import Way, moved
from headway.sites.kubernetes.export.wish import Wish
from headway.sites.kubernetes.objects.derived import Derived

__all__ = ["GROUP", "leader_worker_sets"]

GROUP = "leaderworkerset.x-k8s.io/v1"


def leader_worker_sets(wish: Wish) -> Iterator[Derived]:
    for model in wish.models:
        for each in scaled_by(wish, model, autoscaler):
            found = next((way for way in wish.of(model) if _is(way, each)), None)
            if found is None:
                yield _aimed(each)
            else:
                yield each if each.manifest["apiVersion"] == GROUP else _set(found, each)


def _is(way: Way, derived: Derived) -> bool:
    manifest, wanted = derived.manifest, (way.workload.manifest["kind"], way.name)
    return (manifest["kind"], manifest["metadata"]["name"]) == wanted


def _set(way: Way, derived: Derived) -> Derived:
    deployment = derived.manifest
    spec: dict[str, Any] = {
        "leaderWorkerTemplate": {
            "size": 1,
            "restartPolicy": "RecreateGroupOnPodRestart",
            "workerTemplate": deployment["spec"]["template"],
        },
        "rolloutStrategy": {
            "type": "RollingUpdate",
            "rollingUpdateConfiguration": {"maxUnavailable": 1, "maxSurge": 0},
        },
        "startupPolicy": "LeaderCreated",
    }
    if claims := deployment["spec"].get("volumeClaimTemplates"):
        spec["leaderWorkerTemplate"]["volumeClaimTemplates"] = claims
    if "replicas" in deployment["spec"]:
        spec = {"replicas": deployment["spec"]["replicas"], **spec}
    why = moved(derived.why, "/spec/template", "/spec/leaderWorkerTemplate/workerTemplate")
    why["/spec/leaderWorkerTemplate/size"] = "it fits on one node"
    why["/spec/rolloutStrategy"] = "one group at a time, in its own place: no spare GPUs are needed"
    manifest = {"apiVersion": GROUP, "kind": "LeaderWorkerSet", "metadata": deployment["metadata"], "spec": spec}
    return Derived(manifest, why, f"{way.name} as groups of one pod.")


def _aimed(derived: Derived) -> Derived:
    """An HPA at the LeaderWorkerSet, which has a /scale of its own."""
    manifest = derived.manifest
    if manifest["kind"] != "HorizontalPodAutoscaler":
        return derived
    name = manifest["spec"]["scaleTargetRef"]["name"]
    ref = {"apiVersion": GROUP, "kind": "LeaderWorkerSet", "name": name}
    return Derived({**manifest, "spec": {**manifest["spec"], "scaleTargetRef": ref}}, derived.why, derived.note)
