"""HTTP/1.1 heads as bytes: what is written to callers and engines, and what may pass from one to the other.

Reading is httptools' work; this module only builds heads and holds the lists of header names. Header blocks
are lines that each end in CRLF, without the empty line, so that they can be joined.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import unquote_to_bytes

__all__ = ["DROPPED_FROM_ENGINE", "chunk", "header", "response_head", "split_target"]

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}

DROPPED_FROM_ENGINE: Final = frozenset(
    (
        # hop by hop (RFC 9110 section 7.6.1), and the framing, which the gateway makes anew
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"content-length",
        # said by the gateway in its own words
        b"server",
        b"date",
        b"x-request-id",
        b"x-headway-replica",
        b"x-headway-cache",
        # between the engine's host and a browser, which the gateway's address is not
        b"access-control-allow-origin",
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-expose-headers",
        b"access-control-max-age",
        b"alt-svc",
        b"set-cookie",
        b"strict-transport-security",
    )
)
"""Headers of an engine's answer that the caller never sees."""


def header(name: str, value: str) -> bytes:
    """One header line. Characters that a header cannot hold become `?`."""
    clean = value if value.isprintable() else "".join(c if c.isprintable() else "?" for c in value)
    return f"{name}: {clean}\r\n".encode("latin-1", "replace")


def response_head(status: int, headers: bytes) -> bytes:
    """The head of an answer, the empty line included."""
    line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()
    return line + headers + b"\r\n"


def chunk(data: bytes) -> bytes:
    """`data` (not empty) as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def split_target(target: bytes) -> tuple[str, str]:
    """The percent-decoded path and the raw query of a request target in origin or absolute form, or `*`.

    Raises ValueError for any other form, or a path that is not UTF-8.
    """
    if target == b"*":
        return "*", ""
    if not target.startswith(b"/"):
        scheme, found, rest = target.partition(b"://")
        if not found or scheme.lower() not in (b"http", b"https"):
            raise ValueError("the request target is neither a path nor an http URL")
        authority, slash, path = rest.partition(b"/")
        if not slash:
            _, mark, query = authority.partition(b"?")
            path = mark + query
        target = b"/" + path
    path, _, query = target.partition(b"#")[0].partition(b"?")
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path.decode(), query.decode("latin-1")
