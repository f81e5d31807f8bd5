"""A Replica of several pods, as `ls` and `status` show it."""

from __future__ import annotations

from typing import Any

import pytest

from headway.sites.base import ReplicaState
from headway.sites.kubernetes.labels import COMPONENT, MODEL, REVISION
from headway.sites.kubernetes.replicas import replicas_of_pods
from headway.wire.kube.manifest import Manifest

LWS = "leaderworkerset.sigs.k8s.io"


def pod(number: int, group: str = "", *, ready: bool = True, placed: bool = True) -> Manifest:
    """Of a StatefulSet that is one Replica, or of a LeaderWorkerSet's `group`."""
    said = {MODEL: "big", REVISION: "r1", COMPONENT: "replica"}
    spec: dict[str, Any] = {"containers": [{"name": "engine"}]} | ({"nodeName": "n1"} if placed else {})
    if group:
        said |= {f"{LWS}/group-index": group, f"{LWS}/worker-index": str(number), f"{LWS}/size": "2"}
    else:
        said |= {"apps.kubernetes.io/pod-index": str(number)}
        spec["subdomain"] = "big-r1-group"
    running = {"name": "engine", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
    status = {"conditions": [{"type": "Ready", "status": str(ready)}], "containerStatuses": [running]}
    metadata = {"name": f"big-r1-{group or 0}-{number}", "namespace": "team", "labels": said}
    return {"metadata": metadata, "spec": spec, "status": status if placed else {"phase": "Pending"}}


@pytest.mark.parametrize("group", ["", "0"])
def test_it_is_one_replica_and_as_its_most_helpless_pod(group: str) -> None:
    (found,) = replicas_of_pods([pod(1, group), pod(0, group)], [])
    assert (found.name, found.state) == (f"big-r1-{group or 0}-0", ReplicaState.READY)
    (found,) = replicas_of_pods([pod(0, group), pod(1, group, placed=False)], [])
    assert (found.name, found.state) == (f"big-r1-{group or 0}-0", ReplicaState.PENDING)
    assert found.message.startswith(f"big-r1-{group or 0}-1: ")
    (found,) = replicas_of_pods([pod(0, group), pod(1, group, ready=False)], [])
    assert (found.state, found.ready_at) == (ReplicaState.STARTING, None)


def test_groups_are_replicas_of_their_own() -> None:
    found = replicas_of_pods([pod(number, group) for number in (0, 1) for group in ("0", "1")], [])
    assert [(each.name, each.state) for each in found] == [
        ("big-r1-0-0", ReplicaState.READY),
        ("big-r1-1-0", ReplicaState.READY),
    ]
