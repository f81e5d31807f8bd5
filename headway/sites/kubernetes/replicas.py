"""Pods and EndpointSlices -> Replicas: what each pod says of itself, and the address that its slice has. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from headway.sites.base import Replica
from headway.sites.kubernetes.endpoints import replicas_of
from headway.sites.kubernetes.labels import COMPONENT, MANAGED, MODEL
from headway.sites.kubernetes.pods import replica_of
from headway.sites.kubernetes.requests import is_over
from headway.wire.kube.manifest import Manifest, labels

__all__ = ["OURS", "replicas_of_pods"]

OURS = f"{MANAGED}=headway,{COMPONENT}=replica"
"""Selects the pods of all Replicas."""


def replicas_of_pods(pods: Iterable[Manifest], slices: Iterable[Manifest]) -> list[Replica]:
    """By name. Pods that ended for good (evicted, their node shut down) are none: their workload made others."""
    living = [each for each in pods if not is_over(each)]
    spaces = {labels(each).get(MODEL, ""): each["metadata"]["namespace"] for each in living}
    where = {each.name: (each.host, each.port) for each in replicas_of(slices, spaces)}
    found = (replica_of(each, address=where.get(each["metadata"]["name"], ("", 0))) for each in living)
    return sorted(found, key=lambda each: each.name)
