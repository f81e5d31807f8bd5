"""Pods and EndpointSlices -> Replicas: what each pod says of itself, and the address that its slice has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from headway.sites.base import Replica, ReplicaState
from headway.sites.kubernetes.endpoints import replicas_of
from headway.sites.kubernetes.groups import replicas_in, whole
from headway.sites.kubernetes.labels import COMPONENT, MANAGED, MODEL
from headway.sites.kubernetes.pods import replica_of
from headway.sites.kubernetes.requests import is_over
from headway.wire.kube.manifest import Manifest, labels

__all__ = ["OURS", "replicas_of_pods"]

OURS = f"{MANAGED}=headway,{COMPONENT}=replica"
"""Selects the pods of all Replicas."""


def replicas_of_pods(pods: Iterable[Manifest], slices: Iterable[Manifest]) -> list[Replica]:
    """By name, a Replica of several pods by its first. Pods that ended for good (evicted, their node shut
    down) are none: their workload made others."""
    living = [each for each in pods if not is_over(each)]
    spaces = {labels(each).get(MODEL, ""): each["metadata"]["namespace"] for each in living}
    where = {each.name: (each.host, each.port) for each in replicas_of(slices, spaces)}
    found = (_replica(each, where) for each in replicas_in(living))
    return sorted(found, key=lambda each: each.name)


def _replica(pods: Sequence[Manifest], where: Mapping[str, tuple[str, int]]) -> Replica:
    first = pods[0]["metadata"]["name"]
    made = replica_of(pods[0], address=where.get(first, ("", 0)))
    if len(pods) == 1:
        return made
    found, about = whole(pods)
    message = found.message if about == first else f"{about}: {found.message}"
    said = replace(made, state=found.state, reason=found.reason, message=message, next_action=found.next_action)
    return said if found.state is ReplicaState.READY else replace(said, ready_at=None)
