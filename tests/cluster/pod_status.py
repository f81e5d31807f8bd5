"""The `status` of a pod as its kubelet would write it, at each stage of its life. Pure."""

from __future__ import annotations

import datetime
from typing import Any

from headway.wire.kube.manifest import Manifest

__all__ = ["ended", "failing", "now", "running", "waiting"]


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def waiting(pod: Manifest, reason: str = "ContainerCreating", message: str = "") -> Manifest:
    state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
    return _status(pod, "Pending", state, initialized=not _inits(pod))


def running(pod: Manifest, address: str, *, ready: bool, started: str, restarts: int = 0) -> Manifest:
    status = _status(pod, "Running", {"running": {"startedAt": started}}, ready=ready, restarts=restarts)
    return status | {"podIP": address, "podIPs": [{"ip": address}]}


def failing(pod: Manifest, address: str, reason: str, restarts: int) -> Manifest:
    """Started, ended, and waiting for its next start."""
    killed = reason == "OOMKilled"
    ended_so = {"exitCode": 137 if killed else 1, "reason": reason if killed else "Error"}
    ended_so |= {"startedAt": now(), "finishedAt": now()}
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
    status = _status(pod, "Running", state, restarts=restarts, last={"terminated": ended_so})
    return status | {"podIP": address, "podIPs": [{"ip": address}]}


def ended(pod: Manifest, *, code: int = 0, reason: str = "") -> Manifest:
    """All containers are done: Succeeded, or Failed where the code is not 0."""
    said = reason or ("Error" if code else "Completed")
    state = {"terminated": {"exitCode": code, "reason": said, "startedAt": now(), "finishedAt": now()}}
    return _status(pod, "Failed" if code else "Succeeded", state, complete=True)


def _status(
    pod: Manifest, phase: str, state: dict[str, Any], *, ready: bool = False, initialized: bool = True,
    restarts: int = 0, last: dict[str, Any] | None = None, complete: bool = False,
) -> Manifest:  # fmt: skip
    runs = ready and not complete
    conditions = {"PodScheduled": True, "PodReadyToStartContainers": phase == "Running", "Initialized": initialized,
                  "ContainersReady": runs, "Ready": runs}  # fmt: skip
    more = {"reason": "PodCompleted"} if complete else {}
    containers = [
        _container(each, state, ready=runs, restarts=restarts, last=last) for each in pod["spec"]["containers"]
    ]
    done = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now(), "finishedAt": now()}}
    return {
        "phase": phase,
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "startTime": pod["status"].get("startTime") or now(),
        "conditions": [
            {"type": kind, "status": str(holds), "lastTransitionTime": now()} | ({} if holds else more)
            for kind, holds in conditions.items()
        ],
        "containerStatuses": containers,
    } | ({"initContainerStatuses": [_container(each, done, ready=True) for each in _inits(pod)]} if _inits(pod) else {})


def _container(
    container: Manifest, state: dict[str, Any], *, ready: bool = False, restarts: int = 0,
    last: dict[str, Any] | None = None,
) -> Manifest:  # fmt: skip
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": ready,
        "started": ready,
        "restartCount": restarts,
        "state": state,
        "lastState": last or {},
    }


def _inits(pod: Manifest) -> list[Manifest]:
    return pod["spec"].get("initContainers") or []
