"""EndpointSlices -> Replicas: who answers for a Model, as the cluster's own controller keeps it up to date.

The controller copies the labels of a Revision's headless Service to its slices, so the slice says Model, Revision and
Variant, and no Pod need be read. A slice counts for the Model of its own namespace alone, or who may write slices in
any namespace could take another team's requests.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from headway.policy.decision import Reason
from headway.sites.base import Replica, ReplicaState
from headway.sites.kubernetes.labels import MODEL, REVISION
from headway.wire.kube.manifest import Manifest, labels

__all__ = ["PORT", "SELECTOR", "replicas_of"]

SELECTOR = f"{MODEL},{REVISION}"
"""Slices of the Services of Revisions. A Model's own Service has the same pods once more, and no Revision."""
PORT = "http"
"""The name of the port that answers callers; of a slice that names none, its first port."""

_SAID = {
    ReplicaState.READY: (Reason.READY, "it answers"),
    ReplicaState.STARTING: (Reason.STARTING, "it runs and is not ready yet"),
    ReplicaState.DRAINING: (Reason.DRAINING, "its last requests are ending"),
}


def replicas_of(slices: Iterable[Manifest], namespaces: Mapping[str, str] | None = None) -> tuple[Replica, ...]:
    """One for each pod: of a pod in slices of both address families the IPv4 address, which every cluster routes.
    `namespaces`: of each Model that is served; a slice elsewhere that names it is somebody else's and passed over. None
    where the slices are of one namespace: all of them count."""
    found: dict[tuple[str, str], Replica] = {}
    for each in sorted(slices, key=lambda one: (one.get("addressType", ""), one["metadata"]["name"])):
        port = _port(each.get("ports") or ())
        for endpoint in each.get("endpoints") or () if port and _counts(each, namespaces) else ():
            replica = _replica(each, endpoint, port)
            found.setdefault((replica.name, replica.revision), replica)
    return tuple(sorted(found.values(), key=lambda replica: replica.name))


def _counts(of: Manifest, namespaces: Mapping[str, str] | None) -> bool:
    said = labels(of)
    if MODEL not in said or REVISION not in said:
        return False
    return namespaces is None or namespaces.get(said[MODEL]) == of["metadata"]["namespace"]


def _replica(of: Manifest, endpoint: Mapping[str, Any], port: int) -> Replica:
    said, pod = labels(of), endpoint.get("targetRef") or {}
    state = _state(endpoint.get("conditions") or {})
    reason, message = _SAID[state]
    host = endpoint["addresses"][0]
    return Replica(
        name=pod.get("name") or endpoint.get("hostname") or f"{host}:{port}",
        model=said[MODEL],
        revision=said[REVISION],
        state=state,
        reason=reason,
        message=message,
        # A pod of the same name (a StatefulSet's) that was made anew is another endpoint: nothing is cached there.
        incarnation=zlib.crc32(str(pod.get("uid", host)).encode()),
        host=host,
        port=port,
    )


def _state(conditions: Mapping[str, Any]) -> ReplicaState:
    """A condition that is not there means yes for `ready` and no for `terminating` (discovery.k8s.io/v1)."""
    if conditions.get("terminating"):
        return ReplicaState.DRAINING
    return ReplicaState.READY if conditions.get("ready", True) is not False else ReplicaState.STARTING


def _port(ports: Iterable[Mapping[str, Any]]) -> int:
    numbered = [each for each in ports if each.get("port")]
    named = next((each for each in numbered if each.get("name") == PORT), None)
    return int((named or next(iter(numbered), {"port": 0}))["port"])
