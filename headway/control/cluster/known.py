"""What is known of the cluster, as the gateway needs it: Mirrors, and nothing that is ever written.

    Models, Routes     of all namespaces
    EndpointSlices     of all namespaces, those of Revisions
    Tenants            of the system namespace
    one Secret         of the system namespace: the hashes of keys
    EndpointSlices     of the gateways' own Service: how many there are

An API server that goes away leaves all of it as it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from headway.control.cluster.single_writer import SERVICE
from headway.sites.kubernetes.endpoints import SELECTOR
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest, Ref
from headway.wire.kube.mirror import Mirror
from headway.wire.kube.resource import resource

__all__ = ["Known", "Seen", "silent"]


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything, as it is at one moment."""

    models: tuple[Manifest, ...] = ()
    routes: tuple[Manifest, ...] = ()
    slices: tuple[Manifest, ...] = ()
    tenants: tuple[Manifest, ...] = ()
    keys: Manifest | None = None
    gateways: tuple[Manifest, ...] = ()


class Known:
    """`changed` is called when something is other than before."""

    def __init__(self, cluster: Cluster, namespace: str, keys: str, changed: Callable[[], None]) -> None:
        def told(_: Ref) -> None:
            changed()

        self._models = Mirror(cluster, resource("Model"), told)
        self._routes = Mirror(cluster, resource("Route"), told)
        self._slices = Mirror(cluster, resource("EndpointSlice"), told, labels=SELECTOR)
        self._tenants = Mirror(cluster, resource("Tenant"), told, namespace=namespace)
        self._keys = Mirror(cluster, resource("Secret"), told, namespace=namespace, fields=f"metadata.name={keys}")
        of_gateways = f"kubernetes.io/service-name={SERVICE}"
        self._gateways = Mirror(cluster, resource("EndpointSlice"), told, namespace=namespace, labels=of_gateways)
        self._mirrors = (self._models, self._routes, self._slices, self._tenants, self._keys, self._gateways)
        self._opened = 0

    async def open(self) -> None:
        """Read all of it once, then follow. Raises what the first that cannot be read raises; called again, it goes
        on from there."""
        while self._opened < len(self._mirrors):
            await self._mirrors[self._opened].open()
            self._opened += 1

    async def close(self) -> None:
        for each in self._mirrors[: self._opened]:
            await each.close()

    def seen(self) -> Seen:
        return Seen(
            tuple(self._models.objects.values()),
            tuple(self._routes.objects.values()),
            tuple(self._slices.objects.values()),
            tuple(self._tenants.objects.values()),
            next(iter(self._keys.objects.values()), None),
            tuple(self._gateways.objects.values()),
        )

    @property
    def mirrors(self) -> tuple[Mirror, ...]:
        return self._mirrors


def silent(mirrors: Iterable[Mirror]) -> float:
    """Seconds since the API server was heard of what was heard the longest ago. It speaks about once a minute of each,
    if only to say that nothing changed."""
    return time.monotonic() - min(each.seen for each in mirrors)
