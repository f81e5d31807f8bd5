"""The one control process of a state directory: lock, store, Site, gateway, loop, and its two addresses.

It owns the desired state; the gateway and the engines are in sessions of their own and outlive it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path

from starlette.types import ASGIApp

from headway.control.api import ControlApi
from headway.control.desire import Desire
from headway.control.gateway_process import GatewayProcess, claim_port
from headway.control.loop import ControlLoop
from headway.control.serving import Stop, serve_app
from headway.control.settings import ControlSettings
from headway.control.view import View
from headway.engines import registry
from headway.engines.app import AppEngine
from headway.engines.base import Engine
from headway.errors import HeadwayError
from headway.sites.local.site import LocalSite
from headway.store.database import Database
from headway.store.desired import DesiredState
from headway.store.journal import Journal

__all__ = ["ALREADY_RUNS", "Page", "run"]

ALREADY_RUNS = 5
"""Exit status when another control process holds the state directory; the command then joins that one."""

Page = Callable[[ControlApi, View], ASGIApp]
"""Makes the web page's app; a floor above gives it, so that this floor need not know it."""


def run(settings: ControlSettings, page: Page) -> int:
    """Serve until stopped; returns the exit status. The last line on stderr says why it ended, if it was an error."""
    settings.state.create()
    with _lock(settings.state.lock) as held:
        if not held:
            return ALREADY_RUNS
        try:
            asyncio.run(_serve(settings, page))
        except HeadwayError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)  # noqa: T201
            return error.exit_code
    return 0


async def _serve(settings: ControlSettings, page: Page) -> None:
    database = Database(settings.state.database)
    site = LocalSite(settings.state, _engines(settings))
    gateway = GatewayProcess(settings)
    control = ControlLoop(site, DesiredState(database), Journal(database), gateway, settings)
    view = View(control, settings)
    stop = Stop()
    api = ControlApi(control, Desire(control, settings), view, settings.view_interval, stop)
    page_socket = claim_port(settings.host, settings.page_port, "--page-port")
    try:
        await control.open()
        await control.step()  # whoever asks first is told what is, not nothing
        servers = [
            serve_app(api.app(), _listen_unix(settings.state.control_socket), stop),
            serve_app(page(api, view), page_socket, stop),
        ]
        await _until(stop, [control.run(), *servers])
        if stop.everything:
            await gateway.close(settings.stop_grace)
            settings.state.table.unlink(missing_ok=True)
    finally:
        settings.state.control_socket.unlink(missing_ok=True)
        page_socket.close()
        await site.close()
        database.close()


def _engines(settings: ControlSettings) -> Callable[[str], Engine]:
    """By name: what serves Models, and what runs Apps."""
    apps: Engine = AppEngine(f"http://{settings.address_for_apps}:{settings.port}/v1", settings.state.apps)
    return lambda name: apps if name == apps.name else registry.get(name)


async def _until(stop: Stop, works: Sequence[Coroutine[None, None, None]]) -> None:
    """Run all until `stop`; the first that fails ends all, and its error is the caller's."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tasks = [asyncio.create_task(work) for work in works]
    waiting = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await asyncio.wait(tasks[1:], timeout=3.0)  # the servers end their streams by themselves
    finally:
        for each in (waiting, *tasks):
            each.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """True while this process holds the lock; the kernel lets go of it however the process ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        file.write(str(os.getpid()))
        file.flush()
        yield True


def _listen_unix(path: Path) -> socket.socket:
    """A socket at `path` that only this user may open. We hold the lock, so one that lies there is a dead one's."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    path.chmod(0o600)
    return listening
