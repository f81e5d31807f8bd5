"""One connection to an engine, carrying one request at a time.

The engine's answer is taken apart (httptools, strict) and handed to a Listener: head once, body in pieces of
one read each, then exactly one of `complete` and `failed`. A body without framing ends with the connection,
and then nobody can tell its end from the engine's death: `complete` says so (`framed` False), and the
listener decides by what it read.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

import httptools

from headway.gateway.sockets import tune
from headway.gateway.timers import Timed, Wheel
from headway.wire.http import DROPPED_FROM_ENGINE

__all__ = ["AnswerHead", "Link", "Listener"]

_LIMIT_HEAD: Final = 64 * 1024
"""Of a head; and of what comes of a body that is no content: chunk extensions, trailers."""
_VERSIONS: Final = ("1.1", "1.0")
_JSON: Final = b"application/json"


class AnswerHead:
    """`passed` is the block of header lines that may go on to the caller."""

    __slots__ = ("chunked", "content_type", "encoded", "length", "named", "passed", "size", "status")

    def __init__(self) -> None:
        self.status = 0
        self.content_type = b""
        self.encoded = False
        self.chunked = False
        self.length: int | None = None
        self.passed: list[bytes] = []
        self.named: list[bytes] = []  # `name:` of the headers that Connection names
        self.size = 0


def whole_answer(data: bytes) -> tuple[AnswerHead, bytes] | None:
    """An answer 200 that came in one read, head and body, framed by its length: most are. None for any other, and for
    whatever is not plain; the parser looks at those."""
    if not data.startswith(b"HTTP/1.1 200 "):
        return None
    end = data.find(b"\r\n\r\n", 0, _LIMIT_HEAD)
    _, *lines = data[: max(end, 0)].split(b"\r\n")
    if end < 0 or data.count(b"\n", 0, end) != len(lines) or data.count(b"\r", 0, end) != len(lines):
        return None
    head = AnswerHead()
    for line in lines:
        name, colon, value = line.partition(b": ")
        what = _PLAIN.get(name)
        if what is None:
            what = _learn_name(name)
        if not colon or (what <= _TYPE and value != _JSON and not line.decode("latin-1").isprintable()):
            return None
        if what == _PASS:
            head.passed.append(line + b"\r\n")
        elif what == _LENGTH and head.length is None and value.isdigit() and len(value) < 19:
            head.length = int(value)
        elif what == _TYPE and not value.startswith(b"text/event-stream"):
            head.content_type = value
            head.passed.append(line + b"\r\n")
        elif what != _DROP:
            return None
    if head.length is None or end + 4 + head.length != len(data):
        return None
    head.status = 200
    return head, data[end + 4 :]


_PASS: Final = 0
_TYPE: Final = 1
_LENGTH: Final = 2
_DROP: Final = 3
_ODD: Final = 4
_TOKEN: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PLAIN: Final[dict[bytes, int]] = {}  # a header's name as it is written -> what to do with it
_NAMES_MAX: Final = 512


def _learn_name(name: bytes) -> int:
    lower = name.lower()
    what = _PASS
    if not _TOKEN.fullmatch(name) or lower in (b"transfer-encoding", b"content-encoding", b"connection", b"upgrade"):
        what = _ODD
    elif lower == b"content-length":
        what = _LENGTH
    elif lower == b"content-type":
        what = _TYPE
    elif lower in DROPPED_FROM_ENGINE:
        what = _DROP
    if len(_PLAIN) < _NAMES_MAX:
        _PLAIN[name] = what
    return what


class Listener(Protocol):
    def whole(self, head: AnswerHead, body: bytes) -> None:
        """All of it at once; nothing else is called."""

    def answered(self, head: AnswerHead) -> None: ...
    def body(self, data: bytes) -> None: ...
    def complete(self, framed: bool) -> None: ...
    def failed(self, reason: str) -> None: ...


class Link(Timed, asyncio.Protocol):
    """`reused` = it has carried a request before; `heard` = the engine has said something to the present
    one."""

    def __init__(self, wheel: Wheel, idle: Callable[[Link], None], lost: Callable[[Link], None]) -> None:
        Timed.__init__(self)
        self.reused = False
        self.heard = False
        self._wheel, self._idle, self._lost = wheel, idle, lost
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._listener: Listener | None = None
        self._head: AnswerHead | None = None
        self._head_whole = False
        self._told = False
        self._parts: list[bytes] = []
        self._whole = False
        self._keep = False
        self._empty = 0  # bytes that were neither an answer's end nor content, since the request
        self._paused = False

    @property
    def closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def send(self, data: list[bytes], listener: Listener) -> None:
        """Send one request; its answer goes to the listener."""
        assert self._transport is not None  # noqa: S101 (a link is handed out only when it is connected)
        self._listener = listener
        self._head = None
        self._empty = 0
        self.heard = self._head_whole = self._told = self._whole = False
        self._wheel.set(self, math.inf)
        self._transport.writelines(data)

    def abort(self) -> None:
        """Drop the connection at once; the engine sees it and stops its work. The listener hears nothing
        more."""
        self._listener = None
        self._parts.clear()
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Read no more: the caller is slower than the engine."""
        if self._transport is not None and not self.closing and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self.closing and self._paused:
            self._paused = False
            self._transport.resume_reading()

    def on_due(self, now: float) -> None:
        """Idle for too long."""
        if self._listener is None:
            self.abort()

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tune(transport)

    def data_received(self, data: bytes) -> None:
        if self._listener is None:  # unasked: whatever it is, it is not an answer to the next request
            self.abort()
            return
        if not self.heard and (answer := whole_answer(data)):
            listener, self._listener = self._listener, None
            self.heard = self.reused = True
            self.resume()
            self._idle(self)
            listener.whole(*answer)
            return
        self.heard = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("malformed")  # also what is longer than it says: one of both is wrong
            return
        if not self._parts and not self._whole:
            self._empty += len(data)
            if self._empty > _LIMIT_HEAD:
                self._fail("malformed")
                return
        self._deliver()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wheel.cancel(self)
        self._lost(self)
        self._parser = None  # which knows us: a connection should not wait for the collector
        head = self._head
        if self._listener is None:
            return
        if exc is None and self._head_whole and head and not head.chunked and head.length is None:
            listener, self._listener = self._listener, None
            listener.complete(False)
        else:
            self._fail("reset" if exc is not None else "closed")

    # httptools' callbacks

    def on_message_begin(self) -> None:
        if self._whole:
            raise ValueError("a second answer to one request")
        self._head, self._head_whole = AnswerHead(), False

    def on_header(self, name: bytes, value: bytes) -> None:
        head = self._head
        if head is None or self._head_whole:
            return
        head.size += len(name) + len(value)
        if head.size > _LIMIT_HEAD:
            raise ValueError("the head of the answer is too large")
        name = name.lower()
        if name == b"content-type":
            head.content_type = value.lower()
        elif name == b"content-length":
            head.length = int(value)
        elif name == b"transfer-encoding":
            if head.chunked or value.strip().lower() != b"chunked":
                raise ValueError("a transfer coding that was not asked for")
            head.chunked = True
        elif name == b"connection":
            head.named += [each.strip().lower() + b":" for each in value.split(b",")]
        elif name == b"content-encoding":
            head.encoded = value.lower() != b"identity"
        if name not in DROPPED_FROM_ENGINE:
            head.passed.append(b"%b: %b\r\n" % (name, value))

    def on_headers_complete(self) -> None:
        head = self._head
        if head is not None:
            head.status = self._parser.get_status_code()
            if not 100 <= head.status < 600 or head.status == 101 or self._parser.get_http_version() not in _VERSIONS:
                raise ValueError("no status or version of HTTP/1.1, or an upgrade that was not asked for")
            if head.named:  # for this connection only (RFC 9110 section 7.6.1)
                head.passed = [line for line in head.passed if line.partition(b" ")[0].lower() not in head.named]
            self._keep = self._parser.should_keep_alive()
            self._head_whole = True

    def on_body(self, data: bytes) -> None:
        self._parts.append(data)

    def on_message_complete(self) -> None:
        if self._head is not None and self._head.status < 200:
            self._head, self._head_whole = None, False  # 100 Continue and the like: the answer follows
            return
        self._whole = True
        self._keep = self._keep and self._parser.should_keep_alive()

    # parts of the above

    def _deliver(self) -> None:
        """What one read brought, in order. The listener may abort this link at any step."""
        listener = self._listener
        if listener is None:
            return
        if self._head_whole and self._head is not None and not self._told:
            self._told = True
            listener.answered(self._head)
        if self._parts and self._listener is listener:
            data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts.clear()
            listener.body(data)
        if self._whole and self._listener is listener:
            self._listener = None
            self.reused = True
            self.resume()
            if self._keep and not self.closing and not self._unsent():
                self._idle(self)
            else:
                self.abort()
            listener.complete(True)

    def _unsent(self) -> bool:
        """It answered before it had the request: the rest of it must not become the beginning of another."""
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    def _fail(self, reason: str) -> None:
        listener = self._listener
        self.abort()
        if listener is not None:
            listener.failed(reason)
