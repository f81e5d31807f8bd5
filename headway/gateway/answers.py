"""What every answer of the gateway carries: date, request id, keep-alive, and CORS for pages of this machine
alone."""

from __future__ import annotations

import re
from email.utils import formatdate
from functools import lru_cache
from typing import Final

from headway.gateway.request import Request, new_request_id
from headway.wire.anthropic import is_messages, refusal_answer
from headway.wire.openai import Refusal

__all__ = ["JSON", "common_headers", "messages_headers", "new_request_id", "preflight_headers", "refusal"]

JSON: Final = b"content-type: application/json\r\n"

_LOOPBACK: Final = re.compile(rb"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?")
_EXPOSED: Final = (
    b"access-control-expose-headers: x-request-id, x-headway-replica, x-headway-cache, age, retry-after\r\n"
)
_METHODS: Final = b"access-control-allow-methods: GET, HEAD, POST, OPTIONS\r\n"


def common_headers(request: Request, now: float) -> bytes:
    lines = _date(int(now)) + b"x-request-id: " + request.id.encode() + b"\r\n"
    if not request.keep_alive:
        lines += b"connection: close\r\n"
    elif request.http10:
        lines += b"connection: keep-alive\r\n"
    origin = request.headers.get(b"origin")
    if origin is not None:
        lines += b"vary: origin\r\n"
        if _LOOPBACK.fullmatch(origin):
            lines += b"access-control-allow-origin: " + origin + b"\r\n"
            lines += _EXPOSED
    return lines


def preflight_headers(request: Request) -> bytes:
    """What a browser may send, if its page is from this machine; to another page nothing is allowed."""
    if not _LOOPBACK.fullmatch(request.headers.get(b"origin", b"")):
        return b""
    wanted = request.headers.get(b"access-control-request-headers", b"")[:1024]
    allowed = b"access-control-allow-headers: " + wanted + b"\r\n" if wanted else b""
    return _METHODS + allowed + b"access-control-max-age: 600\r\n"


def refusal(refusal: Refusal, request: Request) -> tuple[int, bytes, bytes]:
    """Status, headers and body, in the shape of the API that was called."""
    lines = JSON
    if refusal.retry_after is not None:
        lines += b"retry-after: %d\r\n" % refusal.retry_after
    if refusal.allow:
        lines += b"allow: " + refusal.allow.encode() + b"\r\n"
    if is_messages(request.target):
        status, body = refusal_answer(refusal, request.id)
        return status, lines + messages_headers(request), body
    return refusal.status, lines, refusal.body()


def messages_headers(request: Request) -> bytes:
    """Where Anthropic's clients look for the id."""
    return b"request-id: " + request.id.encode() + b"\r\n"


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return b"date: " + formatdate(second, usegmt=True).encode() + b"\r\n"
