"""The Protocol of a Site and what it tells.

A Site is level-triggered: `ensure` says what should be, returns at once, and the Site works towards it by itself
(prepare, place, start, probe, restart with back-off). `replicas` is what is true now. `changed` wakes the control loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from headway.engines.base import Progress
from headway.engines.signals import Signals
from headway.policy.decision import Decision, Reason
from headway.spec.revision import Revision

__all__ = ["Accelerator", "Inventory", "Replica", "ReplicaState", "Site"]


class ReplicaState(StrEnum):
    PREPARING = "preparing"  # weights or program are being fetched or built
    PENDING = "pending"  # no place for it now; `reason` says why
    STARTING = "starting"  # the engine runs and is loading
    READY = "ready"
    DRAINING = "draining"  # not routed to; its last requests are ending
    BACKOFF = "backoff"  # it ended by itself; waiting before the next start
    FAILED = "failed"  # crash loop, or it can never start as asked; tried again at `look_again`


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One GPU or one slice of it, as the driver names it. Sizes are bytes."""

    uuid: str
    product: str
    memory_bytes: int
    free_bytes: int
    parent: str = ""  # the whole GPU's uuid, for a MIG slice
    profile: str = ""  # e.g. mig-1g.10gb


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a Site has. Memory is bytes; free memory is what a new process could take now."""

    cores: int
    memory_bytes: int
    free_memory_bytes: int
    accelerators: tuple[Accelerator, ...] = ()
    notes: tuple[str, ...] = ()  # what could not be read, and why


@dataclass(frozen=True, slots=True)
class Replica:
    """One Replica as it is now. `incarnation` counts its starts: a restarted engine is a new endpoint."""

    name: str
    model: str
    revision: str
    state: ReplicaState
    reason: Reason
    message: str
    next_action: str = ""
    incarnation: int = 0
    restarts: int = 0
    host: str = ""
    port: int = 0
    pid: int | None = None
    node: str = ""  # of a cluster
    threads: int = 0
    memory_bytes: int = 0
    gpus: tuple[str, ...] = ()
    since: float = 0.0  # Unix seconds of the last change of state
    started_at: float | None = None
    ready_at: float | None = None
    log: str = ""
    derived: Mapping[str, str] = field(default_factory=dict)  # each value that was derived -> why
    progress: Progress | None = None
    signals: Signals | None = None


class Site(Protocol):
    name: str
    kind: Literal["local", "kubernetes"]

    async def open(self) -> Sequence[Replica]:
        """Take up work: find what already runs of ours and adopt it. Returns what was adopted."""

    async def inventory(self) -> Inventory: ...

    async def ensure(self, revision: Revision, count: int) -> None:
        """Want `count` Replicas of this Revision that are not draining. Returns at once; never ends a Replica."""

    async def drain(self, replica: str, grace: float) -> None:
        """End one Replica for which the caller has stopped routing: SIGTERM now, SIGKILL after `grace` seconds.

        Returns at once. Also takes back what is wanted by one, so that it is not started again.
        """

    def replicas(self) -> Sequence[Replica]: ...

    def decisions(self) -> Sequence[Decision]:
        """What the Site decided by itself (restarts, placements, refusals) since the last call."""

    async def changed(self, timeout: float) -> None:
        """Return when something changed since the last return, or after `timeout` seconds."""

    def logs(self, replica: str, *, follow: bool = False, lines: int = 100) -> AsyncIterator[str]: ...

    async def close(self) -> None:
        """Let go: stop watching. Replicas go on running; the next `open` adopts them."""
