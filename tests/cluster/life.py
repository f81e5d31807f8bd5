"""The life of one simulated pod, from its node to its end: what a kubelet does of it that the API server can see."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource
from tests.cluster import pod_status
from tests.cluster.addresses import Addresses
from tests.cluster.behaviour import Behaviour
from tests.cluster.engines import Engine, ports_of

__all__ = ["Life", "World"]

POD = resource("Pod")
PROBE_SECONDS = 0.1


@dataclass
class World:
    """What all lives share. `serves`: whether this pod gets a mock engine on its address."""

    cluster: Cluster
    http: httpx2.AsyncClient
    addresses: Addresses
    folder: Path
    behaves: Callable[[Manifest], Behaviour]
    serves: Callable[[Manifest], bool]
    engine_flags: tuple[str, ...] = ()


class Life:
    """`run` is its one task; `end` says that the pod is to go."""

    def __init__(self, pod: Manifest, world: World) -> None:
        self._pod, self._world = pod, world
        self._ending = asyncio.Event()
        self._grace = 30.0
        self._address = world.addresses.take()
        self.engine: Engine | None = None
        self.lost = False  # its machine hangs: nobody starts it again

    @property
    def node(self) -> str:
        name: str = self._pod["spec"]["nodeName"]
        return name

    @property
    def log(self) -> Path:
        at = self._pod["metadata"]
        return self._world.folder / f"{at['namespace']}_{at['name']}.log"

    def end(self, grace: float) -> None:
        self._grace = grace
        self._ending.set()

    async def run(self) -> None:
        try:
            if not self._ending.is_set():
                await self._live()
            await self._ending.wait()
            if self.engine:
                await self.engine.close(self._grace, self._world.http)
            await self._gone()
        finally:
            if self.engine:
                self.engine.kill()
            self._world.addresses.give_back(self._address)

    async def _live(self) -> None:
        how = self._world.behaves(self._pod)
        if not how.starts:
            await self._write(pod_status.waiting(self._pod, how.fails, f"as told: {how.fails}"))
            return
        if how.start_seconds:
            await self._write(pod_status.waiting(self._pod))
            if await self._ends_within(how.start_seconds):
                return
        if self._pod["spec"].get("restartPolicy") != "Always":
            await self._write(pod_status.ended(self._pod, code=1 if how.fails else 0, reason=how.fails))
        elif how.fails:
            await self._write(pod_status.failing(self._pod, self._address, how.fails, restarts=3))
        else:
            await self._serve(how)

    async def _serve(self, how: Behaviour) -> None:
        started = pod_status.now()
        if ports_of(self._pod) and self._world.serves(self._pod):
            self.engine = Engine(self._pod, self._address, self.log, self._world.engine_flags)
            await self.engine.open()
        if self.engine or how.load_seconds or how.never_ready:
            await self._write(pod_status.running(self._pod, self._address, ready=False, started=started))
        if how.never_ready or await self._ends_within(how.load_seconds):
            return
        if not self.engine:
            await self._write(pod_status.running(self._pod, self._address, ready=True, started=started))
            return
        ready, restarts = False, 0
        while not await self._ends_within(PROBE_SECONDS):
            if (seen := self.engine.runs and await self.engine.ready(self._world.http)) != ready:
                ready = seen
                status = pod_status.running(self._pod, self._address, ready=ready, started=started, restarts=restarts)
                await self._write(status)
            if not self.engine.runs and not self.lost:
                restarts += 1
                await self.engine.open()

    async def _ends_within(self, seconds: float) -> bool:
        if not seconds:
            return self._ending.is_set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        return self._ending.is_set()

    async def _write(self, status: Manifest) -> None:
        at = self._pod["metadata"]
        with _gone_already():
            change = {"metadata": {"uid": at["uid"]}, "status": status}
            self._pod = await self._world.cluster.patch(POD, at["name"], change, at["namespace"], sub="status")

    async def _gone(self) -> None:
        at = self._pod["metadata"]
        with _gone_already():
            await self._world.cluster.delete(POD, at["name"], at["namespace"], uid=at["uid"], grace=0)


@contextlib.contextmanager
def _gone_already():  # type: ignore[no-untyped-def]
    """404, or 409 for another pod of that name."""
    try:
        yield
    except ApiRefusal as refusal:
        if refusal.status not in {404, 409}:
            raise
