"""Pods -> Replicas, where one Replica is several pods: it answers when all of them do. Pure.

The first pod may still say that it is ready when another is lost, so the Replica is as its most helpless pod.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headway.policy.decision import Reason
from headway.sites.base import ReplicaState
from headway.sites.kubernetes.labels import REVISION
from headway.sites.kubernetes.objects.workload import GROUP_SUFFIX
from headway.sites.kubernetes.pods import Seen, seen
from headway.wire.kube.manifest import Manifest, labels

__all__ = ["WORST", "replicas_in", "whole"]

_LWS = "leaderworkerset.sigs.k8s.io"
_WORKER, _GROUP, _SIZE = f"{_LWS}/worker-index", f"{_LWS}/group-index", f"{_LWS}/size"
_INDEX = "apps.kubernetes.io/pod-index"
WORST = (
    ReplicaState.FAILED,
    ReplicaState.BACKOFF,
    ReplicaState.PENDING,
    ReplicaState.PREPARING,
    ReplicaState.STARTING,
)
"""Of those that do not answer, the most helpless first."""


def replicas_in(pods: Iterable[Manifest]) -> list[list[Manifest]]:
    """The pods of each Replica, the one that answers for it first."""
    found: dict[tuple[str, ...], list[Manifest]] = {}
    for pod in pods:
        found.setdefault(_replica(pod), []).append(pod)
    return [sorted(each, key=_number) for each in found.values()]


def whole(pods: Sequence[Manifest], size: int = 0) -> tuple[Seen, str]:
    """What the pods of one Replica say together, and the name of the pod that says it. `size`: how many they shall be;
    0 = as their labels say, if they do."""
    first = pods[0]
    found, about = seen(first), str(first["metadata"]["name"])
    for each in pods[1:] if found.state is not ReplicaState.DRAINING else ():
        other = seen(each)
        if other.state is ReplicaState.DRAINING:
            told = f"another pod takes the place of {each['metadata']['name']}: {other.message}"
            other = Seen(ReplicaState.STARTING, Reason.STARTING, told)
        if _rank(other.state) < _rank(found.state):
            found, about = other, str(each["metadata"]["name"])
    size = size or int(labels(first).get(_SIZE) or 1)
    if found.state is ReplicaState.READY and len(pods) < size:
        told = f"{len(pods)} of its {size} pods are there"
        return Seen(ReplicaState.PREPARING, Reason.PREPARING, told), about
    return found, about


def _replica(pod: Manifest) -> tuple[str, ...]:
    """Which Replica a pod is of, as a key."""
    said = labels(pod)
    namespace, revision = pod["metadata"].get("namespace", ""), said.get(REVISION, "")
    if str(pod["spec"].get("subdomain", "")).endswith(GROUP_SUFFIX):  # a StatefulSet says its Service there
        return (namespace, revision)
    return (namespace, revision, said[_GROUP], "") if _GROUP in said else (namespace, revision, pod["metadata"]["name"])


def _rank(state: ReplicaState) -> int:
    return WORST.index(state) if state in WORST else len(WORST)


def _number(pod: Manifest) -> tuple[int, str]:
    said = labels(pod)
    return int(said.get(_WORKER) or said.get(_INDEX) or 0), pod["metadata"]["name"]
