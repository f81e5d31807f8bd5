"""One worker's part in traces: which requests are traced, and the ids under which engines go on with them.

The caller decides for its own traces (the sampled flag); of the others a fraction is drawn when the first byte goes to
an engine. Spans are made in the hub, from the Record of a request that has ended: here it costs two random numbers.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

from headway.gateway.record import Trace
from headway.wire.calls import Call, TextCall
from headway.wire.trace_context import TraceContext, read_context, write_context

if TYPE_CHECKING:
    from headway.gateway.record import Attempt

__all__ = ["Tracer", "Tracing", "caller_context"]

_RANDOM = random.Random(os.urandom(32))  # noqa: S311 (ids are unlike, not secret)


def caller_context(headers: Mapping[bytes, bytes]) -> TraceContext | None:
    parent = headers.get(b"traceparent")
    return read_context(parent, headers.get(b"tracestate", b"")) if parent else None


class Tracing:
    """One request in its trace. `span` is the request's own."""

    __slots__ = ("_context", "sampled", "span", "trace")

    def __init__(self, context: TraceContext | None, fraction: float) -> None:
        self._context = context
        self.trace = context.trace if context else f"{_RANDOM.getrandbits(128) or 1:032x}"
        self.span = _span()
        self.sampled = context.sampled if context else _RANDOM.random() < fraction

    def lines(self, attempt: Attempt) -> bytes:
        """What the engine gets: a span of its own, as which this try is told."""
        attempt.span = _span()
        state = self._context.state if self._context else b""
        return write_context(self.trace, attempt.span, sampled=self.sampled, state=state)

    def told(self, call: Call | None) -> Trace:
        told = Trace(self.trace, self.span)
        if self._context is not None:
            told.parent, told.state = self._context.parent, self._context.state.decode("ascii")
        if isinstance(call, TextCall):
            told.max_tokens, told.choices = call.max_completion_tokens or call.max_tokens, call.n
            told.temperature, told.top_p = call.temperature, call.top_p
        return told


class Tracer:
    def __init__(self, fraction: float) -> None:
        self._fraction = fraction

    def begin(self, headers: Mapping[bytes, bytes]) -> Tracing:
        return Tracing(caller_context(headers), self._fraction)


def _span() -> str:
    return f"{_RANDOM.getrandbits(64) or 1:016x}"
