"""An HTTP/1.1 answer taken out of what a connection reads: its head, its body's bytes, its end.

Hand-written because it is the hot path of the generator: most reads of a stream are one whole chunk, and that costs one
search and one slice. Whatever is not plainly right (RFC 9112) is Malformed, never guessed.
"""

from __future__ import annotations

from typing import Final

__all__ = ["Framing", "Head", "Malformed"]

_MOST: Final = 64 * 1024
"""Bytes of a head, of a chunk's first line, of trailers."""
_LINE: Final = 18
"""Where a chunk's plain first line ends at the latest: 16 hexadecimal digits and CRLF."""


class Malformed(Exception):
    """It is no HTTP/1.1 answer; the text says why."""


class Head:
    """`length` None: the body is chunked, or ends with the connection. `retry_after` is as the server wrote it."""

    __slots__ = ("chunked", "keep", "length", "replica", "request_id", "retry_after", "status", "stays", "streams")

    def __init__(self, block: bytes) -> None:
        if not block.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) or not block[9:12].isdigit():
            raise Malformed(f"no HTTP/1.1: {block[:40]!r}")
        lower = block.lower()
        self.status = int(block[9:12])
        self.chunked = self._is_chunked(lower)
        length = _value(lower, lower, b"content-length")
        if length and not (length.isdigit() and len(length) < 19):
            raise Malformed(f"content-length: {length[:40]!r}")
        self.length = int(length) if length and not self.chunked else None
        if self.status in (204, 304):
            self.length, self.chunked = 0, False
        connection = _value(lower, lower, b"connection")
        self.keep = b"close" not in connection and (block[7] == ord("1") or b"keep-alive" in connection)
        self.streams = _value(lower, lower, b"content-type").startswith(b"text/event-stream")
        self.request_id = _value(block, lower, b"x-request-id").decode("latin-1")
        self.replica = _value(block, lower, b"x-headway-replica").decode("latin-1")
        self.retry_after = _value(block, lower, b"retry-after").decode("latin-1")
        self.stays = _stays(_value(lower, lower, b"keep-alive"))
        if _value(lower, lower, b"content-encoding") not in (b"", b"identity"):
            raise Malformed("the answer is compressed, which was not asked for")

    @staticmethod
    def _is_chunked(lower: bytes) -> bool:
        coding = _value(lower, lower, b"transfer-encoding")
        if coding not in (b"", b"chunked"):
            raise Malformed(f"transfer-encoding: {coding[:40]!r}")
        return bool(coding)


def _value(block: bytes, lower: bytes, name: bytes) -> bytes:
    at = lower.find(b"\r\n%b:" % name)
    if at < 0:
        return b""
    at += len(name) + 3
    end = block.find(b"\r\n", at)
    return block[at : end if end >= 0 else None].strip()


def _stays(value: bytes) -> float | None:
    """Seconds that the server keeps an idle connection, if it says (`Keep-Alive: timeout=5`)."""
    _, found, seconds = value.partition(b"timeout=")
    seconds = seconds.partition(b",")[0].strip()
    return float(seconds) if found and seconds.isdigit() and len(seconds) < 9 else None


class Framing:
    """One answer. `head` is there when it has come whole; `whole` = so has the body; `extra` = there was more after it;
    `open_ended` = only the connection's end tells the body's."""

    __slots__ = ("_last", "_left", "_rest", "extra", "head", "open_ended", "whole")

    def __init__(self) -> None:
        self.head: Head | None = None
        self.whole = self.extra = self.open_ended = False
        self._rest = b""
        self._left = 0  # of the body, or of the chunk under way with its CRLF
        self._last = False  # trailers follow

    def feed(self, data: bytes) -> bytes:
        """The body's bytes among `data`. Raises Malformed."""
        if self.head is None:
            data = self._find_head(data)
            if self.head is None:
                return b""
        elif self.head.chunked and not self._left and not self._rest:  # most of a stream: a read is a chunk
            end = data.find(b"\r\n", 1, _LINE)
            if end > 0:
                size = _SIZES.get(data[:end]) or _learn_size(data[:end])
                if size and len(data) == end + size + 4 and data.endswith(b"\r\n"):
                    return data[end + 2 : -2]
        if self.head.chunked:
            return self._chunks(data)
        if self.open_ended:
            return data
        self._left -= len(data)
        if self._left <= 0:
            self.whole, self.extra = True, self._left < 0
            return data[: self._left] if self._left else data
        return data

    def _find_head(self, data: bytes) -> bytes:
        """What comes after the head, once that is whole."""
        data = self._rest + data
        while (end := data.find(b"\r\n\r\n", 0, _MOST)) >= 0:
            head = Head(data[:end])
            data = data[end + 4 :]
            if head.status == 101:
                raise Malformed("it changes the protocol, which was not asked for")
            if head.status >= 200:
                self.head, self._rest, self._left = head, b"", head.length or 0
                self.open_ended = head.length is None and not head.chunked
                return data
        if len(data) > _MOST:
            raise Malformed("the head of the answer does not end")
        self._rest = data
        return b""

    def _chunks(self, data: bytes) -> bytes:
        data = self._rest + data
        self._rest, at = b"", 0
        parts: list[bytes] = []
        while at < len(data) and not self.whole:
            if self._left:
                at = self._in_chunk(data, at, parts)
                continue
            end = data.find(b"\r\n", at, at + _MOST)
            if end < 0:
                if len(data) - at >= _MOST:
                    raise Malformed("a chunk's first line does not end")
                self._rest = data[at:]
                return b"".join(parts)
            self._line(data[at:end])
            at = end + 2
        self.extra = self.whole and at < len(data)
        return b"".join(parts)

    def _in_chunk(self, data: bytes, at: int, parts: list[bytes]) -> int:
        """What there is of the chunk under way; its last two bytes are CRLF."""
        end = min(len(data), at + self._left)
        inner = min(end, at + self._left - 2)
        if inner > at:
            parts.append(data[at:inner])
        else:
            inner = at
        self._left -= end - at
        closing = data[inner:end]
        if closing and closing != b"\r\n"[2 - self._left - len(closing) : 2 - self._left]:
            raise Malformed("a chunk is longer than it said")
        return end

    def _line(self, line: bytes) -> None:
        """A chunk's size, or a trailer."""
        if self._last:
            self.whole = not line
            return
        size = _hexadecimal(line.partition(b";")[0].rstrip(b" \t"))
        if size is None:
            raise Malformed(f"a chunk's size: {line[:40]!r}")
        self._left, self._last = (size + 2, False) if size else (0, True)


_SIZES: Final[dict[bytes, int]] = {}  # what a chunk's first line says; a stream's are few
_MOST_SIZES: Final = 4096


def _learn_size(text: bytes) -> int | None:
    size = _hexadecimal(text)
    if size and len(_SIZES) < _MOST_SIZES:
        _SIZES[text] = size
    return size


def _hexadecimal(text: bytes) -> int | None:
    """Python's own reading would let signs, spaces and underscores pass."""
    if not text.isalnum() or len(text) > 16 or b"x" in text or b"X" in text:
        return None
    try:
        return int(text, 16)
    except ValueError:
        return None
