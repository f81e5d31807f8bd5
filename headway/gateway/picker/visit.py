"""One request at an endpoint to which somebody else sent it: what a Dispatch is to the gateway's own requests.

Nothing is sent from here. The data plane tells what comes back; it is looked at as it passes, and never held.
"""

from __future__ import annotations

from typing import Final

from headway.gateway.caller import Caller
from headway.gateway.dispatch import Dispatch, Sender
from headway.gateway.pace import Pace
from headway.gateway.settings import Settings
from headway.gateway.upstream import Upstream
from headway.policy.routing import Stay
from headway.wire.sse import EventSplitter, count_data, is_done, says_error, without_usage_event
from headway.wire.tail import TAIL_BYTES, read_usage
from headway.wire.usage import Usage

__all__ = ["Visit", "Watch"]

_UNWELL: Final = (502, 503)


class Watch:
    """Satisfies relay.Relay for an answer that passes by. `hide`: its usage is for the picker alone;
    `says_done`: as a stream it ends with `[DONE]`."""

    def __init__(
        self, status: int, content_type: bytes, most: int, *, hide: bool = False, says_done: bool = True
    ) -> None:
        self.started = False
        self.status = status
        self.error = "engine_error" if status >= 400 else ""
        self._events = EventSplitter() if content_type.startswith(b"text/event-stream") else None
        self._most, self._hide, self._says_done = most, hide, says_done
        self._tail = b""
        self.pace: Pace | None = Pace() if self._events is not None else None
        self._done = False

    def look(self, data: bytes, *, end: bool) -> bytes:
        """What of it passes on: all, unless something is to be hidden; then whole events, as soon as they are."""
        if self._events is None:
            self.started = self.started or bool(data)
            self._tail = (self._tail + data)[-TAIL_BYTES:]
            return data
        events = self._events.push(data)
        if events:
            self._look(events)
        rest = self._events.rest if end else b""
        if self._events.pending > self._most:
            rest = self._events.rest
            self._events, self.started = None, True  # no stream of events, whatever it says
        return without_usage_event(events) + rest if self._hide else data

    def _look(self, events: bytes) -> None:
        pace = self.pace
        if pace is not None:
            pace.events += count_data(events)
            self.started = self.started or pace.events > 0
            if not self._done and is_done(events):
                self._done = True
                pace.events -= 1
        if b'"usage":' in events:
            self._tail = events[-TAIL_BYTES:]
        if not self._done and says_error(events):
            self.error = "engine_error"

    def feed(self, data: bytes) -> str:
        self.look(data, end=False)
        return ""

    def finish(self, framed: bool) -> str:
        """A stream of OpenAI's that ends without `[DONE]` was cut, however politely."""
        ended = self._done or not self._says_done or self._events is None
        if self.status == 200 and not ended and not self.error:
            self.error = "engine_failed"
        return ""

    def break_off(self, code: str, message: str) -> str:
        return code

    def usage(self) -> Usage | None:
        if self.status >= 400:
            return None
        counted = Usage(completion_tokens=self.pace.events) if self.pace is not None and self._events else None
        return read_usage(self._tail) or counted


class Visit(Dispatch):
    def __init__(self, sender: Sender, caller: Caller, stay: Stay[Upstream], settings: Settings) -> None:
        super().__init__(sender, caller, stay, settings, [])
        self._watch: Watch | None = None

    @property
    def well(self) -> bool:
        """The endpoint has not said that it cannot."""
        return self.relay is None or self.relay.status not in _UNWELL

    def head(self, status: int, content_type: bytes) -> None:
        hide, done = self._sender.hides_usage(), self._sender.says_done()
        most = self._settings.event_bytes
        self._watch = self.relay = Watch(status, content_type, most, hide=hide, says_done=done)

    def piece(self, data: bytes, *, end: bool) -> bytes:
        """Returns what of it passes on."""
        if self._watch is None or not self.well:
            return data
        passed = self._watch.look(data, end=end)
        if data:
            self._sender.heard()
        return passed

    def ended(self) -> None:
        if self.relay is not None:
            self.relay.finish(True)
        self._end()
        self._sender.succeeded()

    def leave(self) -> None:
        """It is not there, or not any more."""
        self._end()
