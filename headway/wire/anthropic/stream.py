"""Chunks of a chat completion as the events of a Message that grows.

A Message's blocks come one after the other; chunks may speak of several at once (parallel tools). So each block is a
lane: the first one streams, those behind it are kept until it is whole. A tool's is when its arguments are whole JSON,
any other when something else comes.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from headway.wire.anthropic.answer import Call, Chunk, Said, message_id, message_usage, stop
from headway.wire.anthropic.errors import code_kind, error_object, told
from headway.wire.anthropic.request import ChatForm
from headway.wire.sse import data_of

__all__ = ["MessageStream"]

_DECODER = msgspec.json.Decoder(Chunk)
_HELD_MAX = 4 * 1024 * 1024
"""Bytes kept behind a block that does not end."""
_DELTAS = {"text": ("text_delta", "text"), "thinking": ("thinking_delta", "thinking")}
_TOOL_DELTA = ("input_json_delta", "partial_json")


class _Lane:
    """One block. `ident` and `name` are of a tool's."""

    __slots__ = ("_looked_at", "arguments", "held", "ident", "kind", "name")

    def __init__(self, kind: str, ident: str = "", name: str = "") -> None:
        self.kind, self.ident, self.name = kind, ident, name
        self.held: list[str] = []  # not yet told
        self.arguments: list[str] = []  # of a tool, all of them so far
        self._looked_at = 0

    def whole(self) -> bool:
        if self.kind != "tool":
            return True
        if self._looked_at == len(self.arguments) or not self.arguments[-1].rstrip().endswith("}"):
            return False
        self._looked_at = len(self.arguments)
        try:
            msgspec.json.decode("".join(self.arguments))
        except (msgspec.DecodeError, RecursionError):
            return False
        return True

    def block(self) -> dict[str, Any]:
        """As it begins."""
        if self.kind == "tool":
            return {"type": "tool_use", "id": self.ident, "name": self.name, "input": {}}
        if self.kind == "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        return {"type": "text", "text": ""}


class MessageStream:
    """`feed` takes whole events, however many, and gives whole events, maybe none. `unreadable`: the caller was told
    so, and what else the engine says is for nobody."""

    def __init__(self, form: ChatForm, ident: str) -> None:
        self.unreadable = False
        self._form, self._ident = form, ident
        self._out: list[bytes] = []
        self._started = self._over = False
        self._lanes: deque[_Lane] = deque()
        self._tools: dict[int, _Lane] = {}
        self._index = 0  # of the first lane
        self._open = False  # it has begun
        self._begun = form.begun  # which older llama.cpp say again, at once
        self._pieces = self._held = 0
        self._usage: Any = None
        self._finish: str | None = None
        self._stopped_by: object = None
        self._refused = self._called = False

    def feed(self, events: bytes) -> bytes:
        for data in data_of(events):
            if self._over:
                break
            if data == b"[DONE]":
                self._end()
            else:
                self._read(data)
        out, self._out = b"".join(self._out), []
        return out

    def _read(self, data: bytes) -> None:
        try:
            chunk = _DECODER.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._cannot_go_on(f"The engine's stream cannot be read: {error}.")
            return
        if chunk.error is not None:
            self._fail(*_error(chunk.error))
            return
        self._start()
        self._usage = chunk.usage or self._usage
        for choice in chunk.choices:
            if choice.index == 0 and not self._over:
                self._add(choice.delta)
                self._finish = choice.finish_reason or self._finish
                self._stopped_by = choice.stopped_by if choice.stopped_by is not None else self._stopped_by

    # what a chunk adds

    def _add(self, said: Said) -> None:
        if said.thought:
            self._pieces += 1
            if not self._form.hides_thinking:
                self._say("thinking", said.thought)
        if said.content:
            self._pieces += 1
            begun, self._begun = self._begun, ""
            self._say("text", said.content.removeprefix(begun))
        if said.refusal:
            self._refused = True
            self._say("text", said.refusal)
        for call in said.tool_calls or ():
            self._pieces += 1
            self._called = True
            self._call(call)

    def _say(self, kind: str, text: str) -> None:
        if not self._lanes or self._lanes[-1].kind != kind:
            self._lanes.append(_Lane(kind))
        self._put(self._lanes[-1], text)

    def _call(self, call: Call) -> None:
        name, arguments = call.function.name, call.function.arguments or ""
        number = call.index if call.index is not None else len(self._tools) - (not (call.id or name))
        lane = self._tools.get(number)
        if lane is None or (call.id and name and call.id != lane.ident):  # some number all of them 0
            ident = call.id or f"toolu_{self._ident}_{number}"
            lane = self._tools[number] = _Lane("tool", ident, name or "")
            self._lanes.append(lane)
        elif lane not in self._lanes and arguments.strip():
            self._cannot_go_on("The engine went on with a tool's arguments after their end.")
            return
        if arguments.strip():
            lane.arguments.append(arguments)
        self._put(lane, arguments)

    def _put(self, lane: _Lane, text: str) -> None:
        """Tell it now if its block is the first, else keep it. Then go on to the next block as far as that can be."""
        lane.held.append(text)
        self._held += len(text)
        self._tell()
        while len(self._lanes) > 1 and self._lanes[0].whole():
            self._close()
            self._tell()
        if self._held > _HELD_MAX:
            self._cannot_go_on("The engine began many tools and ended none.")

    # what is told

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        message: dict[str, Any] = {
            "id": message_id(self._ident),
            "type": "message",
            "role": "assistant",
            "model": self._form.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": message_usage(None, 0),  # engines say it at the end
        }
        self._event("message_start", {"message": message})
        self._event("ping", {})

    def _tell(self) -> None:
        """What is kept of the first lane."""
        lane = self._lanes[0]
        if not self._open:
            self._open = True
            self._event("content_block_start", {"index": self._index, "content_block": lane.block()})
        kind, name = _DELTAS.get(lane.kind, _TOOL_DELTA)
        for text in lane.held:
            self._held -= len(text)
            if text:
                self._event("content_block_delta", {"index": self._index, "delta": {"type": kind, name: text}})
        lane.held.clear()

    def _close(self) -> None:
        self._event("content_block_stop", {"index": self._index})
        self._lanes.popleft()
        self._index += 1
        self._open = False

    def _end(self) -> None:
        self._start()
        while self._lanes:
            self._tell()
            self._close()
        ended = self._finish, self._stopped_by, self._form.stop_sequences
        reason, sequence = stop(*ended, called=self._called, refused=self._refused)
        delta = {"stop_reason": reason, "stop_sequence": sequence}
        self._event("message_delta", {"delta": delta, "usage": message_usage(self._usage, self._pieces)})
        self._event("message_stop", {})
        self._over = True

    def _cannot_go_on(self, message: str) -> None:
        self.unreadable = True
        self._fail("api_error", message, "engine_failed")

    def _fail(self, kind: str, message: str, code: str) -> None:
        """The last word. What is kept is not told: nobody knows whether it is whole."""
        self._out.append(_encoded("error", error_object(kind, message, self._ident, code)))
        self._over = True

    def _event(self, kind: str, fields: dict[str, Any]) -> None:
        self._out.append(_encoded(kind, {"type": kind, **fields}))


def _encoded(kind: str, value: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(value))


def _error(error: object) -> tuple[str, str, str]:
    """Kind, message and code of an error event."""
    if not isinstance(error, dict):
        return "api_error", str(error), "engine_error"
    code = error.get("code")
    message = told(str(error.get("message", "The engine failed.")), str(error.get("type", "")))
    return code_kind(code), message, code if isinstance(code, str) else "engine_error"
