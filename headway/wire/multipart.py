"""The one field of a multipart/form-data body that the gateway needs: the model's name (RFC 7578).

Audio and image calls are forms. Only the small text parts before or after the file are looked at; no part is copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["boundary_of", "field", "with_field"]

_BOUNDARY = re.compile(rb'boundary=(?:"([^"\r\n]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(rb'content-disposition:[^\r\n]*?;[ \t]*name="([^"\r\n]*)"', re.IGNORECASE)
_HEAD_BYTES = 4096
_PARTS = 256


def boundary_of(content_type: bytes) -> bytes | None:
    """None when it is not multipart/form-data with a boundary."""
    kind, _, parameters = content_type.partition(b";")
    found = _BOUNDARY.search(parameters)
    if kind.strip().lower() != b"multipart/form-data" or not found:
        return None
    return found[1] or found[2]


def field(body: bytes, boundary: bytes, name: str) -> str | None:
    """The text of the first part with this name; None when there is none, or it is not UTF-8."""
    for start, end in _values(body, boundary, name.encode()):
        try:
            return body[start:end].decode()
        except UnicodeDecodeError:
            return None
    return None


def with_field(body: bytes, boundary: bytes, name: str, value: str) -> bytes:
    """The same form with another value of that part; every other byte stays."""
    for start, end in _values(body, boundary, name.encode()):
        return body[:start] + value.encode() + body[end:]
    return body


def _values(body: bytes, boundary: bytes, name: bytes) -> Iterator[tuple[int, int]]:
    """Where the values of the parts with this name begin and end."""
    mark = b"--" + boundary
    at = body.find(mark)
    for _ in range(_PARTS):
        head = at + len(mark) + 2
        if at < 0 or body[at + len(mark) : head] != b"\r\n":
            return  # the closing boundary, or none
        start = body.find(b"\r\n\r\n", head - 2, head + _HEAD_BYTES)
        end = body.find(b"\r\n" + mark, max(start + 2, head - 2))
        if start < 0 or end < 0:
            return
        found = _NAME.search(body, head - 2, start)
        if found and found[1] == name:
            yield start + 4, max(end, start + 4)
        at = end + 2
