"""The Site `kubernetes`: a cluster behind the same Protocol as this machine.

What is wanted lies in the cluster itself (a workload a Revision), and so does what is: mirrors of pods and
EndpointSlices tell it without asking. Nothing is remembered here, so any number of these may look at one cluster; only
one of them should want something (the operator, which is elected).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Literal

from headway.errors import UsageError
from headway.policy.decision import Decision, Reason
from headway.sites.base import Inventory, Replica, ReplicaState
from headway.sites.kubernetes import observe
from headway.sites.kubernetes.happenings import decision_of
from headway.sites.kubernetes.labels import MODEL
from headway.sites.kubernetes.pods import serving_container
from headway.sites.kubernetes.replicas import OURS, replicas_of_pods
from headway.sites.kubernetes.stock import inventory_of
from headway.sites.kubernetes.workload import end, workload_of
from headway.spec.revision import Revision
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest, Ref
from headway.wire.kube.mirror import Mirror
from headway.wire.kube.resource import resource

__all__ = ["KubernetesSite", "Objects"]

KEPT = 200
"""Decisions that nobody asked for yet."""

Objects = Callable[[Revision, int], Awaitable[Sequence[Manifest]]]
"""What serves so many Replicas of a Revision there; the workload's `replicas` is the number."""


class KubernetesSite:
    """Implements `headway.sites.base.Site`. `namespace`: of the Replicas; empty: all. Without `objects` it only looks
    on (as commands do)."""

    kind: Literal["local", "kubernetes"] = "kubernetes"

    def __init__(
        self, cluster: Cluster, *, name: str = "kubernetes", namespace: str = "", objects: Objects | None = None
    ) -> None:
        self.name, self.cluster = name, cluster
        self._namespace, self._objects = namespace, objects
        self._change = asyncio.Event()
        self._pods = self._mirror("Pod", labels=OURS)
        self._slices = self._mirror("EndpointSlice", labels=MODEL)
        self._events = Mirror(
            cluster, resource("Event"), self._heard, namespace=namespace, fields="involvedObject.kind=Pod"
        )
        self._told: deque[Decision] | None = None

    async def open(self) -> Sequence[Replica]:
        """Read what there is, then follow it. Events from before this moment are history."""
        await asyncio.gather(self._pods.open(), self._slices.open(), self._open_events())
        self._told = deque(maxlen=KEPT)
        return self.replicas()

    async def inventory(self) -> Inventory:
        return inventory_of(await observe.facts(self.cluster))

    async def ensure(self, revision: Revision, count: int) -> None:
        """Applies the Revision's objects. A workload that has more keeps them: ending is `drain`'s."""
        if self._objects is None:
            raise UsageError(f"{self.name} is only looked at from here", hint="headway install puts the operator there")
        there = await workload_of(self.cluster, self._namespace, revision.id)
        staying = there[1]["spec"].get("replicas", 1) if there else 0
        for each in await self._objects(revision, max(count, staying)):
            await self.cluster.apply(each)

    async def drain(self, replica: str, grace: float) -> None:
        """A name that is not there has been drained already; so has one that is leaving."""
        pod = self._pod(replica)
        if pod is not None and "deletionTimestamp" not in pod["metadata"]:
            await end(self.cluster, pod, grace)

    def replicas(self) -> Sequence[Replica]:
        """Pods that ended for good (evicted, their node shut down) are none: their workload made others. One that
        answers is ready when its EndpointSlice says where."""
        found = replicas_of_pods(self._pods.objects.values(), self._slices.objects.values())
        return [each if each.port or each.state is not ReplicaState.READY else _unlisted(each) for each in found]

    def decisions(self) -> Sequence[Decision]:
        told = list(self._told or ())
        if self._told:
            self._told.clear()
        return told

    async def changed(self, timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._change.wait(), timeout)
        self._change.clear()

    async def logs(self, replica: str, *, follow: bool = False, lines: int = 100) -> AsyncIterator[str]:
        """Of its engine, as the kubelet has them. Following ends when the container has."""
        pod = self._pod(replica)
        if pod is None:
            raise UsageError(f"no replica {replica!r}", hint="headway status NAME shows the names")
        path = resource("Pod").path(pod["metadata"]["namespace"], replica, "log")
        asked = {"container": serving_container(pod), "tailLines": lines, "follow": str(follow).lower()}
        async for line in self.cluster.lines(path, asked):
            yield line

    async def close(self) -> None:
        await asyncio.gather(*(each.close() for each in (self._pods, self._slices, self._events)))

    async def _open_events(self) -> None:
        """Who may not read them is told less, and nothing else is missing."""
        try:
            await self._events.open()
        except ApiRefusal as refusal:
            if refusal.status != 403:
                raise

    def _mirror(self, kind: str, *, labels: str) -> Mirror:
        return Mirror(self.cluster, resource(kind), self._changed, namespace=self._namespace, labels=labels)

    def _pod(self, name: str) -> Manifest | None:
        return next((pod for at, pod in self._pods.objects.items() if at.name == name), None)

    def _changed(self, _: Ref) -> None:
        self._change.set()

    def _heard(self, at: Ref) -> None:
        event = self._events.objects.get(at)
        if self._told is None or event is None or not (made := decision_of(event)):
            return
        if self._pod(made.object) is not None and made not in self._told:
            self._told.append(made)
            self._change.set()


def _unlisted(replica: Replica) -> Replica:
    message = "it answers; its address is not in its EndpointSlice yet"
    return replace(replica, state=ReplicaState.STARTING, reason=Reason.STARTING, message=message, ready_at=None)
