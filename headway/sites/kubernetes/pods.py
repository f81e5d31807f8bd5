"""A Pod object -> the Replica that it is: its state, why, and what to do. Pure.

The same states as on a laptop, read from what the scheduler, the kubelet and the container runtime wrote into the
pod's status. Which node could take a pod that waits, and when, is for whoever sees the whole cluster: here stand the
scheduler's own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from headway.policy.decision import Reason
from headway.sites.base import Replica, ReplicaState
from headway.sites.kubernetes.devices import is_accelerator
from headway.sites.kubernetes.labels import MODEL, REVISION
from headway.sites.kubernetes.requests import requests
from headway.wire.kube.manifest import Manifest, labels

__all__ = ["Seen", "condition", "replica_of", "seconds", "seen", "serving_container"]

OOM = "OOMKilled"
_TOLD = 400
"""Characters of another program's message that are repeated."""
_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
_DISRUPTED = {
    "PreemptionByScheduler": "a pod of higher priority took its place",
    "DeletionByTaintManager": "its node is going away (a taint: spot taken back, or not reachable)",
    "EvictionByEvictionAPI": "somebody drains its node",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "its node ends it (shutdown, or short of memory or disk)",
}
"""Reasons of the condition DisruptionTarget (kubernetes.io, "Pod disruption conditions")."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pod's status says. `since`: Unix seconds, 0 = it does not say."""

    state: ReplicaState
    reason: Reason
    message: str
    next_action: str = ""
    since: float = 0.0


def replica_of(pod: Manifest, *, address: tuple[str, int] = ("", 0)) -> Replica:
    """`address`: host and port where it serves, as its EndpointSlice says."""
    found, said = seen(pod), labels(pod)
    asked = requests(pod["spec"])
    serving = _statuses(pod).get(serving_container(pod), {})
    restarts = serving.get("restartCount", 0)
    started = ((serving.get("state") or {}).get("running") or {}).get("startedAt", "")
    return Replica(
        name=pod["metadata"]["name"],
        model=said.get(MODEL, ""),
        revision=said.get(REVISION, ""),
        state=found.state,
        reason=found.reason,
        message=found.message,
        next_action=found.next_action,
        incarnation=restarts,
        restarts=restarts,
        host=address[0],
        port=address[1],
        node=pod["spec"].get("nodeName", ""),
        threads=int(asked.get("cpu", 0)),
        memory_bytes=int(asked.get("memory", 0)),
        gpus=tuple(f"{count:g} x {name}" for name, count in sorted(asked.items()) if is_accelerator(name)),
        since=found.since or seconds(pod["metadata"].get("creationTimestamp", "")),
        started_at=seconds(started) or None,
        ready_at=found.since or None if found.state is ReplicaState.READY else None,
    )


def seen(pod: Manifest) -> Seen:
    """The first that holds: it leaves, it ended, it has no node, a container of it does something, it answers."""
    for look in (_leaving, _over, _unplaced, _preparing, _serving):
        if found := look(pod):
            return found
    return Seen(ReplicaState.PREPARING, Reason.PREPARING, f"on {pod['spec'].get('nodeName', 'its node')}, being set up")


def serving_container(pod: Manifest) -> str:
    """The engine's: the one that the annotation names, else the first."""
    annotations = pod["metadata"].get("annotations") or {}
    named: str = annotations.get("kubectl.kubernetes.io/default-container") or pod["spec"]["containers"][0]["name"]
    return named


def condition(manifest: Manifest, kind: str) -> Mapping[str, str]:
    """Of an object's status; empty: it has none of this type."""
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), {})


def seconds(written: str) -> float:
    """Unix seconds of a time as the API writes it; 0 for none."""
    return datetime.fromisoformat(written).timestamp() if written else 0.0


def _leaving(pod: Manifest) -> Seen | None:
    if not (at := pod["metadata"].get("deletionTimestamp")):
        return None
    disrupted = _DISRUPTED.get(condition(pod, "DisruptionTarget").get("reason", ""))
    reason = Reason.KILLED_FROM_OUTSIDE if disrupted else Reason.DRAINING
    grace = pod["metadata"].get("deletionGracePeriodSeconds") or 0
    message = disrupted or f"its last requests are ending, within {grace} s"
    return Seen(ReplicaState.DRAINING, reason, message, since=seconds(at) - grace)


def _over(pod: Manifest) -> Seen | None:
    status = pod.get("status") or {}
    if status.get("phase") not in ("Failed", "Succeeded"):
        return None
    why = _DISRUPTED.get(condition(pod, "DisruptionTarget").get("reason", "")) or status.get("message", "")
    if status.get("reason") or why:  # the kubelet's Evicted, NodeShutdown, UnexpectedAdmissionError, …
        message = _told(f"{status.get('reason') or 'ended from outside'}: {why}" if why else status["reason"])
        return Seen(ReplicaState.FAILED, Reason.KILLED_FROM_OUTSIDE, message, "its workload starts another by itself")
    return Seen(ReplicaState.FAILED, Reason.ENGINE_EXITED, "its containers ended", _logs(pod))


def _unplaced(pod: Manifest) -> Seen | None:
    placed = condition(pod, "PodScheduled")
    if pod["spec"].get("nodeName"):
        return None
    since = seconds(placed.get("lastTransitionTime", ""))
    if gates := pod["spec"].get("schedulingGates"):
        names = ", ".join(each["name"] for each in gates)
        action = "kubectl get workloads" if "kueue" in names else ""
        return Seen(ReplicaState.PENDING, Reason.UNSCHEDULABLE, f"held by {names}", action, since)
    if placed.get("status") != "False":
        return Seen(ReplicaState.PENDING, Reason.PREPARING, "waits for the scheduler", since=since)
    told = _told(placed.get("message", ""))
    return Seen(ReplicaState.PENDING, _lack(pod, told), f"no node takes it: {told}", "", since)


def _lack(pod: Manifest, told: str) -> Reason:
    """What the scheduler's sentence says is missing, the dearest first."""
    asks_gpu = bool(pod["spec"].get("resourceClaims")) or any(map(is_accelerator, requests(pod["spec"])))
    if any(is_accelerator(each) for each in re.findall(r"Insufficient ([\w./+-]*\w)", told)):
        return Reason.NO_FREE_GPU
    if asks_gpu and "cannot allocate all claims" in told:
        return Reason.NO_FREE_GPU
    if "Insufficient memory" in told:
        return Reason.NOT_ENOUGH_MEMORY
    if asks_gpu and "Insufficient" not in told and "node affinity" in told:
        return Reason.NO_SUCH_GPU
    return Reason.UNSCHEDULABLE


def _preparing(pod: Manifest) -> Seen | None:
    """Images, secrets, volumes, and the init containers that fetch weights."""
    init = {each["name"] for each in pod["spec"].get("initContainers") or () if each.get("restartPolicy") != "Always"}
    for name, status in _statuses(pod).items():
        state = status.get("state") or {}
        waiting, reason = state.get("waiting") or {}, (state.get("waiting") or {}).get("reason", "")
        told = _told(waiting.get("message", ""))
        if reason in _PULL:
            message = f"the image {status.get('image', '')} cannot be pulled: {told or reason}"
            return Seen(ReplicaState.BACKOFF, Reason.PREPARE_FAILED, message, "check the image's name and its secret")
        if reason in _CONFIG:
            message = f"{name} cannot be started: {told or reason}"
            return Seen(ReplicaState.BACKOFF, Reason.PREPARE_FAILED, message, "make the Secret or volume that it names")
        if name in init and (failed := _ended(status)) and (reason or "terminated" in state) and failed["exitCode"]:
            message = f"{name} ended with exit code {failed['exitCode']}" + _last_words(failed)
            return Seen(ReplicaState.BACKOFF, Reason.PREPARE_FAILED, message, _logs(pod))
        if name in init and "running" in state:
            return Seen(ReplicaState.PREPARING, Reason.PREPARING, f"{name} runs", since=_since(pod, "PodScheduled"))
    return None


def _serving(pod: Manifest) -> Seen | None:
    status = _statuses(pod).get(serving_container(pod))
    if status is None or not (state := status.get("state")):
        return None
    if running := state.get("running"):
        return _running(pod, status, running)
    ended = _ended(status)
    looping = (state.get("waiting") or {}).get("reason") == "CrashLoopBackOff"
    if ended is None:
        return None
    message = _end(pod, ended) + ("; it keeps ending, and is started again ever later" if looping else "")
    if ended.get("reason") == OOM:
        action = "write a larger `memory:`, or serve a smaller model"
        return Seen(ReplicaState.FAILED if looping else ReplicaState.BACKOFF, Reason.NOT_ENOUGH_MEMORY, message, action)
    if looping:
        return Seen(ReplicaState.FAILED, Reason.CRASH_LOOP, message, _logs(pod))
    return Seen(ReplicaState.BACKOFF, Reason.ENGINE_EXITED, message, _logs(pod))


def _running(pod: Manifest, status: Mapping[str, Any], running: Mapping[str, str]) -> Seen:
    ready = condition(pod, "Ready")
    if ready.get("status") == "True":
        at = seconds(ready.get("lastTransitionTime", ""))
        return Seen(ReplicaState.READY, Reason.READY, f"answers on {pod['spec'].get('nodeName', '')}", since=at)
    since = seconds(running.get("startedAt", ""))
    before = _ended(status)
    again = f", started again after {_end(pod, before)}" if before else ""
    return Seen(ReplicaState.STARTING, Reason.STARTING, f"the engine is loading{again}", since=since)


def _end(pod: Manifest, ended: Mapping[str, Any]) -> str:
    if ended.get("reason") == OOM:
        memory = requests(pod["spec"]).get("memory", 0)
        return f"it took more memory than its {memory / 1e9:.1f} GB and was killed"
    return f"the engine ended with exit code {ended['exitCode']}" + _last_words(ended)


def _ended(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for state in (status.get("state"), status.get("lastState")):
        if state and (ended := state.get("terminated")):
            found: Mapping[str, Any] = ended
            return found
    return None


def _last_words(ended: Mapping[str, Any]) -> str:
    """The end of its log, where the pod asks for that (terminationMessagePolicy)."""
    lines = (ended.get("message") or "").strip().splitlines()
    return f": {_told(lines[-1])}" if lines else ""


def _statuses(pod: Manifest) -> dict[str, Mapping[str, Any]]:
    status = pod.get("status") or {}
    return {each["name"]: each for each in _both(status)}


def _both(status: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _since(pod: Manifest, kind: str) -> float:
    return seconds(condition(pod, kind).get("lastTransitionTime", ""))


def _logs(pod: Manifest) -> str:
    return f"headway logs {labels(pod).get(MODEL, '')}".rstrip()


def _told(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _TOLD else text[: _TOLD - 1] + "…"
