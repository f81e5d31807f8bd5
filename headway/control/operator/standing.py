"""How a Model stands, from its pods: the conditions and the rest of its status. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway.control.operator.conditions import Condition
from headway.control.operator.wish import Wish
from headway.control.operator.workloads import Pod, Workload
from headway.policy.decision import Reason
from headway.sites.base import ReplicaState
from headway.sites.kubernetes.groups import WORST
from headway.sites.kubernetes.labels import COMPONENT, MODEL
from headway.sites.kubernetes.pending import Pending
from headway.wire.kube.manifest import Manifest

__all__ = ["Standing", "conditions_of", "many", "status_of"]


@dataclass(frozen=True, slots=True)
class Standing:
    """`counts`: Revision -> how many are wanted of it now, who else says it included. `wish`: None = it cannot be."""

    model: Manifest
    wish: Wish | None
    pods: Sequence[Pod]
    workloads: Mapping[str, Workload]
    counts: Mapping[str, int]
    pending: Mapping[str, Pending]

    @property
    def wanted(self) -> int:
        return sum(self.counts.values())

    @property
    def ready(self) -> int:
        return sum(each.is_ready for each in self.pods)

    @property
    def current(self) -> list[Pod]:
        """Of the wanted Revisions, those that stay."""
        return [each for each in self.pods if each.revision in self.counts and not each.leaves]

    @property
    def old(self) -> list[Pod]:
        return [each for each in self.pods if each.revision not in self.counts]


@dataclass(frozen=True, slots=True)
class _Trouble:
    reason: Reason
    message: str
    next_action: str
    is_trouble: bool
    hopeless: bool = False  # nothing will come of it by itself: callers need not be held


def conditions_of(standing: Standing, held: Sequence[str]) -> tuple[Condition, ...]:
    if not standing.counts and standing.wish is not None:
        return _external(standing.wish)
    wanted, fresh = standing.wanted, sum(each.is_ready for each in standing.current)
    worst = _worst(standing)
    note = f"; {held[0]}" if held else ""
    return (
        _ready(standing, worst, note),
        _progressing(standing, fresh, worst),
        _degraded(wanted - fresh, worst, held),
    )


def status_of(standing: Standing) -> dict[str, Any]:
    staying = [each for each in standing.pods if not each.leaves]
    status: dict[str, Any] = {
        "replicas": len(staying),
        "readyReplicas": standing.ready,
        "selector": f"{COMPONENT}=replica,{MODEL}={standing.model['metadata']['name']}",
        "revisions": [_revision(each, standing) for each in sorted(standing.workloads.values(), key=lambda w: w.at)],
    }
    if standing.wish is not None:
        status["engine"] = standing.wish.ways[0].revision.engine
    worst = _worst(standing) if standing.counts else None
    return status | ({"next": worst.next_action} if worst and worst.next_action else {})


def many(replicas: int) -> str:
    return "1 replica" if replicas == 1 else f"{replicas} replicas"


def _external(wish: Wish) -> tuple[Condition, ...]:
    where = [each.revision.source.uri for each in wish.ways]
    return (
        Condition("Ready", True, Reason.EXTERNAL, f"somebody else runs it: {', '.join(where)}"),
        Condition("Progressing", False, Reason.AS_WANTED),
        Condition("Degraded", False, Reason.AS_WANTED),
    )


def _ready(standing: Standing, worst: _Trouble | None, note: str) -> Condition:
    if standing.ready:
        of = f"{standing.ready} of {many(standing.wanted)} answer" if standing.wanted else f"{standing.ready} leave"
        return Condition("Ready", True, Reason.READY, of + note)
    if not standing.wanted:
        return Condition("Ready", False, Reason.AS_WANTED, f"replicas: 0 is wanted{note}", "write replicas or scale")
    if worst is None:
        return Condition("Ready", False, Reason.STARTING, f"0 of {many(standing.wanted)} answer{note}")
    message = f"0 of {many(standing.wanted)} answer: {worst.message}{note}"
    return Condition("Ready", False, worst.reason, message, worst.next_action)


def _progressing(standing: Standing, fresh: int, worst: _Trouble | None) -> Condition:
    if worst is not None and worst.hopeless and not standing.ready:
        return Condition("Progressing", False, worst.reason, "nothing will change by itself", worst.next_action)
    if old := standing.old:
        ids = sorted({each.revision for each in old})
        message = f"{fresh} of {standing.wanted} new replicas answer, {len(old)} of revision {', '.join(ids)} leave"
        return Condition("Progressing", True, Reason.NEW_REVISION, message)
    if fresh < standing.wanted:
        reason = worst.reason if worst else Reason.TOO_FEW_REPLICAS
        return Condition("Progressing", True, reason, f"{fresh} of {many(standing.wanted)} answer")
    if len(standing.current) > standing.wanted:
        message = f"{len(standing.current)} run, {standing.wanted} wanted"
        return Condition("Progressing", True, Reason.TOO_MANY_REPLICAS, message)
    return Condition("Progressing", False, Reason.AS_WANTED, f"{many(standing.wanted)}, as wanted")


def _degraded(missing: int, worst: _Trouble | None, held: Sequence[str]) -> Condition:
    if missing > 0 and worst is not None and worst.is_trouble:
        return Condition("Degraded", True, worst.reason, worst.message, worst.next_action)
    if held:
        return Condition("Degraded", False, Reason.HELD_BY_OTHERS, held[0])
    return Condition("Degraded", False, Reason.AS_WANTED)


def _worst(standing: Standing) -> _Trouble | None:
    """What keeps the most helpless of the wanted Replicas from answering; before there is a pod, what its workload's
    own controller says."""
    for state in WORST:
        found = next((each for each in standing.current if each.seen.state is state), None)
        if found is not None:
            return _of_pod(found, standing.pending.get(found.about))
    for revision in standing.counts:
        workload = standing.workloads.get(revision)
        if workload and (refused := _refused(workload.manifest)):
            return refused
    return None


def _of_pod(pod: Pod, pending: Pending | None) -> _Trouble:
    seen = pod.seen
    if seen.state is ReplicaState.PENDING and pending is not None:
        waits = not pending.fits_now
        return _Trouble(pending.reason, pending.message, pending.next_action, waits, pending.hopeless)
    is_trouble = seen.state in (ReplicaState.FAILED, ReplicaState.BACKOFF)
    waits = seen.state is ReplicaState.PENDING and seen.reason is not Reason.PREPARING
    loops = seen.reason is Reason.CRASH_LOOP
    return _Trouble(seen.reason, f"{pod.about}: {seen.message}", seen.next_action, is_trouble or waits, loops)


def _refused(workload: Manifest) -> _Trouble | None:
    """A quota, a policy, Pod Security: the pods cannot even be made."""
    for each in (workload.get("status") or {}).get("conditions") or ():
        if each["type"] == "ReplicaFailure" and each["status"] == "True":
            action = "a larger quota, or fewer replicas" if "quota" in each.get("message", "") else "see the message"
            return _Trouble(Reason.REFUSED, each.get("message", ""), action, True)
    return None


def _revision(workload: Workload, standing: Standing) -> dict[str, Any]:
    state = "leaving" if workload.revision not in standing.counts else "coming"
    ready = sum(each.is_ready for each in workload.pods)
    if state == "coming" and ready >= standing.counts[workload.revision]:
        state = "serving"
    return {
        "name": workload.at.name,
        "revision": workload.revision,
        "variant": workload.variant,
        "state": state,
        "replicas": len(workload.staying),
        "ready": ready,
    }
