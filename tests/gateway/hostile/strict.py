"""A second opinion on what a stream of bytes says: RFC 9112 sections 2 to 7, read by the letter and nothing else.

It shares no code with the gateway: what it finds in some bytes is what may reach an engine, to the byte and in order.
Where the RFC lets a server be lenient (blank lines before a request, more than one space in its first line) it is as
lenient as the gateway says it is; where the RFC lets a server refuse (Content-Length beside Transfer-Encoding, codings
besides chunked, lists of lengths) it refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

__all__ = ["Ending", "Read", "read"]

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE = re.compile(rb"(" + _TOKEN + rb") +([\x21-\x7e]+) +(?:HTTP|RTSP|ICE)/1\.([01])")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_TARGET = re.compile(rb"/[!-~]*|\*|[A-Za-z]+://[A-Za-z0-9.%_~!$&'()+,;=:@\[\]*-]*(?:[/?][!-~]*)?")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
_CHUNK = re.compile(rb"([0-9A-Fa-f]+)((?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*)")
_METHODS = b"GET HEAD POST PUT DELETE OPTIONS TRACE PATCH".split()
_ONCE = (b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type", b"expect")
TARGET_BYTES, HEAD_BYTES, LINES, BODY_BYTES = 8192, 32768, 128, 32 * 2**20
IDLE_BYTES = 2**19  # chunk extensions and trailers: certainly too many (one read of a socket is less)


class Ending(Enum):
    """Why no further request was found."""

    NOTHING_LEFT = "nothing left"
    INCOMPLETE = "incomplete, or too early to tell"
    CLOSED = "the last request closes the connection"
    REFUSED = "what follows is no request"


@dataclass(frozen=True)
class Read:
    method: bytes
    target: bytes
    body: bytes
    host: bytes = b""


class _Refused(Exception):
    pass


class _Incomplete(Exception):
    pass


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def line(self) -> bytes:
        end = self.data.find(b"\r\n", self.at)
        if end < 0:
            raise _Incomplete
        line, self.at = self.data[self.at : end], end + 2
        if len(line) > IDLE_BYTES:
            raise _Refused
        return line

    def take(self, count: int) -> bytes:
        if len(self.data) - self.at < count:
            raise _Incomplete
        taken, self.at = self.data[self.at : self.at + count], self.at + count
        return taken


def read(data: bytes) -> tuple[list[Read], Ending]:
    """The requests that these bytes certainly are, and why there is no further one."""
    found: list[Read] = []
    cursor = _Cursor(data)
    try:
        for request, closes in _requests(cursor):
            found.append(request)
            if closes:
                return found, Ending.CLOSED
    except _Refused:
        return found, Ending.REFUSED
    except _Incomplete:
        return found, Ending.INCOMPLETE
    return found, Ending.NOTHING_LEFT


def _requests(cursor: _Cursor) -> Iterator[tuple[Read, bool]]:
    while True:
        while cursor.data[cursor.at : cursor.at + 1] in (b"\r", b"\n"):
            cursor.at += 1
        if cursor.at == len(cursor.data):
            return
        began = cursor.at
        match = _LINE.fullmatch(cursor.line())
        if not match or not _TARGET.fullmatch(match[2]) or match[1] not in _METHODS:
            raise _Refused
        old = match[3] == b"0"
        fields = _fields(cursor)
        _check(match[2], fields, old=old, size=cursor.at - began)
        host = dict(fields).get(b"host", b"").strip(b" \t")
        yield Read(match[1], match[2], _body(cursor, fields), host), _closes(fields, old=old)


def _fields(cursor: _Cursor) -> list[tuple[bytes, bytes]]:
    fields = []
    began = cursor.at
    while line := cursor.line():
        match = _FIELD.fullmatch(line)
        if not match:
            raise _Refused
        if match[1].lower() == b"transfer-encoding" and line[-1:] in b" \t":
            raise _Refused  # nobody writes it so but who wants it to be read in two ways
        fields.append((match[1].lower(), match[2]))
    if cursor.at - began > IDLE_BYTES:
        raise _Refused
    return fields


def _check(target: bytes, fields: list[tuple[bytes, bytes]], *, old: bool, size: int) -> None:
    named = dict(fields)
    names = [name for name, _ in fields]
    once = all(names.count(name) <= 1 for name in _ONCE)
    host = named.get(b"host")
    if not once or (host is None and not old) or (host is not None and not _HOST.fullmatch(host)):
        raise _Refused
    if len(target) > TARGET_BYTES or size > HEAD_BYTES or len(fields) > LINES:
        raise _Refused
    length, coding = named.get(b"content-length"), named.get(b"transfer-encoding")
    if coding is not None and (length is not None or old or coding.lower() != b"chunked"):
        raise _Refused
    if length is not None and (not re.fullmatch(rb"[0-9]{1,18}", length) or int(length) > BODY_BYTES):
        raise _Refused
    if named.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise _Refused
    if named.get(b"content-encoding", b"identity").lower() != b"identity":
        raise _Refused


def _body(cursor: _Cursor, fields: list[tuple[bytes, bytes]]) -> bytes:
    named = dict(fields)
    if b"transfer-encoding" not in named:
        return cursor.take(int(named.get(b"content-length", b"0")))
    body = b""
    while True:
        match = _CHUNK.fullmatch(cursor.line())
        if not match or int(match[1], 16) >= 2**64:
            raise _Refused
        if not (size := int(match[1], 16)):
            break
        if size > BODY_BYTES:
            raise _Incomplete  # it is refused when so much has come
        body += cursor.take(size)
        if cursor.take(2) != b"\r\n":
            raise _Refused
    if any(name in (b"transfer-encoding", b"content-length", b"connection") for name, _ in _fields(cursor)):
        raise _Refused
    return body


def _closes(fields: list[tuple[bytes, bytes]], *, old: bool) -> bool:
    said = b",".join(value for name, value in fields if name in (b"connection", b"proxy-connection")).lower()
    options = [option.strip(b" \t") for option in said.split(b",")]
    return b"close" in options or (old and b"keep-alive" not in options)
