"""One connection of a caller: requests in, answers out in the same order, and nothing waits for ever.

Requests that were sent ahead (pipelined) wait their turn. While a request runs the connection is still read,
within a bound, because only so is it seen that the caller left. All deadlines of the connection and of its
running request are one entry in the wheel.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, cast

from headway.gateway import answers
from headway.gateway.reader import RequestReader
from headway.gateway.request import Request
from headway.gateway.sockets import is_near, tune
from headway.gateway.timers import Timed
from headway.wire.http import chunk, response_head
from headway.wire.openai import Refusal

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["ClientConnection", "Running", "Serve"]


class Running(Protocol):
    """What runs for the caller now, as its connection sees it."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def left(self) -> None: ...
    def stop(self) -> None: ...
    def on_due(self, now: float) -> None: ...


_BODILESS: Final = (204, 304)

Serve = Callable[["ClientConnection", Request], Running | None]
"""Answers a request at once (None), or returns what will."""


class ClientConnection(Timed, asyncio.Protocol):
    def __init__(self, gateway: Gateway, serve: Serve) -> None:
        Timed.__init__(self)
        self._gateway, self._serve, self._settings = gateway, serve, gateway.settings
        self._reader = RequestReader(gateway.settings, gateway.bodies, gateway.time)
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None  # being answered
        self._running: Running | None = None
        self._advancing = False
        self._chunked = False
        self._silent = False  # HEAD: a head without its body
        self._backlog = bytearray()
        self._reading = True
        self._paused = False
        self._heard_at = 0.0
        self._phase = "head"  # what of the caller is awaited: head, body, idle; empty = a request runs
        self._lingering = False
        self.near = False  # the caller is on this machine

    @property
    def busy(self) -> bool:
        return self._request is not None

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tune(transport)
        self.near = is_near(transport.get_extra_info("peername"))
        gateway = self._gateway
        gateway.connections.add(self)
        self._heard_at = gateway.time()
        gateway.wheel.set(self, self._heard_at + self._settings.head_seconds)
        if len(gateway.connections) > gateway.connections_max:
            self.refuse(Refusal(503, "overloaded", "The gateway has too many connections.", retry_after=1))

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        self._heard_at = self._gateway.time()
        if self.busy or self._backlog:
            self._backlog += data
            if len(self._backlog) > self._settings.backlog_bytes and self._reading and self._transport:
                self._reading = False
                self._transport.pause_reading()
            return
        self._reader.feed(data)
        self._advance()

    def eof_received(self) -> bool | None:
        """The caller left, or says that it will send no more: the same to us (half-closed callers are not
        served)."""
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport_gone()
        self._leave()

    def pause_writing(self) -> None:
        self._paused = True
        if self._running:
            self._running.pause()

    def resume_writing(self) -> None:
        self._paused = False
        if self._running:
            self._running.resume()

    # the order of requests

    def _advance(self) -> None:
        """Answer what has been read, one after the other, as far as it can be done now."""
        if self._advancing:
            return
        self._advancing = True
        while not self.busy and not self._lingering and (item := self._next()) is not None:
            if isinstance(item, Refusal):
                self._gateway.tally.refused(item.status)
                self.refuse(item)
                break
            self._begin(item)
        self._advancing = False
        if not self.busy and not self._lingering:
            self._await_more()

    def _next(self) -> Request | Refusal | None:
        if not self._reader.ready and self._backlog:
            data = bytes(self._backlog)
            self._backlog.clear()
            self._reader.feed(data)
            if not self._reading and self._transport:
                self._reading = True
                self._transport.resume_reading()
        return self._reader.ready.popleft() if self._reader.ready else None

    def _begin(self, request: Request) -> None:
        self._request = request
        self._phase = ""
        self._silent = request.method == "HEAD"
        running = self._serve(self, request)
        if running is not None and self.busy and self._running is None:
            self.hand_over(running)

    def hand_over(self, running: Running) -> None:
        """This is what runs now."""
        self._running = running
        if self._paused:
            running.pause()

    def _await_more(self) -> None:
        """Nothing runs: set the deadline of what is due next from the caller."""
        reader, settings = self._reader, self._settings
        if reader.continue_due and self._transport:
            reader.continue_due = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not reader.in_head and not reader.in_body and self._gateway.draining:
            self._close()
            return
        phase = "head" if reader.in_head else "body" if reader.in_body else "idle"
        if phase == self._phase:
            return  # what comes in drips moves no deadline
        self._phase = phase
        seconds = {
            "head": settings.head_seconds,
            "body": settings.body_idle_seconds,
            "idle": settings.keepalive_seconds,
        }[phase]
        self._gateway.wheel.set(self, self._gateway.time() + seconds)

    # what a running request says (exchange.Client)

    def respond(self, status: int, headers: bytes, body: bytes) -> None:
        if self._transport is None or self._request is None:
            return
        framing = b"" if status in _BODILESS else b"content-length: %d\r\n" % len(body)
        head = response_head(status, self._common(self._request) + headers + framing)
        if len(body) > 65536 and not self._silent:
            self._transport.writelines([head, body])
        else:
            self._transport.write(head if self._silent else head + body)
        self._done()

    def start(self, status: int, headers: bytes, length: int | None) -> None:
        if self._transport is None or self._request is None:
            return
        self._chunked = length is None and not self._request.http10
        if self._chunked:
            framing = b"transfer-encoding: chunked\r\n"
        elif length is not None:
            framing = b"content-length: %d\r\n" % length
        else:
            self._request.keep_alive, framing = False, b""
        self._transport.write(response_head(status, self._common(self._request) + headers + framing))

    def write(self, data: bytes) -> None:
        if self._transport is not None and data:
            self._transport.write(chunk(data) if self._chunked else data)

    def end(self) -> None:
        if self._transport is not None and self._chunked:
            self._transport.write(b"0\r\n\r\n")
        self._done()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def refuse(self, refusal: Refusal) -> None:
        """Answer with an error. When the request was not wholly read the connection ends with it."""
        if self._request is None:
            self._request = Request()
            self._request.id, self._request.target = answers.new_request_id(), self._reader.target
            self._request.keep_alive = False
            self._lingering = True
        self.respond(*answers.refusal(refusal, self._request))

    def wake_at(self, due: float) -> None:
        self._gateway.wheel.set(self, due)

    # deadlines

    def on_due(self, now: float) -> None:
        if self._running is not None:
            self._running.on_due(now)
            return
        reader, settings = self._reader, self._settings
        slowest = reader.body_since + settings.body_idle_seconds + reader.body_size / settings.body_rate
        body_due = min(
            self._heard_at + settings.body_idle_seconds, reader.body_since + settings.deadline_seconds, slowest
        )
        if self._lingering or self._transport is None or self._transport.is_closing():
            self.abort()
        elif reader.in_head:
            self._time_out(f"The head of the request did not come within {settings.head_seconds:g} s.")
        elif not reader.in_body:
            self.abort()  # idle
        elif now < body_due - 0.001:
            self._gateway.wheel.set(self, body_due)
        else:
            self._time_out("The body of the request came too slowly.")

    def _time_out(self, message: str) -> None:
        self._gateway.tally.refused(408)
        self.refuse(Refusal(408, "request_timeout", message))

    # the end

    def drain(self) -> None:
        """Close when what runs has been answered."""
        if self._request is not None:
            self._request.keep_alive = False
        elif not self._reader.in_head and not self._reader.in_body:
            self._close()

    def stop(self) -> None:
        """Time is over."""
        if self._running is not None:
            self._running.stop()
        self._close()

    def _common(self, request: Request) -> bytes:
        if self._gateway.draining:
            request.keep_alive = False
        return answers.common_headers(request, self._gateway.unix_time())

    def _done(self) -> None:
        """One request has been answered."""
        request, self._request, self._running = self._request, None, None
        self._chunked = False
        if request is None:
            return
        self._reader.release(request.size)
        if self._lingering:
            self._linger()
        elif not request.keep_alive:
            self._close()
        elif not self._advancing:
            self._advance()

    def _linger(self) -> None:
        """Say that nothing more is read, and read on a while, so that the answer is not lost in a reset."""
        self._reader.close()
        self._backlog.clear()
        if self._transport is not None and not self._transport.is_closing():
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self._gateway.wheel.set(self, self._gateway.time() + self._settings.linger_seconds)

    def _close(self) -> None:
        """After what was written has gone out."""
        self._lingering = True
        self._reader.close()
        self._backlog.clear()
        if self._transport is not None:
            self._gateway.wheel.set(self, self._gateway.time() + self._settings.stall_seconds)
            self._transport.close()

    def _leave(self) -> None:
        running, self._running, self._request = self._running, None, None
        if running is not None:
            running.left()
        self._reader.close()
        self._backlog.clear()
        self._lingering = True

    def _transport_gone(self) -> None:
        self._transport = None
        self._gateway.left(self)
        self._gateway.wheel.cancel(self)
