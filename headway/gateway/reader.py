"""Bytes of one caller's connection in, whole requests out, within limits.

httptools (llhttp, strict) parses; this class counts. What is wrong becomes a Refusal in the same queue,
behind the requests before it, and nothing is read after it: the connection is to be closed. Strict parsing
refuses what lets two servers read one byte stream in two ways: both framings, two lengths, odd chunk sizes,
bare LF, folded headers. What it leaves to us is looked at here: headers that must not come twice, a Host that is none,
codings besides chunked, chunk extensions without end.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import httptools

from headway.gateway.request import Request, sane_request_id
from headway.gateway.settings import Settings
from headway.wire.openai import Refusal

__all__ = ["Bodies", "RequestReader"]


class Bodies:
    """The bytes of all bodies that the process holds, against their bound."""

    __slots__ = ("held", "limit")

    def __init__(self, limit: int) -> None:
        self.held, self.limit = 0, limit


_ONCE: Final = frozenset(
    (b"host", b"transfer-encoding", b"authorization", b"content-type", b"content-encoding", b"expect")
)
"""Headers of which two are ambiguous: who stands before us may read the other one (RFC 9110 section 5.3). The parser
refuses a second Content-Length."""
_HOST: Final = re.compile(rb"(?:[\w.~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?", re.ASCII)


@lru_cache(maxsize=64)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value.strip(b" \t")) is not None and b"," not in value


class _Stop(Exception):
    """Leaves the parser's callbacks; the Refusal is in `reader.refusal`."""


class RequestReader:
    def __init__(self, settings: Settings, bodies: Bodies, time: Callable[[], float]) -> None:
        self.ready: deque[Request | Refusal] = deque()
        self.stopped = False
        self.continue_due = False  # the caller waits for `100 Continue` before it sends its body
        self._settings, self._bodies, self._time = settings, bodies, time
        self._parser: Any = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._in_head = False
        self._head_size = self._lines = 0
        self._held = 0
        self._size_before = self._idle_bytes = 0  # of a body that comes in several reads
        self._refusal: Refusal | None = None
        self._refused = b""  # the target of what was
        self._resuming: bytes | None = None

    @property
    def in_head(self) -> bool:
        """A head has begun and is not whole."""
        return self._in_head

    @property
    def in_body(self) -> bool:
        """A head is whole and its body is not."""
        return self._request is not None and not self._in_head

    @property
    def body_since(self) -> float:
        """When the head of the request that is being read was whole."""
        return self._request.accepted if self._request else 0.0

    @property
    def body_size(self) -> int:
        """Bytes of it that have come."""
        return self._request.size if self._request else 0

    @property
    def target(self) -> bytes:
        """Of the request that is being read, or was refused, as far as it was read."""
        return self._request.target if self._request else self._refused

    def feed(self, data: bytes) -> None:
        if self.stopped:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._stop(self._refusal or _malformed(error))
        else:
            if self._in_head:
                self._head_size += len(data)
                self._check_partial_head()
            elif self._request is not None:
                self._check_partial_body(self._request.size, len(data))

    def release(self, size: int) -> None:
        """A request ended: its body is no longer held."""
        self._held -= size
        self._bodies.held -= size

    def close(self) -> None:
        """Nothing is read any more. The parser knows us: a connection should not wait for the collector."""
        self.stopped = True
        self._parser = None
        self.release(self._held)
        self.ready.clear()

    # httptools' callbacks

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_size = self._lines = 0
        if self._resuming is None:
            if len(self.ready) >= self._settings.pipelined_max:
                self._refuse(Refusal(400, "too_many_pipelined", "Too many requests were sent at once."))
            self._request = Request()

    def on_url(self, part: bytes) -> None:
        if self._request is None or self._resuming is not None:
            return
        self._request.target += part
        if len(self._request.target) > self._settings.target_bytes:
            self._refuse(_too_long_target(self._settings))

    def on_header(self, name: bytes, value: bytes) -> None:
        request = self._request
        if request is None or not self._in_head or self._resuming is not None:
            if request is not None and not self._in_head and name.lower() == b"connection":
                self._refuse(Refusal(400, "bad_request", "Connection cannot be a trailer."))  # the parser would obey it
            return  # a trailer, or the second reading of a head
        self._head_size += len(name) + len(value) + 4
        self._lines += 1
        if self._head_size > self._settings.head_bytes or self._lines > self._settings.headers_max:
            self._refuse(_too_long_head(self._settings))
        name = name.lower()
        if name in request.headers:
            value = self._repeated(name, request.headers[name], value)
        request.headers[name] = value

    def on_headers_complete(self) -> None:
        request = self._request
        if request is None:
            return
        self._in_head = False
        if self._resuming is not None:
            self._resuming = None
            return
        self._size_before, self._idle_bytes = -1, 0
        request.method = self._parser.get_method().decode("latin-1")
        request.accepted = self._time()
        request.id = sane_request_id(request.headers.get(b"x-request-id"))
        request.keep_alive = self._parser.should_keep_alive()
        version = self._parser.get_http_version()
        request.http10 = version == "1.0"
        if refusal := self._check_head(request, version):
            self._refuse(refusal)
        if self._parser.should_upgrade():
            self._resuming = _head_again(request)

    def on_body(self, part: bytes) -> None:
        request = self._request
        if request is None:
            return
        self._held += len(part)
        self._bodies.held += len(part)
        request.size += len(part)
        request.parts.append(part)
        if request.size > self._settings.body_bytes:
            self._refuse(_too_large(self._settings))
        if self._bodies.held > self._bodies.limit:
            self._refuse(Refusal(503, "overloaded", "The gateway holds too many bodies now.", retry_after=1))

    def on_message_complete(self) -> None:
        if self._request is None or self._resuming is not None:
            return
        self.ready.append(self._request)
        self._request = None
        self.continue_due = False

    # parts of the above

    def _repeated(self, name: bytes, before: bytes, value: bytes) -> bytes:
        """Two lines of one name: the later counts, but where that would change what is said."""
        if name in _ONCE:
            self._refuse(Refusal(400, "bad_request", f"There are two {name.decode().title()} headers."))
        if name == b"tracestate":
            return before + b"," + value
        return b"" if name == b"traceparent" else value  # with two of them there is no telling which

    def _check_head(self, request: Request, version: str) -> Refusal | None:
        headers = request.headers
        if request.method == "CONNECT":
            return Refusal(405, "method_not_allowed", "This is no proxy.", allow="GET, HEAD, POST, OPTIONS")
        if version not in ("1.0", "1.1"):
            return Refusal(505, "http_version", "Use HTTP/1.1.")
        host = headers.get(b"host")
        if host is None and not request.http10:
            return Refusal(400, "bad_request", "The Host header is missing.")
        if host is not None and not _is_host(host):
            return Refusal(400, "bad_request", "The Host header is none.")
        return self._check_body_headers(request)

    def _check_body_headers(self, request: Request) -> Refusal | None:
        headers = request.headers
        coding = headers.get(b"transfer-encoding")
        if coding is not None and (request.http10 or coding.lower() != b"chunked"):
            message = "The only Transfer-Encoding that is read is chunked, in HTTP/1.1."
            return Refusal(400, "bad_request", message)
        length = headers.get(b"content-length", b"0")
        if len(length) > 18 or int(length) > self._settings.body_bytes:
            return _too_large(self._settings)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return Refusal(415, "unsupported_encoding", "Send the body without Content-Encoding.")
        expect = headers.get(b"expect")
        if expect is not None and expect.lower() != b"100-continue":
            return Refusal(417, "expectation_failed", "The only Expect that is known is 100-continue.")
        self.continue_due = expect is not None and not request.http10 and (coding is not None or length != b"0")
        return None

    def _check_partial_head(self) -> None:
        if self._head_size > self._settings.head_bytes:
            whole = self._request is not None and bool(self._request.headers)
            self._stop(_too_long_head(self._settings) if whole else _too_long_target(self._settings))

    def _check_partial_body(self, size: int, read: int) -> None:
        """Chunk extensions and trailers are read and dropped: they must not go on for ever."""
        self._idle_bytes = 0 if size != self._size_before else self._idle_bytes + read
        self._size_before = size
        if self._idle_bytes > self._settings.head_bytes:
            self._stop(Refusal(400, "bad_request", "The body brings chunk extensions or trailers and no content."))

    def _ignore_upgrade(self, rest: bytes) -> None:
        """A server may ignore `Upgrade` (Java's client sends `h2c` with every first request); llhttp stops
        there.

        So a new parser reads the same head without it, and then the rest.
        """
        self._parser = httptools.HttpRequestParser(self)
        self.feed((self._resuming or b"") + rest)

    def _refuse(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise _Stop

    def _stop(self, refusal: Refusal) -> None:
        self.stopped = True
        self._in_head = False
        self.continue_due = False
        if self._request is not None:
            self.release(self._request.size)
            self._refused = self._request.target
            self._request = None
        self.ready.append(refusal)


def _head_again(request: Request) -> bytes:
    """A head that frames the body of `request` and says nothing else."""
    framing = b"".join(
        name + b": " + request.headers[name] + b"\r\n"
        for name in (b"content-length", b"transfer-encoding")
        if name in request.headers
    )
    close = b"" if request.keep_alive else b"connection: close\r\n"
    return request.method.encode() + b" / HTTP/1.1\r\n" + framing + close + b"\r\n"


def _malformed(error: httptools.HttpParserError) -> Refusal:
    return Refusal(400, "bad_request", f"This is not valid HTTP/1.1: {error}.")


def _too_long_target(settings: Settings) -> Refusal:
    return Refusal(414, "uri_too_long", f"The request target is longer than {settings.target_bytes} bytes.")


def _too_long_head(settings: Settings) -> Refusal:
    most = f"{settings.head_bytes} bytes or {settings.headers_max} lines"
    return Refusal(431, "headers_too_large", f"The headers are larger than {most}.")


def _too_large(settings: Settings) -> Refusal:
    limit = settings.body_bytes
    most = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit} bytes"
    return Refusal(413, "request_too_large", f"The body is larger than {most}.")
