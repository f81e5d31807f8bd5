"""`headway gateway --cluster`, `headway picker --cluster`: a gateway and its watcher, the one program of a container.

The watcher is the parent; the gateway is its child, as on a laptop (`control.gateway_process`), and is started again
when it dies. Both end with the container: what survives it is the folder of HEADWAY_STATE_DIR, an emptyDir at least.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from headway.control.cluster.follow import Everything, Pool
from headway.control.cluster.watcher import Source, Watcher
from headway.control.gateway_process import GatewayProcess
from headway.control.settings import ControlSettings
from headway.control.waiting import first_of
from headway.errors import HeadwayError
from headway.gateway.settings import Settings
from headway.wire.kube.cluster import Cluster

__all__ = ["Follow", "run"]

REAP = 30.0
"""Seconds between two looks for dead children of dead children, which a container's first process inherits."""


@dataclass(frozen=True, slots=True)
class Follow:
    """What to follow. `namespace` empty: the one that this runs in. `keys`: the name of the Secret, `site`: whose
    profiles of Models count, `ledger`: as --ledger says it; of a picker none of these, but `model`: the only
    one of the namespace, or empty for all."""

    context: str = ""
    namespace: str = ""
    keys: str = ""
    site: str = ""
    ledger: str = ""
    model: str = ""


def run(settings: ControlSettings, follow: Follow) -> int:
    """Serve until SIGTERM; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s watcher %(levelname)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        settings.state.create()
        asyncio.run(_serve(settings, follow))
    except HeadwayError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)  # noqa: T201
        return error.exit_code
    return 0


async def _serve(settings: ControlSettings, follow: Follow) -> None:
    cluster = Cluster.open(follow.context, follow.namespace)
    gateway, ending = GatewayProcess(settings), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    changed = asyncio.Event()
    watcher = Watcher(_source(cluster, settings, follow, changed.set), gateway, settings.state.heard, changed)
    try:
        await first_of(watcher.run(), _reap(), ending.wait())
    finally:
        await gateway.close(Settings().drain_seconds + 5)
        await cluster.close()


def _source(cluster: Cluster, settings: ControlSettings, follow: Follow, changed: Callable[[], None]) -> Source:
    if settings.gateway_program == "headway.gateway.picker":
        return Pool(cluster, cluster.namespace, follow.model, changed)
    return Everything(
        cluster, cluster.namespace, keys=follow.keys, site=follow.site, ledger=follow.ledger, changed=changed
    )


async def _reap() -> None:
    """Workers of a hub that was killed become the children of process 1, which must let go of them when they end."""
    while os.getpid() == 1:
        await asyncio.sleep(REAP)
        _bury()
    await asyncio.Event().wait()


def _bury() -> None:
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error, OSError):
            if child.status() == psutil.STATUS_ZOMBIE:  # the hub itself is looked at every second
                os.waitpid(child.pid, os.WNOHANG)
