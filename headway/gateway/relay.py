"""How an engine's answer reaches the caller: held until it is whole, or event by event.

Both keep one promise: what the caller gets is either what a working engine said, or visibly an error. Until
`started` the caller has got nothing, and the request can still be answered by another engine.
"""

from __future__ import annotations

from typing import Protocol

from headway.gateway.caller import Caller
from headway.gateway.link import AnswerHead
from headway.gateway.settings import Settings
from headway.wire.openai import error_body, is_error_body
from headway.wire.sse import EventSplitter, count_data, data_event, is_done, says_error, without_usage_event
from headway.wire.tail import TAIL_BYTES, read_usage
from headway.wire.usage import Usage

__all__ = ["EventRelay", "HeldRelay", "Relay"]


class Relay(Protocol):
    """`feed` and `finish` return why the answer is unusable, empty when it is fine. `status` is what the
    caller gets; `error` is the code of an error that the caller was told within the answer."""

    started: bool
    error: str
    status: int

    def feed(self, data: bytes) -> str: ...
    def finish(self, framed: bool) -> str: ...
    def break_off(self, code: str, message: str) -> str:
        """The answer, begun, cannot be ended well. Returns the error that the caller was told; empty = it was
        whole."""

    def usage(self) -> Usage | None: ...


class HeldRelay:
    """An answer that is no event stream. Beyond `held_bytes` it is relayed as it comes."""

    def __init__(self, caller: Caller, head: AnswerHead, headers: bytes, settings: Settings, key: str) -> None:
        self.started = False
        self.error = ""
        self.status = head.status
        self._caller, self._head, self._headers, self._key = caller, head, headers, key
        self._most = settings.held_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._tail = b""

    def whole(self, body: bytes) -> None:
        """A good answer that came at once."""
        self.started = True
        self._tail = body
        self._caller.respond(self.status, self._headers, body)

    def feed(self, data: bytes) -> str:
        if self.started:
            self._tail = (self._tail + data)[-TAIL_BYTES:]
            self._caller.write(data)
            return ""
        self._parts.append(data)
        self._size += len(data)
        if self._size > self._most and self._head.status < 400:
            self._start()
        elif self._size > 4 * self._most:
            return "malformed"  # an error message of megabytes
        return ""

    def _start(self) -> None:
        self.started = True
        held = b"".join(self._parts)
        self._parts.clear()
        self._tail = held[-TAIL_BYTES:]
        self._caller.start(self._head.status, self._headers, self._head.length)
        self._caller.write(held)

    def finish(self, framed: bool) -> str:
        if self.started:
            if not framed:
                return "closed"  # nobody can tell whether this was the end
            self._caller.end()
            return ""
        body = b"".join(self._parts)
        if not framed and body.rstrip()[-1:] not in (b"}", b"]"):
            return "closed"
        self.started = True
        self._tail = body
        if self._head.status >= 400:
            self._tell_error(body)
        else:
            self._caller.respond(self._head.status, self._headers, body)
        return ""

    def _tell_error(self, body: bytes) -> None:
        """An engine's error, in OpenAI's shape; never one about the key that the gateway itself sent."""
        status, headers = self.status, self._headers
        self.error = "engine_error"
        if status in (401, 403) and self._key:
            status, self.error = 502, "engine_refused_key"
            self.status = status
            body = error_body(
                f"The provider refused the gateway's key {self._key}; its operator must renew it.",
                "server_error",
                self.error,
            )
        elif not is_error_body(body):
            text = body[:500].decode("utf-8", "replace").strip() or f"The engine answered with status {status}."
            kind = "invalid_request_error" if status < 500 else "server_error"
            body = error_body(text, kind, self.error)
        else:
            self._caller.respond(status, headers, body)
            return
        kept = [line for line in headers.splitlines(True) if not line.startswith(b"content-type:")]
        self._caller.respond(status, b"".join(kept) + b"content-type: application/json\r\n", body)

    def break_off(self, code: str, message: str) -> str:
        self._caller.abort()
        return code

    def usage(self) -> Usage | None:
        return read_usage(self._tail) if self._head.status < 400 else None


class EventRelay:
    """An event stream. Nothing is sent before the first whole event that carries data, and only whole events
    are."""

    def __init__(
        self,
        caller: Caller,
        head: AnswerHead,
        headers: bytes,
        settings: Settings,
        *,
        hide_usage: bool = False,
        says_done: bool = True,
    ) -> None:
        self.started = False
        self.error = ""
        self.status = head.status
        self._caller, self._head, self._headers = caller, head, headers
        self._most = settings.event_bytes
        self._hide_usage = hide_usage  # the gateway asked for it, not the caller
        self._says_done = says_done  # its end is `[DONE]`; elsewhere it is where its framing says
        self._splitter = EventSplitter()
        self._held = b""  # comments before the first data
        self._last = b""  # the last events with a usage
        self._count = 0
        self._done = False

    def feed(self, data: bytes) -> str:
        if self._head.encoded:
            return "encoded"  # asked for identity; compressed events cannot be told apart
        events = self._splitter.push(data)
        if self._splitter.pending + len(self._held) > self._most:
            return "malformed"
        if events:
            self._forward(events)
        return ""

    def _forward(self, events: bytes) -> None:
        if not self.started:
            self._held += events
            if not count_data(self._held):
                return
            self.started = True
            events, self._held = self._held, b""
            self._caller.start(self._head.status, self._headers, None)
        self._count += count_data(events)
        self._done = self._done or is_done(events)
        if b'"usage":' in events:
            self._last = events[-TAIL_BYTES:]
            if self._hide_usage:
                events = without_usage_event(events)
        if not self._done and says_error(events):
            self.error = "engine_error"
        self._caller.write(events)

    def finish(self, framed: bool) -> str:
        """A stream of OpenAI's that ends without `[DONE]` was cut, however politely."""
        if not self._done and not self.error and (self._says_done or not framed):
            return "closed"
        self._caller.end()
        return ""

    def break_off(self, code: str, message: str) -> str:
        """One error event, unless the engine has said its own last word, and a clean end."""
        if not self._done and not self.error:
            self.error = code
            self._caller.write(data_event(error_body(message, "server_error", code)))
        self._caller.end()
        return self.error

    def usage(self) -> Usage | None:
        """As the engine said it, else what was counted: a data event is about a token, `[DONE]` is none."""
        return read_usage(self._last) or Usage(completion_tokens=max(0, self._count - self._done))
