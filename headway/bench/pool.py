"""Connections that wait for requests, opened before they are needed.

The schedule is known, so the pool is told how many requests are due soon, and has as many connections ready: a due
request waits for a handshake only when more came at once than could be foreseen. The bound on sockets is stated, and a
request beyond it is refused aloud; nothing queues for a socket.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections import deque
from time import monotonic
from typing import Final, Protocol

from headway.bench.connection import Connection
from headway.bench.target import Address

__all__ = ["Pool", "Waiter"]

IDLE_SECONDS: Final = 4.0
"""The longest that a connection lies unused: servers close theirs after 5 s (uvicorn, httplib, Node), and a request
that meets the closing is lost."""
_SWEEP: Final = 0.5
_MOST_OPENING: Final = 128
"""Handshakes at once that are for nobody yet: more would only fill the server's backlog."""


_OURS: Final = (errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What this machine has run out of: ports, files, memory. That is no fault of the server."""


class Waiter(Protocol):
    """Who waits for a connection hears exactly one of the two."""

    def connected(self, connection: Connection) -> None: ...
    def not_connected(self, code: str, said: str) -> None:
        """`code` as a Record's `error` has it."""


class Pool:
    """`most`: sockets at once. `handshake`: what the last ones took, in seconds, smoothed."""

    def __init__(self, address: Address, trust: ssl.SSLContext | None, most: int, connect_seconds: float) -> None:
        self._address, self._trust, self._most, self._seconds = address, trust, most, connect_seconds
        self._loop = asyncio.get_running_loop()
        self._idle: deque[Connection] = deque()
        self._waiting: deque[Waiter] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._open: set[Connection] = set()
        self._foreseen = 0
        self._idle_seconds = IDLE_SECONDS
        self._quiet_until = 0.0
        self._closed = False
        self.handshake = 0.001
        self._timer = self._loop.call_later(_SWEEP, self._sweep)

    @property
    def sockets(self) -> int:
        return len(self._open) + len(self._opening)

    @property
    def ready(self) -> int:
        """Connections that are there, or about to be, for requests to come."""
        return len(self._idle) + len(self._opening) - len(self._waiting)

    def take(self) -> Connection | None:
        """The idle connection used last: the others may grow old."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                connection.kept = True
                return connection
        return None

    def wait(self, waiter: Waiter) -> bool:
        """Give it the next connection there is. False: there is no room for one more."""
        if len(self._opening) <= len(self._waiting):
            if self.sockets >= self._most:
                return False
            self._start()
        self._waiting.append(waiter)
        return True

    def forget(self, waiter: Waiter) -> None:
        """It waits no more."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    def foresee(self, count: int) -> None:
        """So many requests are due soon."""
        self._foreseen = count
        if monotonic() < self._quiet_until:
            return  # the server takes no connections: only requests that are due try
        while self.ready < count and self.sockets < self._most and len(self._opening) < _MOST_OPENING:
            self._start()

    def close(self) -> None:
        self._closed = True
        self._timer.cancel()
        for task in list(self._opening):
            task.cancel()
        for connection in list(self._open):
            connection.drop()

    # connections come and go

    def _start(self) -> None:
        task = self._loop.create_task(self._connect())
        self._opening.add(task)

    async def _connect(self) -> None:
        address, begun = self._address, monotonic()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        try:
            async with asyncio.timeout(self._seconds):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._came_back, self._lost),
                    address.host,
                    address.port,
                    ssl=self._trust,
                    server_hostname=address.name if self._trust else None,
                )
        except TimeoutError:
            self._failed(task, "connect", f"no connection within {self._seconds:g} s")
        except OSError as error:  # ssl.SSLError is one
            ours = error.errno in _OURS and not isinstance(error, ssl.SSLError)
            self._failed(task, "unsent" if ours else "connect", str(error) or type(error).__name__)
        except asyncio.CancelledError:
            self._opening.discard(task)
            raise
        else:
            self.handshake += 0.2 * (monotonic() - begun - self.handshake)
            if not connection.usable:
                self._failed(task, "connect", "the server closed the connection at once")
                return
            self._opening.discard(task)
            self._open.add(connection)
            if self._closed:
                connection.drop()
            else:
                self._came_back(connection)
                self.foresee(self._foreseen)

    def _failed(self, task: asyncio.Task[None], code: str, said: str) -> None:
        self._opening.discard(task)
        self._quiet_until = monotonic() + 1.0
        while len(self._waiting) > len(self._opening):
            self._waiting.popleft().not_connected(code, said)

    def _came_back(self, connection: Connection) -> None:
        if not connection.usable:
            return
        if connection.stays is not None:
            self._idle_seconds = min(self._idle_seconds, max(0.5, connection.stays - 1.0))
        if self._waiting:
            connection.kept = connection.uses > 0
            self._waiting.popleft().connected(connection)
        else:
            self._idle.append(connection)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:  # the server closed it: the next ones are not left lying as long
            self._idle.remove(connection)
            lain = monotonic() - connection.since
            if connection.uses and lain > 0.1:
                self._idle_seconds = min(self._idle_seconds, max(0.5, 0.8 * lain))

    def _sweep(self) -> None:
        """Close what has lain too long, and have as many as were foreseen."""
        old = monotonic() - self._idle_seconds
        while self._idle and self._idle[0].since < old:
            self._idle.popleft().drop()
        self.foresee(self._foreseen)
        self._timer = self._loop.call_later(_SWEEP, self._sweep)
