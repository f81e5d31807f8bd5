"""W3C Trace Context: `traceparent` and `tracestate`, read as the recommendation says and written for the next one.

What is not valid is as if it were not there. A version that is not known yet is read as far as version 00 goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["TraceContext", "read_context", "write_context"]

MOST_MEMBERS = 32
MOST_STATE_BYTES = 8192
"""The recommendation asks to pass on at least 512; a head may have 32 KiB in all."""
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_KEY = rb"(?:[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}|[a-z][a-z0-9_\-*/]{0,255})"
_MEMBER = re.compile(rb"(" + _KEY + rb")=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Ids in hex, as they are written. `parent` is the caller's span."""

    trace: str
    parent: str
    sampled: bool
    state: bytes = b""


def read_context(parent: bytes, state: bytes = b"") -> TraceContext | None:
    """None = there is no trace to go on with. A `state` that is not valid is dropped, the trace is not."""
    found = _PARENT.fullmatch(parent.strip(b" \t"))
    if found is None:
        return None
    version, trace, span, flags, rest = found.groups()
    if version == b"ff" or (version == b"00" and rest) or not trace.strip(b"0") or not span.strip(b"0"):
        return None
    sampled = bool(int(flags, 16) & _SAMPLED)
    return TraceContext(trace.decode(), span.decode(), sampled, state if _is_state(state) else b"")


def write_context(trace: str, span: str, *, sampled: bool, state: bytes = b"") -> bytes:
    """Header lines."""
    lines = b"traceparent: 00-%b-%b-%02x\r\n" % (trace.encode(), span.encode(), sampled)
    return lines + b"tracestate: " + state + b"\r\n" if state else lines


def _is_state(state: bytes) -> bool:
    members = [each.strip(b" \t") for each in state.split(b",")]
    members = [each for each in members if each]
    if not members or len(members) > MOST_MEMBERS or len(state) > MOST_STATE_BYTES:
        return False
    keys = [found[1] for each in members if (found := _MEMBER.fullmatch(each))]
    return len(keys) == len(members) and len(set(keys)) == len(keys)
