"""One connection to the server, carrying one request at a time.

A request is handed to the kernel at once, past the event loop's own queue of writes: so the moment that is noted as
`sent` is the moment it was sent. What comes back goes to a Listener, each read with the moment it was read; then
exactly one of `complete` and `broken`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from time import monotonic
from typing import Protocol, cast

from headway.bench.framing import Framing, Head, Malformed

__all__ = ["Connection", "Listener"]


class Listener(Protocol):
    """`now` is of the monotonic clock, in seconds."""

    def began(self, now: float) -> None:
        """The first bytes of an answer."""

    def answered(self, head: Head) -> None: ...
    def body(self, data: bytes, now: float) -> None: ...
    def complete(self, now: float) -> None: ...
    def broken(self, code: str, said: str, now: float) -> None:
        """`code` as a Record's `error` has it."""


class Connection(asyncio.Protocol):
    """`idle` is called when it can carry the next request, `lost` when it is gone. `uses`: requests it has carried;
    `heard`: bytes of the present one's answer have come; `since`: when it was made or became idle; `kept`:
    it lay idle before the present one."""

    __slots__ = (
        "_fd",
        "_framing",
        "_idle",
        "_listener",
        "_lost",
        "_transport",
        "heard",
        "kept",
        "since",
        "stays",
        "uses",
    )

    def __init__(self, idle: Callable[[Connection], None], lost: Callable[[Connection], None]) -> None:
        self._idle, self._lost = idle, lost
        self._transport: asyncio.Transport | None = None
        self._fd = -1
        self._framing = Framing()
        self._listener: Listener | None = None
        self.uses, self.since, self.heard, self.kept = 0, monotonic(), False, False
        self.stays: float | None = None

    @property
    def usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing() and self._listener is None

    @property
    def whole(self) -> bool:
        """The present answer has come to its end."""
        return self._framing.whole

    def send(self, data: bytes, listener: Listener) -> None:
        """Send one request."""
        transport = self._transport
        assert transport is not None  # noqa: S101 (it is handed out only when it is connected)
        self._listener, self._framing, self.heard = listener, Framing(), False
        self.uses += 1
        if self._fd < 0:
            transport.write(data)
            return
        try:
            written = os.write(self._fd, data)
        except BlockingIOError:
            written = 0
        except OSError:
            transport.abort()  # `connection_lost` follows, and tells the listener
            return
        if written < len(data):
            transport.write(data[written:])

    def drop(self) -> None:
        """Break it off; the server sees that and stops its work. The listener hears nothing more."""
        self._listener = None
        if self._transport is not None:
            self._transport.abort()

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.since = monotonic()
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if transport.get_extra_info("sslcontext") is None:
            self._fd = sock.fileno()

    def data_received(self, data: bytes) -> None:
        now = monotonic()
        listener, framing = self._listener, self._framing
        if listener is None:  # unasked: whatever it is, it is not an answer to the next request
            self.drop()
            return
        headless = framing.head is None
        try:
            body, wrong = framing.feed(data), ""
        except Malformed as error:
            body, wrong = b"", str(error)
        if headless:
            if not self.heard:
                self.heard = True
                listener.began(now)
            if framing.head is not None:
                listener.answered(framing.head)
        if wrong:
            self.drop()
            listener.broken("stream", wrong, now)
        if body and self._listener is listener:
            listener.body(body, now)
        if framing.whole and self._listener is listener:
            self._end(framing)
            listener.complete(now)

    def connection_lost(self, exc: Exception | None) -> None:
        now = monotonic()
        self._lost(self)
        self._transport, self._fd = None, -1
        listener, self._listener = self._listener, None
        if listener is None:
            return
        if exc is None and self._framing.open_ended:
            listener.complete(now)
        elif exc is None:
            listener.broken("closed", "the server closed the connection before its answer was whole", now)
        else:
            listener.broken("reset", f"the connection broke: {exc}", now)

    def _end(self, framing: Framing) -> None:
        """The answer is whole. An answer before the request was taken, or more than one answer: it carries no other."""
        self._listener = None
        transport, head = self._transport, framing.head
        assert transport is not None  # noqa: S101
        assert head is not None  # noqa: S101
        if head.keep and not framing.extra and not transport.is_closing() and not transport.get_write_buffer_size():
            self.since, self.stays = monotonic(), head.stays
            self._idle(self)
        else:
            transport.abort()
