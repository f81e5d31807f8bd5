"""What one request asks for: read as far as it must be known here, and said again to an engine as it must be said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from headway.gateway.gate import Gate
from headway.gateway.prompt import Prompt, point_of
from headway.gateway.request import Request
from headway.gateway.salt import SALTED_PATHS, salt_within
from headway.gateway.tracing import Tracing, caller_context
from headway.wire.calls import Call, TextCall
from headway.wire.canonical import fields_of
from headway.wire.openai import Operation, Refusal, read_call, with_fields, with_model
from headway.wire.trace_context import write_context

if TYPE_CHECKING:
    from headway.gateway.catalog import Route
    from headway.gateway.core import Gateway
    from headway.gateway.record import Attempt, Record

__all__ = ["Asked"]

_TIMEOUT: Final = re.compile(rb"(\d{1,6}(?:\.\d{1,3})?)(ms|s|m)?")
_UNITS: Final = {b"": 1.0, b"s": 1.0, b"ms": 0.001, b"m": 60.0}
_FORWARDED: Final = (b"accept",)
_SESSION: Final = b"x-session-id"
_PRIORITY: Final = b"x-headway-priority"
_OURS: Final = (403, 429, 502, 503, 504)  # refusals that tell of the gateway; others quote what was sent


class Asked:
    """`deadline` is loop time. Before `read` there is no call, and nobody is known to have made it. `named`: what an
    engine must be told instead of the caller's name for the model; empty = the caller's."""

    __slots__ = (
        "_call",
        "_gateway",
        "_prompt",
        "_tracing",
        "deadline",
        "gate",
        "model",
        "named",
        "operation",
        "request",
        "stream",
        "timeout",
    )

    def __init__(self, gateway: Gateway, request: Request, operation: Operation) -> None:
        self.request, self.operation = request, operation
        self.model, self.named, self.stream = "", "", False
        self.gate = Gate(gateway, None)
        self.deadline = request.accepted + gateway.settings.deadline_seconds
        self.timeout: float | None = None  # as the caller said
        self._gateway = gateway
        self._call: Call | None = None
        self._prompt: Prompt | None = None
        self._tracing: Tracing | None = None

    def read(self, *, near: bool) -> Refusal | None:
        """The call, who makes it, and how long they will wait; or what is wrong with it."""
        call = read_call(self.operation, self.request.body, self._content_type)
        if isinstance(call, Refusal):
            return call
        self._call, self.model, self.stream = call, call.model, bool(call.stream)
        caller = self._gateway.keyring.find(self.request.headers, near=near)
        if isinstance(caller, Refusal):
            return caller
        self.gate = Gate(self._gateway, caller)
        return self._read_timeout()

    def _read_timeout(self) -> Refusal | None:
        if asked := self.request.headers.get(b"x-headway-timeout"):
            found = _TIMEOUT.fullmatch(asked.strip())
            if not found:
                name = "x-headway-timeout"
                return Refusal(400, "invalid_type", f"{name}: write seconds or 500ms, 10s, 2m", name)
            seconds = float(found[1]) * _UNITS[found[2] or b""]
            self.deadline, self.timeout = min(self.deadline, self.request.accepted + seconds), seconds
        return None

    def bound(self, seconds: float | None) -> None:
        """It may take no longer."""
        if seconds is not None:
            self.deadline = min(self.deadline, self.request.accepted + seconds)

    @property
    def known_call(self) -> Call | None:
        """None when it could not be read."""
        return self._call

    @property
    def known_prompt(self) -> Prompt | None:
        """None when nobody had to look at it."""
        return self._prompt

    @property
    def call(self) -> Call:
        if self._call is None:
            raise AssertionError("nothing is done with a call before it is read")
        return self._call

    @property
    def priority(self) -> str:
        return self.gate.priority(self.request.headers.get(_PRIORITY))

    def note(self, record: Record, message: str) -> None:
        """What is seldom asked for, and so seldom told. `message`: why we refused it; what may quote the caller is left
        out."""
        if self.timeout is not None:
            record.deadline = self.timeout
        caller = self.gate.caller
        if record.waits or (caller and (caller.rule.priority != "normal" or _PRIORITY in self.request.headers)):
            record.priority = self.priority
        if message and record.status in _OURS:
            record.message = message
        if self._gateway.tracer is not None and (tracing := self._traced()) is not None and tracing.sampled:
            record.trace = tracing.told(self._call)

    @property
    def _content_type(self) -> bytes:
        """A known operation is JSON, whatever the caller calls it."""
        return b"" if self.operation.known else self.request.headers.get(b"content-type", b"")

    def prompt(self, route: Route) -> Prompt:
        if self._prompt is None:
            self._prompt = self.prompt_for(route)
        return self._prompt

    def prompt_for(self, route: Route) -> Prompt:
        """As this model would see it."""
        session, seed = self.request.headers.get(_SESSION, b""), route.seed ^ self.gate.seed
        return Prompt(self.call, seed, route.learned, session, self.request.size)

    def turn_to(self, model: str) -> None:
        """From here on it is asked of this model."""
        self.model = self.named = model
        self._prompt = None

    def twin(self, model: str, deadline: float) -> Asked:
        """The same asked of another model, for nobody and charged to nobody."""
        made = Asked(self._gateway, self.request, self.operation)
        made._call, made.stream, made.deadline = self._call, self.stream, deadline
        made.turn_to(model)
        return made

    def point(self, seed: int) -> float:
        """Of the user, else the session, else the request: who gets which share of what `seed` names."""
        call = self.call
        user = getattr(call, "user", None) or ""
        session = self.request.headers.get(_SESSION) or (getattr(call, "prompt_cache_key", None) or "").encode()
        return point_of(user.encode() or session or self.request.id.encode(), seed)

    def body(self, name: str, salt: str = "") -> bytes | Refusal:
        """What the engine gets: the caller's bytes, but for what must be said otherwise. `name`: the engine's own for
        the model; empty = the caller's. `salt`: under which it caches the prompt."""
        body: bytes | Refusal = self.request.body
        if name := name or self.named:
            body = with_model(self.request.body, name, self._content_type)
        fields = self.gate.fields(self.call)
        if salt:
            fields["cache_salt"] = salt
        if isinstance(body, bytes) and fields:
            body = with_fields(body, **fields)
        return body

    def salt(self) -> str:
        """Under which engines that know it cache this prompt; empty = the caller's own, if any."""
        caller = self.gate.caller
        if caller is None or not caller.salt:
            return ""
        if isinstance(self._call, TextCall):
            return salt_within(caller.salt, self._call.cache_salt)
        if self.operation.path not in SALTED_PATHS:
            return ""
        own = (fields_of(self.request.body) or {}).get("cache_salt")
        return salt_within(caller.salt, str(msgspec.json.decode(own)) if own else None)

    def say(self, body: bytes) -> None:
        """The engine is asked this instead."""
        self.request.parts = [body]

    def narrow(self, body: bytes, route: Route) -> None:
        """The engine is asked for a part: its prompt is that much shorter."""
        self.say(body)
        self._prompt = Prompt(self.call, route.seed, route.learned, b"", len(body))

    def headers(self, attempt: Attempt) -> bytes:
        """What an engine may know of the caller: never who it is."""
        headers = self.request.headers
        kind = self._content_type or b"application/json"
        lines = b"content-type: %b\r\nx-request-id: %b\r\n" % (kind, self.request.id.encode())
        for name in _FORWARDED:
            if name in headers:
                lines += b"%b: %b\r\n" % (name, headers[name])
        if self._gateway.tracer is not None or b"traceparent" in headers:
            lines += self._trace_lines(attempt)
        return lines

    def _trace_lines(self, attempt: Attempt) -> bytes:
        """Where nobody here records spans, a trace passes through as it came, if it is one."""
        if (tracing := self._traced()) is not None:
            return tracing.lines(attempt)
        context = caller_context(self.request.headers)
        if context is None:
            return b""
        return write_context(context.trace, context.parent, sampled=context.sampled, state=context.state)

    def _traced(self) -> Tracing | None:
        """None where nothing is recorded of it."""
        tracer = self._gateway.tracer
        if tracer is not None and self._tracing is None and self.gate.kept:
            self._tracing = tracer.begin(self.request.headers)
        return self._tracing
