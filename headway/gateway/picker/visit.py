"""One request at an endpoint to which somebody else sent it: what a Dispatch is to the gateway's own requests.

Nothing is sent from here. The data plane tells what comes back; it is looked at as it passes, and never held.
"""

from __future__ import annotations

from headway.gateway.dispatch import Dispatch, Sender
from headway.gateway.relay import Caller
from headway.gateway.settings import Settings
from headway.gateway.stay import Stay
from headway.wire.sse import EventSplitter, count_data, is_done, says_error
from headway.wire.usage import TAIL_BYTES, Usage, read_usage

__all__ = ["Visit", "Watch"]

_UNWELL = (502, 503)


class Watch:
    """Satisfies relay.Relay for an answer that passes by."""

    def __init__(self, status: int, content_type: bytes, most: int) -> None:
        self.started = False
        self.status = status
        self.error = "engine_error" if status >= 400 else ""
        self._events = EventSplitter() if content_type.startswith(b"text/event-stream") else None
        self._most = most
        self._tail = b""
        self._count = 0
        self._done = False

    def feed(self, data: bytes) -> str:
        if self._events is None:
            self.started = self.started or bool(data)
            self._tail = (self._tail + data)[-TAIL_BYTES:]
        elif events := self._events.push(data):
            self._look(events)
        elif self._events.pending > self._most:
            self._events, self.started = None, True  # no stream of events, whatever it says
        return ""

    def _look(self, events: bytes) -> None:
        self._count += count_data(events)
        self.started = self._count > 0
        self._done = self._done or is_done(events)
        if b'"usage":' in events:
            self._tail = events[-TAIL_BYTES:]
        if not self._done and says_error(events):
            self.error = "engine_error"

    def finish(self, framed: bool) -> str:
        """A stream that ends without `[DONE]` was cut, however politely."""
        if self._events is not None and self.status == 200 and not self._done and not self.error:
            self.error = "engine_failed"
        return ""

    def break_off(self, code: str, message: str) -> str:
        return code

    def usage(self) -> Usage | None:
        if self.status >= 400:
            return None
        counted = Usage(completion_tokens=max(0, self._count - self._done)) if self._events else None
        return read_usage(self._tail) or counted


class Visit(Dispatch):
    def __init__(self, sender: Sender, caller: Caller, stay: Stay, settings: Settings) -> None:
        super().__init__(sender, caller, stay, settings, [])

    @property
    def well(self) -> bool:
        """The endpoint has not said that it cannot."""
        return self.relay is None or self.relay.status not in _UNWELL

    def head(self, status: int, content_type: bytes) -> None:
        self.relay = Watch(status, content_type, self._settings.event_bytes)

    def piece(self, data: bytes) -> None:
        if self.relay is not None and data:
            self.relay.feed(data)
            self._sender.heard()

    def ended(self) -> None:
        if self.relay is not None:
            self.relay.finish(True)
        self._end()
        self._sender.succeeded()

    def leave(self) -> None:
        """It is not there, or not any more."""
        self._end()
