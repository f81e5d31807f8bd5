"""HTTP/1.1 as the mock engine speaks it: an Exchange for each request, a Caller for each connection.

No task and no timer for a request: callbacks only. A caller that leaves ends the work that was done for it. One that
reads slowly is written to when it has read (`drained`); nothing piles up meanwhile but a count of tokens.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import httptools
import msgspec

from headway.wire.http import chunk, response_head

__all__ = ["Caller", "Exchange"]

LONGEST_BODY = 64 << 20
MOST_PIPELINED = 32
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_KEPT_HEADERS = (b"x-mock-fault", b"x-mock-script", b"x-request-id", b"expect")


def _nothing() -> None:
    """Nobody waits for this."""


class Exchange:
    """One request and the writing of its answer.

    Times are monotonic seconds: `came`, when its first byte was read; `since`, from when the engine's times for it
    count (later, when it waited for its turn on the connection); `first` and `last`, when tokens were written.
    """

    __slots__ = (
        "_caller",
        "_rest",
        "begun",
        "body",
        "came",
        "drained",
        "ended",
        "first",
        "headers",
        "keep_alive",
        "last",
        "left",
        "method",
        "path",
        "query",
        "since",
        "status",
        "tokens",
    )

    def __init__(self, caller: Caller, came: float) -> None:
        self._caller = caller
        self._rest = b""  # of an event that was begun before its time
        self.method = self.path = self.query = ""
        self.headers: dict[bytes, str] = {}
        self.body = b""
        self.keep_alive = True
        self.begun = False
        self.came = self.since = came
        self.first: float | None = None
        self.last: float | None = None
        self.tokens = self.status = 0
        self.left = _nothing  # called when the caller has gone before the answer was done
        self.drained = _nothing  # called when the caller has read what was written
        self.ended: Callable[[], None] = _nothing  # called at the end, whatever that was

    @property
    def writable(self) -> bool:
        return self._caller.writable

    @property
    def answering(self) -> bool:
        """Whether its answer is still being written, and somebody is there to read it."""
        return self._caller.turn is self

    def decoded(self) -> Any:
        """The body as JSON. Raises msgspec.DecodeError."""
        return msgspec.json.decode(self.body)

    def json(self, value: Any, status: int = 200) -> None:
        self.send(status, "application/json", msgspec.json.encode(value))

    def error(self, status: int, message: str, kind: str, retry_after: str = "") -> None:
        more = f"retry-after: {retry_after}\r\n".encode() if retry_after else b""
        body = {"error": {"message": message, "type": kind, "param": None, "code": status}}
        self.send(status, "application/json", msgspec.json.encode(body), more)

    def send(self, status: int, content_type: str, body: bytes, more: bytes = b"") -> None:
        self.write(self._head(status, content_type, b"content-length: %d\r\n" % len(body) + more) + body)
        self.done()

    def write(self, data: bytes) -> None:
        self.begun = True
        self._caller.transport.write(data)

    def told(self, tokens: int) -> None:
        """Now its answer has so many tokens."""
        self.last = time.monotonic()
        if self.first is None:
            self.first = self.last
        self.tokens = tokens

    def events(self, events: bytes, *, last: bool = False) -> None:
        """The rest of the event that was begun, and whole events of a stream, in one write; the first brings the head
        along, the last one the end."""
        data = self._rest + chunk(events) if events else self._rest
        self._rest = b""
        self._stream(data + b"0\r\n\r\n" if last else data)
        if last:
            self.done()

    def begin_event(self, event: bytes, cut: int) -> None:
        """The first `cut` bytes of an event whose time has not come."""
        whole = chunk(event)
        cut += len(whole) - len(event) - 2  # the chunk's size stands before it, a CRLF behind
        self._rest = whole[cut:]
        self._stream(whole[:cut])

    def _stream(self, data: bytes) -> None:
        if not self.begun:
            data = self._head(200, "text/event-stream; charset=utf-8", b"transfer-encoding: chunked\r\n") + data
        self.write(data)

    def cut_short(self, body: bytes) -> None:
        """The head of a whole answer, and half of it."""
        self.write(self._head(200, "application/json", b"content-length: %d\r\n" % len(body)) + body[: len(body) // 2])

    def half_close(self) -> None:
        """No more will be written; the connection stays until the caller closes it."""
        self.left = self.drained = _nothing
        self._caller.half_close()

    def reset(self) -> None:
        """The connection breaks, as when the machine dies."""
        self.left = self.drained = _nothing
        self._caller.reset()
        self._end()

    def done(self) -> None:
        self.left = self.drained = _nothing
        self._end()
        self._caller.next_turn(self)

    def lost(self) -> None:
        """The connection is no more."""
        self.left()
        self._end()

    def _end(self) -> None:
        ended, self.ended = self.ended, _nothing
        ended()

    def _head(self, status: int, content_type: str, more: bytes) -> bytes:
        self.status = status
        connection = b"" if self.keep_alive else b"connection: close\r\n"
        return response_head(status, b"content-type: %b\r\n%b%b" % (content_type.encode(), more, connection))


class Caller(asyncio.Protocol):
    """One connection. A request at a time; pipelined ones wait for their turn, so many of them."""

    def __init__(self, answer: Callable[[Exchange], None], fault: Callable[[str], None]) -> None:
        self._answer, self._fault = answer, fault
        self._parser = httptools.HttpRequestParser(self)
        self.writable = True
        self._half_closed = False
        self._url: list[bytes] = []
        self._body: list[bytes] = []
        self._size = 0
        self._now = time.monotonic()  # when the bytes came that are being read
        self._read = Exchange(self, self._now)
        self.turn: Exchange | None = None
        self._queue: deque[Exchange] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def connection_lost(self, exc: Exception | None) -> None:
        self._queue.clear()
        turn, self.turn = self.turn, None
        if turn is not None:
            turn.lost()

    def data_received(self, data: bytes) -> None:
        if self._half_closed:
            return
        self._now = time.monotonic()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._refuse(400, f"this is no HTTP/1.1: {error}")

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True
        if self.turn is not None:
            self.turn.drained()

    def on_message_begin(self) -> None:
        self._read = Exchange(self, self._now)
        self._url, self._body, self._size = [], [], 0

    def on_url(self, url: bytes) -> None:
        self._url.append(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if (name := name.lower()) in _KEPT_HEADERS:
            self._read.headers[name] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._read.headers.get(b"expect", "").lower() == "100-continue" and self.turn is None:
            self.transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > LONGEST_BODY:
            self._refuse(413, f"the body is longer than {LONGEST_BODY} bytes")
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self.transport.is_closing():
            return
        read = self._read
        read.method = self._parser.get_method().decode()
        read.path, _, read.query = b"".join(self._url).decode("latin-1").partition("?")
        read.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        read.keep_alive = self._parser.should_keep_alive()
        self._queue.append(read)
        if len(self._queue) > MOST_PIPELINED:
            self.transport.pause_reading()
        if self.turn is None:
            self._take_turn()

    def next_turn(self, done: Exchange) -> None:
        """The answer is written; the next request, if one waits."""
        if self.turn is not done:
            return
        self.turn = None
        if not done.keep_alive:
            self.transport.close()
        elif self._queue:
            self._queue[0].since = time.monotonic()
            asyncio.get_running_loop().call_soon(self._take_turn)

    def half_close(self) -> None:
        self._half_closed = True
        if not self.transport.is_closing():
            self.transport.write_eof()

    def reset(self) -> None:
        self.turn = None
        plug = self.transport.get_extra_info("socket")
        if plug is not None and plug.family in (socket.AF_INET, socket.AF_INET6):
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _take_turn(self) -> None:
        if self.turn is not None or not self._queue or self.transport.is_closing():
            return
        turn = self.turn = self._queue.popleft()
        if len(self._queue) == MOST_PIPELINED:
            self.transport.resume_reading()
        try:
            self._answer(turn)
        except Exception as error:
            self._fault(f"error: {turn.method} {turn.path}: {error!r}")
            self.transport.abort()
            raise

    def _refuse(self, status: int, message: str) -> None:
        """What was read cannot be answered. Within another answer there is no place to say so."""
        if self.turn is None and not self.transport.is_closing():
            refused = Exchange(self, self._now)
            refused.keep_alive = False
            refused.error(status, message, "invalid_request_error")
        self.transport.close()
