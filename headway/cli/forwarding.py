"""The gateway of a cluster at an address of this machine, for as long as a command needs it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from headway.cli.on import SYSTEM, Place, connected, end_others
from headway.errors import UnreachableError
from headway.sites.base import ReplicaState
from headway.sites.kubernetes.labels import COMPONENT
from headway.sites.kubernetes.objects.network import GATEWAY_PORT
from headway.sites.kubernetes.pods import seen
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.forward import forward
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource

__all__ = ["forwarded", "ready_pod"]

WITHIN = 20.0
"""Seconds until it listens: two answers of the API server."""


@contextmanager
def forwarded(where: Place) -> Iterator[str]:
    """Base URL without `/v1`. The forwarding runs beside, on a thread of its own. Raises UnreachableError."""
    told: Future[str] = Future()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        async with connected(where) as cluster:
            pod = await ready_pod(cluster, SYSTEM, f"{COMPONENT}=gateway")
            server = await forward(cluster, SYSTEM, pod["metadata"]["name"], GATEWAY_PORT)
            async with server:
                told.set_result(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
                await stop.wait()
                server.close()
                await end_others()

    def thread() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(run())
        except Exception as error:
            if not told.done():
                told.set_exception(error)
        finally:
            loop.close()

    beside = threading.Thread(target=thread, name="port-forward", daemon=True)
    beside.start()
    try:
        yield told.result(WITHIN)
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        beside.join(WITHIN)


async def ready_pod(cluster: Cluster, namespace: str, labels: str) -> Manifest:
    """The first that is ready. Raises UnreachableError, which says how the others are."""
    pods = (await cluster.list(resource("Pod"), namespace, labels=labels)).items
    ready = [each for each in pods if seen(each).state is ReplicaState.READY]
    if ready:
        return ready[0]
    others = "; ".join(f"{each['metadata']['name']}: {seen(each).message}" for each in pods) or "there is none"
    raise UnreachableError(f"no pod of {labels} is ready in {namespace}: {others}", hint="headway doctor says more")
