"""What a gateway follows in a cluster, and what a picker does."""

from __future__ import annotations

from collections.abc import Callable

from headway.control.cluster.doubt import Doubt
from headway.control.cluster.known import Known, silent
from headway.control.cluster.reading import Reading, Wanted
from headway.control.cluster.single_writer import SingleWriter, gateways_of
from headway.control.cluster.table import Parts, parts_of
from headway.control.routes import endpoint_of
from headway.engines import registry
from headway.gateway.table import ModelRoute
from headway.sites.base import ReplicaState
from headway.sites.kubernetes.endpoints import SELECTOR, replicas_of
from headway.sites.kubernetes.keys import keys_in
from headway.sites.kubernetes.labels import MODEL
from headway.store.ledger_place import is_shared
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import labels
from headway.wire.kube.mirror import Mirror
from headway.wire.kube.resource import resource

__all__ = ["Everything", "Pool"]


class Everything:
    """Headway's own objects and all that serves them: a watcher.Source for a gateway. `ledger`: as --ledger says it."""

    def __init__(
        self, cluster: Cluster, namespace: str, *, keys: str, site: str, ledger: str, changed: Callable[[], None]
    ) -> None:
        self._known = Known(cluster, namespace, keys, changed)
        self._reading, self._doubt = Reading(site), Doubt()
        self._single = SingleWriter(is_shared(ledger))

    @property
    def silent(self) -> float:
        return silent(self._known.mirrors)

    @property
    def unsettled(self) -> bool:
        return self._doubt.lasts

    async def open(self) -> None:
        await self._known.open()

    async def parts(self, now: float) -> Parts:
        seen = self._known.seen()
        wanted = self._reading.wanted(seen)
        replicas = await self._doubt.settled(replicas_of(seen.slices, wanted.namespaces), _paths(wanted), now)
        found = parts_of(wanted, replicas, keys_in(seen.keys, wanted.uids), now)
        self._single.look(gateways_of(seen.gateways), found.tenants)
        return found

    async def close(self) -> None:
        await self._known.close()


class Pool:
    """The EndpointSlices of one namespace and nothing else, for a picker beside somebody else's gateway: it works where
    none of Headway's own kinds is installed. `model`: only this one's; empty = of each Model there."""

    def __init__(self, cluster: Cluster, namespace: str, model: str, changed: Callable[[], None]) -> None:
        asked = f"{SELECTOR},{MODEL}={model}" if model else SELECTOR
        slices = resource("EndpointSlice")
        self._slices = Mirror(cluster, slices, lambda _: changed(), namespace=namespace, labels=asked)
        self._is_open = False

    @property
    def silent(self) -> float:
        return silent([self._slices])

    @property
    def unsettled(self) -> bool:
        return False

    async def open(self) -> None:
        await self._slices.open()
        self._is_open = True

    async def parts(self, now: float) -> Parts:
        slices = tuple(self._slices.objects.values())
        names = sorted({labels(each)[MODEL] for each in slices})
        replicas = replicas_of(slices)
        ready = [each for each in replicas if each.state is ReplicaState.READY]
        return Parts(
            tuple(
                ModelRoute(name, endpoints=tuple(endpoint_of(each) for each in ready if each.model == name))
                for name in names
            )
        )

    async def close(self) -> None:
        if self._is_open:
            await self._slices.close()


def _paths(wanted: Wanted) -> dict[str, str]:
    return {name: registry.get(each.revision.engine).ready_path for name, each in wanted.models.items()}
