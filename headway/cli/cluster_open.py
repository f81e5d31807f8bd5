"""`headway open NAME --on SITE`: wake the App, see to its Secret, and forward a local port to it.

Noting the use and making the Secret are done with the rights of whoever calls this: to patch the App, to create a
Secret beside it, and, where there are Tenants, to write the Secret of keys.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from headway.cli.app_secret import ensure_secret
from headway.cli.forwarding import ready_pod
from headway.cli.on import Place, connected
from headway.errors import EngineError, HeadwayError, UsageError
from headway.sites.kubernetes.labels import APP, USED
from headway.sites.kubernetes.pods import condition
from headway.sites.kubernetes.read import read_app
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.forward import forward
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource

__all__ = ["open_there"]

BEAT = 60.0
"""Seconds between two notes that it is in use; `idle` is minutes."""
LOOK = 0.5
Show = Callable[[str, str, str], None]
"""(address, what it ends in, password)."""


def open_there(where: Place, name: str, show: Show, *, port: int, timeout: float) -> None:
    """Until Ctrl-C. Raises UsageError for an App that is not there, EngineError for one that does not answer."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_open(where, name, show, port, timeout))


async def _open(where: Place, name: str, show: Show, port: int, timeout: float) -> None:
    async with connected(where) as cluster:
        manifest = await _find(cluster, name, where)
        namespace = manifest["metadata"]["namespace"]
        app = read_app(manifest, where.name)
        token = await ensure_secret(cluster, app, manifest, time.time())
        await _note(cluster, namespace, name)
        pod = await _ready(cluster, namespace, name, timeout, where)
        server = await forward(cluster, namespace, pod["metadata"]["name"], app.whole.port, local=port)
        async with server:
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            show(address, app.whole.preset.link.format(token=token), token)
            print("forwarding; Ctrl-C ends it", file=sys.stderr, flush=True)
            await _beat(cluster, namespace, name)


async def _find(cluster: Cluster, name: str, where: Place) -> Manifest:
    """In the Site's namespace first, then in any."""
    of = resource("App")
    if (here := await cluster.get(of, name)) is not None:
        return here
    there = [each for each in (await cluster.list(of)).items if each["metadata"]["name"] == name]
    if len(there) == 1:
        return there[0]
    if there:
        names = ", ".join(each["metadata"]["namespace"] for each in there)
        raise UsageError(f"{name} is in several namespaces: {names}", hint="say which in the Site: headway site add")
    raise UsageError(f"no app {name!r} there", hint=f"headway ls{where.flag} names those there are")


async def _note(cluster: Cluster, namespace: str, name: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    change = {"metadata": {"annotations": {USED: now}}}
    await cluster.patch(resource("App"), name, change, namespace)


async def _ready(cluster: Cluster, namespace: str, name: str, timeout: float, where: Place) -> Manifest:
    said = ""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            while True:
                app = await cluster.get(resource("App"), name, namespace)
                told = condition(app or {}, "Ready")
                if told.get("status") == "True":
                    return await ready_pod(cluster, namespace, f"{APP}={name}")
                if (message := told.get("message", "the operator has not looked at it yet")) != said:
                    said = message
                    print(f"{name}  {said}", file=sys.stderr, flush=True)
                await asyncio.sleep(LOOK)
    raise EngineError(f"{name}: not ready within {timeout:g} s: {said}", hint=f"headway status {name}{where.flag}")


async def _beat(cluster: Cluster, namespace: str, name: str) -> None:
    """As long as somebody has it open it is in use. An API server that is away for a while ends nothing."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    while not ended.is_set():
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT):
                await ended.wait()
        with suppress(HeadwayError):
            await _note(cluster, namespace, name)
