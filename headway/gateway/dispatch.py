"""One try of one request at one endpoint: connect, send, hand the answer to a relay.

It tells the Exchange exactly one thing: `succeeded`, or `lost` and why. An idle connection that turns out to
be closed is not the endpoint's fault: the request is sent once more on a fresh one.
"""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

from headway.gateway.caller import Caller
from headway.gateway.link import AnswerHead, Link
from headway.gateway.patience import idle
from headway.gateway.relay import EventRelay, HeldRelay, Relay
from headway.gateway.settings import Settings
from headway.gateway.table import Deadlines
from headway.gateway.upstream import Upstream
from headway.policy.routing import Stay

__all__ = ["Dispatch", "Sender"]


class Sender(Protocol):
    """Who sent the Dispatch."""

    def sending(self, reused: bool) -> None: ...
    def prefers_another(self, status: int) -> bool:
        """Whether an answer with this status should be had elsewhere."""

    def unserved(self, status: int) -> bool:
        """Whether this status says that the engine has no such operation; then the sender has said so."""

    def hides_usage(self) -> bool:
        """Whether a stream's usage is for the gateway alone."""

    def says_done(self) -> bool:
        """Whether a stream is to end with `[DONE]`."""

    def heard(self) -> None:
        """A piece of the answer's body came."""

    def succeeded(self) -> None: ...
    def lost(self, reason: str) -> None: ...


class Dispatch:
    """`times`: its Model's own; `first_due`: loop time by which it must have begun to answer."""

    def __init__(
        self,
        sender: Sender,
        caller: Caller,
        stay: Stay[Upstream],
        settings: Settings,
        data: list[bytes],
        *,
        times: Deadlines | None = None,
        first_due: float = math.inf,
    ) -> None:
        self.heard_at = 0.0  # when the last piece came
        self._times, self._first_due = times, first_due
        self.upstream, self.stay = stay.upstream, stay
        self.relay: Relay | None = None
        self._sender, self._caller, self._settings = sender, caller, settings
        self._data = data
        self._link: Link | None = None
        self._opening: asyncio.Task[None] | None = None
        self._running = True
        self._paused = False

    @property
    def started(self) -> bool:
        """The caller has got something of it."""
        return self.relay is not None and self.relay.started

    @property
    def idle_seconds(self) -> float:
        return idle(self._settings, self._times)

    @property
    def due(self) -> float:
        """When its next piece, or the first, must have come."""
        return self.heard_at + self.idle_seconds if self.started else self._first_due

    def start(self) -> None:
        if link := self.upstream.take():
            self._send(link)
        else:
            self._opening = self.upstream.open(self)

    def abort(self) -> None:
        """Give up: the engine sees its connection break. The sender hears nothing."""
        if self._opening:
            opening, self._opening = self._opening, None  # which knows us
            opening.cancel()
        if self._link:
            self._link.abort()
        self._end()

    def time_out(self) -> None:
        """It has not begun to answer in time: this try is lost."""
        opening, self._opening = self._opening, None
        if opening:
            opening.cancel()
        self._lose("timeout")

    def pause(self) -> None:
        self._paused = True
        if self._link:
            self._link.pause()

    def resume(self) -> None:
        self._paused = False
        if self._link:
            self._link.resume()

    # a fresh connection

    def opened(self, link: Link) -> None:
        self._opening = None
        if self._running:
            self._send(link)
        else:
            link.abort()

    def not_opened(self, reason: str) -> None:
        self._opening = None
        if self._running:
            self._lose(reason)

    # the answer

    def whole(self, head: AnswerHead, body: bytes) -> None:
        self._link = None
        if self._running:
            relay = HeldRelay(self._caller, head, self._headers(head), self._settings, self.upstream.key_name)
            self.relay = relay
            self._end()
            self._sender.heard()
            relay.whole(body)
            self._sender.succeeded()

    def _headers(self, head: AnswerHead) -> bytes:
        return b"".join(head.passed) + self.upstream.replica_header

    def answered(self, head: AnswerHead) -> None:
        if self._sender.prefers_another(head.status):
            self._lose(f"status {head.status}")
            return
        if self._sender.unserved(head.status):
            return
        headers = self._headers(head)
        if head.status == 200 and head.content_type.startswith(b"text/event-stream"):
            hide, done = self._sender.hides_usage(), self._sender.says_done()
            self.relay = EventRelay(self._caller, head, headers, self._settings, hide_usage=hide, says_done=done)
        else:
            self.relay = HeldRelay(self._caller, head, headers, self._settings, self.upstream.key_name)

    def body(self, data: bytes) -> None:
        if self.relay is None:
            return
        if failure := self.relay.feed(data):
            self._lose(failure)
        else:
            self._sender.heard()

    def complete(self, framed: bool) -> None:
        self._link = None
        if self.relay is None:
            self._lose("malformed")
        elif self._running:
            if failure := self.relay.finish(framed):
                self._lose(failure)
            else:
                self._end()
                self._sender.succeeded()

    def failed(self, reason: str) -> None:
        link, self._link = self._link, None
        if link and link.reused and not link.heard and self._running:
            self._sender.sending(True)
            self._opening = self.upstream.open(self)
        else:
            self._lose(reason)

    # parts of the above

    def _send(self, link: Link) -> None:
        self._link = link
        self._sender.sending(False)
        link.send(self._data, self)
        if self._paused:
            link.pause()

    def _lose(self, reason: str) -> None:
        if self._running:
            if self._link:
                self._link.abort()
            self._end()
            self._sender.lost(reason)

    def _end(self) -> None:
        if self._running:
            self._running = False
            self.stay.leave()
