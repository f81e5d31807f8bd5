"""What Replicas tell, of a Model or an App: how each is, and which of them speaks for the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from headway.control.snapshot import ModelState, ReplicaView
from headway.engines.base import Progress
from headway.sites.base import Replica, ReplicaState

__all__ = ["TELLING", "model_state", "progress_of", "replica_view", "url_host"]

TELLING = (
    ReplicaState.FAILED,
    ReplicaState.BACKOFF,
    ReplicaState.PENDING,
    ReplicaState.PREPARING,
    ReplicaState.STARTING,
    ReplicaState.DRAINING,
    ReplicaState.READY,
)
"""Which Replica speaks for those that are not ready: the one with the most to tell, first."""
STATES: dict[ReplicaState, ModelState] = {
    ReplicaState.FAILED: "failed",
    ReplicaState.BACKOFF: "starting",
    ReplicaState.PENDING: "pending",
    ReplicaState.PREPARING: "preparing",
    ReplicaState.STARTING: "starting",
    ReplicaState.DRAINING: "stopping",
    ReplicaState.READY: "starting",
}


def model_state(wanted: int, current: Sequence[Replica], ready: Sequence[Replica]) -> ModelState:
    states = {each.state for each in current}
    current_ready = sum(each.state is ReplicaState.READY for each in current)
    if current_ready >= wanted:
        return "ready"
    if ready:
        return "degraded"
    worst = min(states, key=TELLING.index, default=ReplicaState.PREPARING)
    return STATES[worst]


def replica_view(replica: Replica, variant: str = "") -> ReplicaView:
    return ReplicaView(
        name=replica.name,
        revision=replica.revision,
        state=replica.state,
        reason=replica.reason,
        message=replica.message,
        next_action=replica.next_action,
        address=f"{url_host(replica.host)}:{replica.port}" if replica.port else "",
        pid=replica.pid,
        threads=replica.threads,
        gpus=list(replica.gpus),
        memory_bytes=replica.memory_bytes,
        restarts=replica.restarts,
        since=replica.since,
        log=replica.log,
        derived=dict(replica.derived),
        progress=progress_of(replica.progress) if replica.progress else None,
        signals=asdict(replica.signals) if replica.signals else None,
        variant=variant,
        node=replica.node,
    )


def progress_of(progress: Progress) -> dict[str, object]:
    return asdict(progress)


def url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
