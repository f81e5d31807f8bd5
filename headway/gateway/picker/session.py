"""One ext_proc stream: one request of a caller, told piece by piece, from its head to the end of its answer.

    the request   read its head and body; pick; say where it goes, or answer it here
    the answer    look at it as it passes, so that load, speed and caches are known as exactly as by the gateway

Two ways of handing over a body are spoken, as the data plane says in its first message. FULL_DUPLEX_STREAMED (the
endpoint-picker protocol's own): it sends the body without waiting, hears of the head when the picker knows, and gets
all bytes back. BUFFERED: it waits for a word after the head, then sends the body whole and keeps it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headway.gateway.picker.errand import Answer, Errand
from headway.gateway.picker.ext_proc_pb2 import BodyMode, ProcessingRequest, ProcessingResponse
from headway.gateway.picker.hints import Hints, is_ip, narrowed, read_hints, served
from headway.gateway.picker.pick import Pick, Picked
from headway.gateway.picker.words import (
    GO_ON,
    Stream,
    chunks,
    destination,
    immediate,
    in_body,
    in_headers,
    instead,
    kind_of,
    marked,
    passing,
    plain_headers,
)
from headway.gateway.request import Request, sane_request_id
from headway.wire.http import split_target
from headway.wire.openai import OPERATIONS, Operation, Refusal, other_operation

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["Session"]

_DUPLEX, _BUFFERED = BodyMode.FULL_DUPLEX_STREAMED, BodyMode.BUFFERED
_ROOT = "/v1/"


class Session:
    def __init__(self, gateway: Gateway, stream: Stream, fallbacks: int) -> None:
        self._gateway, self._stream, self._fallbacks = gateway, stream, fallbacks
        self._request = Request()
        self._errand = Errand(gateway, self._request)
        self._hints = Hints()
        self._taking = self._giving = _DUPLEX  # how the body of the request comes, and that of the answer
        self._held = 0  # bytes of the body
        self._answered = False

    async def run(self) -> None:
        try:
            message = await self._stream.read()
            if message is None or not await self._ask(message):
                return
            while (message := await self._stream.read()) is not None:
                await self._stream.write(self._look(message))
        finally:
            if self._answered and self._giving == BodyMode.NONE and self._errand.pick:
                self._errand.pick.finished()  # its head is all that is ever told, however the stream ends
            self._release()
            self._errand.close()

    def _release(self) -> None:
        self._gateway.bodies.held -= self._held
        self._held = 0

    # the request

    async def _ask(self, message: ProcessingRequest) -> bool:
        """False when it was answered here."""
        if kind_of(message) != "request_headers":
            await self._stream.write(self._look(message))
            return True
        self._read_head(message)
        if message.request_headers.end_of_stream:
            return await self._anywhere()
        found = self._check_mode() or await self._read_body()
        if found is None:
            return False
        refusal = found if isinstance(found, Refusal) else None
        return await self._carry_out(await self._decide(refusal), trailers=found is True)

    def _read_head(self, message: ProcessingRequest) -> None:
        request = self._request
        request.headers = plain_headers(message.request_headers.headers)
        request.method = request.headers.get(b":method", b"").decode("latin-1")
        request.target = request.headers.get(b":path", b"")
        request.accepted = self._gateway.time()
        request.id = sane_request_id(request.headers.get(b"x-request-id"))
        self._hints = read_hints(request.headers, message.metadata_context.filter_metadata)
        if message.HasField("protocol_config"):
            self._taking = message.protocol_config.request_body_mode
            self._giving = message.protocol_config.response_body_mode

    def _check_mode(self) -> Refusal | None:
        if self._taking not in (_DUPLEX, _BUFFERED):
            mode = BodyMode.Name(self._taking)
            message = f"The ext_proc filter's request_body_mode is {mode}; write FULL_DUPLEX_STREAMED or BUFFERED."
        elif self._giving == BodyMode.NONE and self._gateway.keyring.closed:
            message = "Tenants are charged by what answers say: give the ext_proc filter a response_body_mode."
        else:
            return None
        return Refusal(500, "filter_misconfigured", message)

    async def _read_body(self) -> bool | Refusal | None:
        """Whether trailers follow it; or what is wrong with it; None when its caller left before its end."""
        if self._taking == _BUFFERED:
            await self._stream.write(GO_ON["request_headers"])
        while True:
            try:
                async with asyncio.timeout(self._gateway.settings.body_idle_seconds):
                    message = await self._stream.read()
            except TimeoutError:
                return Refusal(
                    408, "request_timeout", "The body of the request did not come, or is too large to buffer."
                )
            kind = "" if message is None else kind_of(message)
            if message is None or kind == "request_trailers":
                return None if message is None else True
            if kind != "request_body":  # the data plane has answered by itself
                await self._stream.write(self._look(message))
                continue
            self._take(message.request_body.body)
            if refusal := self._check_size():
                return refusal
            if message.request_body.end_of_stream:
                return False

    def _take(self, part: bytes) -> None:
        self._request.parts.append(part)
        self._request.size += len(part)
        self._held += len(part)
        self._gateway.bodies.held += len(part)

    def _check_size(self) -> Refusal | None:
        most, bodies = self._gateway.settings.body_bytes, self._gateway.bodies
        if self._request.size > most:
            return Refusal(413, "request_too_large", f"The body is larger than {most // 2**20} MiB.")
        if bodies.held > bodies.limit:
            return Refusal(503, "overloaded", "The picker holds too many bodies now.", retry_after=1)
        return None

    async def _decide(self, refusal: Refusal | None) -> Picked | Answer:
        operation = self._operation() if refusal is None else refusal
        if isinstance(operation, Refusal):
            self._gateway.tally.refused(operation.status)
            self._errand.refuse(operation)
        else:
            pick = self._errand.pick = Pick(self._gateway, self._errand, self._request, operation, self._hints)
            pick.begin()
        return await self._errand.decided()

    def _operation(self) -> Operation | Refusal:
        """A route's prefix before `/v1/` is its own business."""
        try:
            path, _ = split_target(self._request.target)
        except ValueError as error:
            return Refusal(400, "bad_request", f"The request target is not readable: {error}.")
        path = path[max(0, path.find(_ROOT)) :]
        found = OPERATIONS.get(path) or other_operation(path)
        if found is None or self._request.method != "POST":
            what = f"There is no {self._request.method} {path[:200]} here"
            return Refusal(404, "unknown_url", f"{what}. Known: {', '.join(OPERATIONS)}, and POST /v1/… of engines.")
        return found

    async def _anywhere(self) -> bool:
        """No body, no model (a list of models, a health check): any engine can say. It counts for nothing."""
        upstreams = {}
        for route in self._gateway.catalog.routes.values():
            allowed = route if self._hints.subset is None else narrowed(route, self._hints.subset)
            upstreams.update({each.address: each for each in allowed.upstreams if is_ip(each.address)})
        if not upstreams:
            self._errand.refuse(Refusal(503, "model_not_ready", "There is no engine to ask.", retry_after=1))
            return await self._carry_out(await self._errand.decided(), trailers=False)
        now = self._gateway.time()
        best = min(upstreams.values(), key=lambda each: (each.cooling_until > now, each.running))
        await self._stream.write(in_headers(destination([best.address], changed=False), [best.address]))
        return True

    async def _carry_out(self, verdict: Picked | Answer, *, trailers: bool) -> bool:
        self._release()
        if isinstance(verdict, Answer):
            await self._stream.write(immediate(verdict.status, verdict.headers, verdict.body, verdict.code))
            return False
        addresses, body = verdict.addresses[: 1 + self._fallbacks], verdict.body
        common = destination(addresses, changed=verdict.changed)
        if self._taking == _BUFFERED:
            await self._stream.write(in_body(common, addresses, body if verdict.changed else None))
            return True
        await self._stream.write(in_headers(common, addresses))
        for piece in chunks(body, end=not trailers):
            await self._stream.write(piece)
        if trailers:
            await self._stream.write(GO_ON["request_trailers"])
        return True

    # the answer

    def _look(self, message: ProcessingRequest) -> ProcessingResponse:
        kind, pick = kind_of(message), self._errand.pick
        if kind == "response_body":
            part = message.response_body
            passed = part.body if pick is None else pick.body(part.body, end=part.end_of_stream)
            if self._giving == _DUPLEX:
                return passing(passed, part.end_of_stream)
            return GO_ON[kind] if passed is part.body or passed == part.body else instead(passed)
        if kind == "response_headers":
            return self._look_at_head(message)
        if kind == "response_trailers" and pick is not None:
            pick.finished()
        return GO_ON[kind]

    def _look_at_head(self, message: ProcessingRequest) -> ProcessingResponse:
        self._answered = True
        pick = self._errand.pick
        if pick is None:
            return GO_ON["response_headers"]
        headers = plain_headers(message.response_headers.headers)
        status = headers.get(b":status", b"")
        by = served(message.metadata_context.filter_metadata, message.attributes)
        pick.answered(int(status) if status.isdigit() else 0, headers.get(b"content-type", b""), by)
        replica = pick.replica
        if message.response_headers.end_of_stream:
            pick.finished()
        return marked(replica) if replica else GO_ON["response_headers"]
