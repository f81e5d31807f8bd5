"""Refusals of the gateway and errors of engines in Anthropic's shape.

The shape is `{"type": "error", "error": {"type", "message", "details": {"error_code"}}, "request_id"}`; `error_code` is
the gateway's own code (docs/errors.md).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from headway.wire.openai import Refusal

__all__ = ["code_kind", "engine_error", "error_object", "is_messages", "refusal_answer", "told"]

PATH = b"/v1/messages"
_KINDS = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OVERLOADED = ("queue_full", "overloaded")
"""503 elsewhere; Anthropic's word for a service that has too much to do is 529, and its clients know it."""
_TOO_LONG = re.compile(r"exceed_context_size|context (?:length|size|window)", re.IGNORECASE)


def is_messages(target: bytes) -> bool:
    """Whether a request target is of this API."""
    return target.startswith(PATH) and target[len(PATH) : len(PATH) + 1] in (b"", b"/", b"?")


def kind(status: int) -> str:
    """Anthropic's `type` of a status."""
    return _KINDS.get(status) or ("invalid_request_error" if status < 500 else "api_error")


def code_kind(code: object) -> str:
    """The same of an error within a stream, whose status was 200."""
    if code == "deadline_exceeded":
        return "timeout_error"
    if isinstance(code, int) and not isinstance(code, bool):
        return kind(code)
    return "overloaded_error" if code in _OVERLOADED else "api_error"


def error_object(kind: str, message: str, request_id: str, code: str = "") -> dict[str, Any]:
    error: dict[str, Any] = {"type": kind, "message": message}
    if code:
        error["details"] = {"error_code": code}
    return {"type": "error", "error": error, "request_id": request_id}


def refusal_answer(refusal: Refusal, request_id: str) -> tuple[int, bytes]:
    """Status and body."""
    status = 529 if refusal.code in _OVERLOADED else refusal.status
    return status, msgspec.json.encode(error_object(kind(status), refusal.message, request_id, refusal.code))


class _Error(msgspec.Struct):
    message: str
    type: str | None = None
    code: Any = None


class _ErrorBody(msgspec.Struct):
    error: _Error


def engine_error(status: int, body: bytes, request_id: str) -> bytes:
    """An engine's own words, or the gateway's of an engine, in OpenAI's shape."""
    try:
        error = msgspec.json.decode(body, type=_ErrorBody).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = _Error(body[:500].decode("utf-8", "replace") or f"The engine answered with status {status}.")
    text, code = told(error.message, error.type), error.code if isinstance(error.code, str) else "engine_error"
    return msgspec.json.encode(error_object(kind(status), text, request_id, code))


def told(message: str, kind: str | None = None) -> str:
    """Programs know by these words that a conversation must be made shorter."""
    too_long = _TOO_LONG.search(kind or "") or _TOO_LONG.search(message)
    return f"prompt is too long: {message}" if too_long else message
