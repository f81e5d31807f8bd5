"""What keeps the pods of one Revision: a Deployment; a StatefulSet where each Replica keeps a claim; for Replicas of
several pods a LeaderWorkerSet, or where that is not installed one StatefulSet for one Replica."""

from __future__ import annotations

from typing import Any

from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.objects import fetch
from headway.sites.kubernetes.objects.derived import Derived, because, derive
from headway.sites.kubernetes.objects.naming import revision_name
from headway.sites.kubernetes.objects.pod import Group, Parts, pod_labels, selector, template
from headway.sites.kubernetes.objects.probes import start_seconds
from headway.sites.kubernetes.objects.weights import Way

__all__ = ["GROUP_SUFFIX", "LWS", "first_pod", "workload"]

LWS = "leaderworkerset.x-k8s.io"
GROUP_SUFFIX = "-group"
"""Of the Service by whose names the pods of one Replica find each other before they are ready."""
_CACHE = because(
    {"whenDeleted": "Delete", "whenScaled": "Retain"}, "a cache: gone with its Revision, there when it grows"
)
PULL = 900
"""Seconds for the images: an engine's has 10 to 20 GB."""
Tree = dict[str, Any]


def workload(parts: Parts, facts: Facts, *, namespace: str, replicas: int | None) -> Derived:
    if parts.accelerators.shape.pods > 1:
        make = _lws if facts.has(LWS) else _group
        return make(parts, namespace, replicas)
    if parts.way.kind == "replica":
        return _stateful(parts, namespace, replicas)
    return _deployment(parts, namespace, replicas)


def first_pod(parts: Parts, facts: Facts) -> Tree:
    """Labels of the one pod of a Replica that answers, where it has several."""
    if parts.accelerators.shape.pods == 1:
        return {}
    return (
        {f"{LWS.replace('x-k8s.io', 'sigs.k8s.io')}/worker-index": "0"}
        if facts.has(LWS)
        else {"apps.kubernetes.io/pod-index": "0"}
    )


def _metadata(parts: Parts, namespace: str) -> Tree:
    revision = parts.revision
    return {"name": revision_name(revision), "namespace": namespace, "labels": pod_labels(revision)}


def _deployment(parts: Parts, namespace: str, replicas: int | None) -> Derived:
    on_gpu = bool(parts.accelerators.shape.gpus)
    rolling = {"maxSurge": 0, "maxUnavailable": 1} if on_gpu else {"maxSurge": 1, "maxUnavailable": 0}
    why = "no GPU is needed twice" if on_gpu else "never fewer than there are"
    tree = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(parts, namespace),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": because(1, "a Revision never changes: its history is the Model's"),
            "progressDeadlineSeconds": because(_patience(parts), "images, weights and the longest healthy start"),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": because(rolling, why)},
            "selector": {"matchLabels": selector(parts.revision)},
            "template": template(parts),
        },
    }
    return derive(tree, f"The Replicas of Revision {parts.revision.id}.")


def _stateful(parts: Parts, namespace: str, replicas: int | None) -> Derived:
    tree = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _metadata(parts, namespace),
        "spec": {
            "replicas": replicas,
            "serviceName": revision_name(parts.revision),
            "podManagementPolicy": because("Parallel", "Replicas do not wait for each other"),
            "persistentVolumeClaimRetentionPolicy": _CACHE,
            "selector": {"matchLabels": selector(parts.revision)},
            "template": template(parts),
            "volumeClaimTemplates": [fetch.claim_template(parts.way)],
        },
    }
    return derive(tree, f"The Replicas of Revision {parts.revision.id}, each with weights of its own that it keeps.")


def _lws(parts: Parts, namespace: str, replicas: int | None) -> Derived:
    group = Group("$(LWS_LEADER_ADDRESS)", "$(LWS_WORKER_INDEX)")
    pods = parts.accelerators.shape.pods
    tree = {
        "apiVersion": f"{LWS}/v1",
        "kind": "LeaderWorkerSet",
        "metadata": _metadata(parts, namespace),
        "spec": {
            "replicas": replicas,
            "startupPolicy": "LeaderCreated",
            "leaderWorkerTemplate": {
                "size": because(pods, parts.accelerators.why_pods),
                "restartPolicy": because("RecreateGroupOnPodRestart", "the others cannot go on without one"),
                "leaderTemplate": template(parts, group=group),
                "workerTemplate": template(parts, worker=True, group=group),
            },
        },
    }
    return derive(tree, f"The Replicas of Revision {parts.revision.id}, of {pods} pods each.")


def _group(parts: Parts, namespace: str, replicas: int | None) -> Derived:
    """One Replica, and no more: a second one needs LeaderWorkerSet."""
    name, pods = revision_name(parts.revision), parts.accelerators.shape.pods
    leader = f"{name}-0.{name}{GROUP_SUFFIX}.{namespace}.svc"
    group = Group(leader, "metadata.labels['apps.kubernetes.io/pod-index']", alike=True)
    claims = [fetch.claim_template(parts.way)] if parts.way.kind == "replica" else None
    none = replicas == 0
    tree = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _metadata(parts, namespace),
        "spec": {
            "replicas": because(0 if none else pods, f"one Replica of {pods} pods: {parts.accelerators.why_pods}"),
            "serviceName": f"{name}{GROUP_SUFFIX}",
            "podManagementPolicy": because("Parallel", "they wait for each other themselves"),
            "persistentVolumeClaimRetentionPolicy": _CACHE if claims else None,
            "selector": {"matchLabels": selector(parts.revision)},
            "template": template(parts, group=group),
            "volumeClaimTemplates": claims,
        },
    }
    note = f"One Replica of {pods} pods. More than one, and a restart of all pods together, need LeaderWorkerSet."
    return derive(tree, note)


def _patience(parts: Parts) -> int:
    start, _ = start_seconds(parts.revision.engine, parts.weights)
    return round(PULL + start) + _fetching(parts.way)


def _fetching(way: Way) -> int:
    return fetch.seconds(way) if way.kind in ("none", "replica", "volume") else 0
