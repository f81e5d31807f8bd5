"""Plays the kubelets of simulated nodes against a real API server: nodes with their leases, and the life of every pod
that the scheduler binds to them.

No container runs. A pod is given an address and said to run, to be ready, to fail or to end, as its annotations or the
test say (tests.cluster.behaviour); where `serves` says so a mock engine really listens on that address, so that
requests flow. Volumes are provided by tests.cluster.disks.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import httpx2

from headway.errors import HeadwayError
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest, Ref
from headway.wire.kube.mirror import Mirror
from headway.wire.kube.resource import resource
from tests.cluster import pod_status
from tests.cluster.addresses import Addresses
from tests.cluster.behaviour import annotated
from tests.cluster.disks import Disks
from tests.cluster.life import Life, World

__all__ = ["Player"]

log = logging.getLogger(__name__)

POD, NODE, LEASE = resource("Pod"), resource("Node"), resource("Lease")
LEASES = "kube-node-lease"
RENEW_SECONDS = 10.0
LEASE_SECONDS = 40


class Player:
    """`behaves` and `serves` may be set at any time; they hold for pods that come afterwards."""

    def __init__(self, cluster: Cluster, addresses: Addresses, folder: Path) -> None:
        self._cluster = cluster
        self._http = httpx2.AsyncClient(trust_env=False)
        self.world = World(cluster, self._http, addresses, folder, annotated, lambda _: False)
        self._nodes: dict[str, Manifest] = {}
        self._lost: set[str] = set()
        self._lives: dict[Ref, tuple[str, Life, asyncio.Task[None]]] = {}
        self._pods = Mirror(cluster, POD, self._changed, fields="spec.nodeName!=")
        self._disks = Disks(cluster)
        self._renewing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._pods.open()
        await self._disks.open()
        self._renewing = asyncio.create_task(self._renew(), name="node leases")

    async def close(self) -> None:
        await self._pods.close()
        await self._disks.close()
        tasks = [task for _, _, task in self._lives.values()] + ([self._renewing] if self._renewing else [])
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.aclose()
        await self._cluster.close()

    async def add(self, nodes: Iterable[Manifest]) -> None:
        """They are ready when this returns."""
        await asyncio.gather(*(self._join(each) for each in nodes))

    async def remove(self, names: Iterable[str]) -> None:
        """As when machines are taken away: the nodes go, and their pods with them, at once."""
        await asyncio.gather(*(self._leave(each) for each in list(names)))

    async def lose(self, name: str) -> None:
        """The machine hangs: its engines stop, nobody says so; the node is marked as the node controller would."""
        self._lost.add(name)
        for life in self._on(name):
            life.lost = True
            if life.engine:
                life.engine.kill()
        await self._cluster.patch(NODE, name, {"status": {"conditions": _conditions("Unknown")}}, sub="status")

    def kill_engine(self, namespace: str, pod: str) -> None:
        engine = self._lives[Ref(POD.api_version, POD.kind, namespace, pod)][1].engine
        assert engine, f"{pod} has no engine"
        engine.kill()

    def log_of(self, namespace: str, pod: str) -> Path:
        return self.world.folder / f"{namespace}_{pod}.log"

    def lives(self) -> int:
        """Pods whose life goes on."""
        return len(self._lives)

    def _on(self, node: str) -> list[Life]:
        return [life for _, life, _ in self._lives.values() if life.node == node]

    async def _join(self, node: Manifest) -> None:
        name = node["metadata"]["name"]
        self._nodes[name] = node
        status = node["status"] | {"conditions": _conditions("True"), "nodeInfo": _info(),
                                   "addresses": [{"type": "Hostname", "address": name}]}  # fmt: skip
        with suppress(ApiRefusal):
            await self._cluster.create({**node, "status": status})
        await self._beat(name)
        while await self._tainted(name):  # noqa: ASYNC110 - others do it
            await asyncio.sleep(0.05)

    async def _tainted(self, name: str) -> bool:
        """Every node begins with the taint not-ready, until the node controller has seen that it is."""
        found = await self._cluster.get(NODE, name)
        taints = (found or {}).get("spec", {}).get("taints") or []
        return any(each["key"] == "node.kubernetes.io/not-ready" for each in taints)

    async def _leave(self, name: str) -> None:
        self._nodes.pop(name, None)
        self._lost.discard(name)
        await self._cluster.delete(NODE, name)
        await self._cluster.delete(LEASE, name, LEASES)
        for life in self._on(name):
            life.end(0)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            names = [each for each in self._nodes if each not in self._lost]
            told = await asyncio.gather(*(self._beat(each) for each in names), return_exceptions=True)
            if broken := [each for each in told if isinstance(each, BaseException)]:
                log.warning("leases were not renewed: %s", broken[0])

    async def _beat(self, name: str) -> None:
        at = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": at}
        metadata = {"name": name, "namespace": LEASES}
        await self._cluster.apply(
            {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}
        )

    def _changed(self, ref: Ref) -> None:
        pod = self._pods.objects.get(ref)
        if ref in self._lives and (pod is None or pod["metadata"]["uid"] != self._lives[ref][0]):
            self._lives.pop(ref)[1].end(0)
        if pod is None or pod["spec"]["nodeName"] not in self._nodes or pod["spec"]["nodeName"] in self._lost:
            return
        if ref not in self._lives:
            if pod["status"].get("phase", "Pending") != "Pending" and "deletionTimestamp" not in pod["metadata"]:
                return
            life = Life(pod, self.world)
            task = asyncio.create_task(life.run(), name=str(ref))
            task.add_done_callback(_said)
            self._lives[ref] = pod["metadata"]["uid"], life, task
        if "deletionTimestamp" in pod["metadata"]:
            self._lives[ref][1].end(pod["metadata"].get("deletionGracePeriodSeconds", 30))


def _said(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        level = logging.WARNING if isinstance(error, HeadwayError) else logging.ERROR
        log.log(level, "the life of %s broke: %s", task.get_name(), error, exc_info=error)


def _conditions(ready: str) -> list[Manifest]:
    said = {"type": "Ready", "status": ready, "reason": "Played", "message": "",
            "lastHeartbeatTime": pod_status.now(), "lastTransitionTime": pod_status.now()}  # fmt: skip
    return [said]


def _info() -> Manifest:
    words = (
        "machineID",
        "systemUUID",
        "bootID",
        "kernelVersion",
        "osImage",
        "containerRuntimeVersion",
        "kubeProxyVersion",
    )
    return dict.fromkeys(words, "played") | {
        "kubeletVersion": "v1.36.0", "operatingSystem": "linux", "architecture": "amd64"
    }  # fmt: skip
