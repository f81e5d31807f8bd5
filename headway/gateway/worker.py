"""One gateway process: listens, follows the table file, answers the control loop, and ends politely.

SIGHUP reads the table at once. SIGTERM and SIGINT stop accepting, close idle connections, and let running
requests end up to a deadline; a second one ends at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from headway.errors import ResourceError
from headway.gateway.admin import Admin, bind_private
from headway.gateway.api import Api
from headway.gateway.client import ClientConnection
from headway.gateway.core import Gateway, log
from headway.gateway.settings import Settings
from headway.gateway.watch import TableWatch

__all__ = ["Listen", "Worker", "run"]

_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a worker is found. `shared` = other workers of this gateway listen on the port already."""

    table: Path
    host: str
    port: int
    socket: Path
    shared: bool = False


class Worker:
    def __init__(self, listen: Listen, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self.gateway = Gateway(settings, loop)
        self._listen = listen
        self._watch = TableWatch(self.gateway, listen.table)
        self._servers: list[asyncio.Server] = []
        self._poll: asyncio.TimerHandle | None = None
        self._ending = asyncio.Event()

    async def start(self) -> None:
        """Read the table, then listen. Raises ResourceError."""
        gateway, loop = self.gateway, self.gateway.loop
        self._look()
        api, admin = Api(gateway), Admin(gateway)
        listener = _bind(self._listen)
        try:
            private = bind_private(self._listen.socket)
        except ResourceError:
            listener.close()
            raise
        host, port = listener.getsockname()[:2]
        gateway.address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._servers = [
            await loop.create_unix_server(lambda: ClientConnection(gateway, admin.serve, limited=False), sock=private),
            await loop.create_server(lambda: ClientConnection(gateway, api.serve), sock=listener, backlog=_BACKLOG),
        ]
        log.info("listening on %s", gateway.address)

    def hang_up(self) -> None:
        """SIGHUP: read the table now."""
        self._watch.look(force=True)

    def terminate(self) -> None:
        """SIGTERM: end; the second time at once."""
        if self._ending.is_set():
            self._stop_all()
        self._ending.set()

    async def serve_until_terminated(self) -> None:
        await self._ending.wait()
        await self.stop()

    async def stop(self) -> None:
        """Let running requests end, up to the deadline; then close everything."""
        gateway = self.gateway
        gateway.draining = True
        if self._poll:
            self._poll.cancel()
        api = self._servers.pop() if self._servers else None
        if api:
            api.close()
        for client in list(gateway.connections):
            client.drain()
        await self._until_deserted(gateway.settings.drain_seconds)
        self._stop_all()
        await self._until_deserted(1.0)
        for client in list(gateway.connections):
            client.abort()
        for server in self._servers:
            server.close()
        self._listen.socket.unlink(missing_ok=True)
        gateway.catalog.close()
        gateway.wheel.stop()
        await asyncio.sleep(0)  # the loop calls connection_lost of what was aborted

    async def _until_deserted(self, seconds: float) -> None:
        if self.gateway.connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.gateway.deserted.wait()

    def _stop_all(self) -> None:
        for client in list(self.gateway.connections):
            client.stop()

    def _look(self) -> None:
        self._watch.look()
        self._poll = self.gateway.loop.call_later(self.gateway.settings.table_poll_seconds, self._look)


def _bind(listen: Listen) -> socket.socket:
    """A listening address that may be shared with other workers, but not by accident with another gateway."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        if not listen.shared and listen.port:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((listen.host, listen.port))
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((listen.host, listen.port))
    except OSError as error:
        where = f"{listen.host}:{listen.port}"
        if error.errno == errno.EADDRINUSE:
            hint = "stop what listens there, or choose another --port"
            raise ResourceError(f"{where} is taken", hint=hint) from error
        hint = "choose another --host or --port"
        raise ResourceError(f"{where}: cannot listen there ({error.strerror or error})", hint=hint) from error
    listener.setblocking(False)
    return listener


async def run(listen: Listen, settings: Settings) -> None:
    """The whole life of a worker process."""
    loop = asyncio.get_running_loop()
    worker = Worker(listen, settings, loop)
    loop.add_signal_handler(signal.SIGHUP, worker.hang_up)  # before it can be found: the default is to die
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.terminate)
    await worker.start()
    gc.collect()
    gc.freeze()  # what the imports made lives as long as the process: never look at it again
    gc.set_threshold(50_000, 20, 20)
    await worker.serve_until_terminated()
