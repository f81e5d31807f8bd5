"""A worker: answers callers on a listening socket that the hub made, with the table that the hub sends.

SIGTERM stops accepting, closes idle connections, and lets running requests end up to a deadline; a second one ends at
once. SIGINT and SIGHUP are the hub's business. When the hub is gone the worker serves on with what it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from headway.gateway.api import Api
from headway.gateway.board import Board
from headway.gateway.client import ClientConnection, Serve
from headway.gateway.core import Gateway, log
from headway.gateway.hubline import HubLine
from headway.gateway.lag import Lag
from headway.gateway.settings import Settings
from headway.gateway.tls import Certificate, Identity

__all__ = ["Place", "Worker", "main", "place_of", "run"]

_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Worker `number` of `workers`: its listening socket, its end of the channel to the hub, the board."""

    number: int
    listener: socket.socket
    channel: socket.socket
    board: Board
    identity: Identity | None = None


class Worker:
    def __init__(self, place: Place, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self._place = place
        self._hub = HubLine(self._orphaned)
        self.gateway = Gateway(settings, loop, place.board, place.number, self._hub)
        self._server: asyncio.Server | None = None
        self._ending = asyncio.Event()
        self._looking: asyncio.TimerHandle | None = None
        self._waiting: asyncio.TimerHandle | None = None  # without a hub
        self._lag = Lag(loop, self.gateway.tally.lag)

    async def start(self) -> None:
        gateway, loop = self.gateway, self.gateway.loop
        serve = self._serve()
        await self._hub.join(gateway, self._place.channel)
        identity = self._place.identity
        self._server = await loop.create_server(
            lambda: ClientConnection(gateway, serve),
            sock=self._place.listener,
            backlog=_BACKLOG,
            ssl=identity.context if identity else None,
            ssl_handshake_timeout=gateway.settings.head_seconds if identity else None,
        )
        self._lag.start()
        if identity:
            self._follow(identity)

    def _serve(self) -> Serve:
        """What answers callers on the listening socket."""
        return Api(self.gateway).serve

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
        gateway.shadows.end_all()
        if self._server:
            self._server.close()
        for client in list(gateway.connections):
            client.drain()
        await self._until_deserted(gateway.settings.drain_seconds)
        self._stop_all()
        await self._until_deserted(1.0)
        for client in list(gateway.connections):
            client.abort()
        gateway.catalog.close()
        gateway.wheel.stop()
        self._lag.stop()
        for timer in (self._looking, self._waiting):
            if timer:
                timer.cancel()
        gateway.keeper.tell()
        await asyncio.sleep(0)  # what was said is written before the channel closes
        self._hub.close()
        await asyncio.sleep(0)  # the loop calls connection_lost of what was aborted

    async def _until_deserted(self, seconds: float) -> None:
        if self.gateway.connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.gateway.deserted.wait()

    def _follow(self, identity: Identity) -> None:
        identity.look()
        if not self._ending.is_set():
            loop, seconds = self.gateway.loop, self.gateway.settings.table_poll_seconds
            self._looking = loop.call_later(seconds, self._follow, identity)

    def _orphaned(self) -> None:
        """The hub is gone. The next one ends us when its own workers serve; if none comes we end ourselves: nobody
        could give us another table, or stop us by the gateway's name."""
        gateway = self.gateway
        if gateway.draining or self._ending.is_set():
            return
        seconds = gateway.settings.orphan_seconds
        log.warning("the hub is gone; serving on for %g s, until the next one takes over", seconds)
        self._waiting = gateway.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        log.warning("no hub has taken over: draining and ending")
        self.terminate()

    def _stop_all(self) -> None:
        for client in list(self.gateway.connections):
            client.stop()


async def run(worker: Worker) -> None:
    """The whole life of a worker process."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, worker.terminate)
    await worker.start()
    gc.collect()
    gc.freeze()  # what the imports made lives as long as the process: never look at it again
    gc.set_threshold(50_000, 20, 20)
    await worker.serve_until_terminated()


def place_of(argv: list[str], name: str) -> Place:
    """`number workers listener channel board`: three of them file descriptors."""
    number, workers, listener, channel, board = map(int, argv)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {name}-{number} %(levelname)s %(message)s")
    for one in (signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    sockets = socket.socket(fileno=listener), socket.socket(fileno=channel)
    for each in sockets:
        each.setblocking(False)
    return Place(number, *sockets, Board(board, workers))


def main(argv: list[str]) -> int:
    """As `place_of`, and the two paths of a certificate."""
    place = place_of(argv[:5], "gateway")
    if len(argv) > 5:
        place = replace(place, identity=Identity(Certificate(Path(argv[5]), Path(argv[6]))))

    async def live() -> None:
        await run(Worker(place, Settings(), asyncio.get_running_loop()))

    uvloop.run(live())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
