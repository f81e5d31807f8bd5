"""Chat completions as engines stream them, and what a strict reader hears in the Messages made of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import anthropic.types
import pydantic

from headway.wire.anthropic import (
    ChatForm,
    MessageStream,
)

FORM = ChatForm(b"", "chat", ("END",))
USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
SPENT = {"input_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 5}


RAW = pydantic.TypeAdapter(anthropic.types.RawMessageStreamEvent)


def call(ident: str | None, arguments: str, index: int | None = None, name: str | None = "weather") -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    given: dict[str, Any] = {"type": "function", "function": function}
    return given | ({} if ident is None else {"id": ident}) | ({} if index is None else {"index": index})


@dataclass
class Heard:
    """What a strict reader makes of the events. Blocks come one after the other, each begun and ended once."""

    events: list[str] = field(default_factory=list)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    delta: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    open: bool = False

    def read(self, data: bytes) -> Heard:
        pieces = data.split(b"\n\n")
        assert pieces.pop() == b""
        for piece in pieces:
            first, second = piece.decode().split("\n")
            event = json.loads(second.removeprefix("data: "))
            assert first == f"event: {event['type']}"
            self.take(event)
        return self

    def take(self, event: dict[str, Any]) -> None:
        assert not self.error, "nothing comes after an error"
        assert self.events[-1:] != ["message_stop"], "nothing comes after the end"
        kind = event["type"]
        if kind not in ("error", "ping"):
            RAW.validate_python(event)
        assert (kind in ("message_start", "error")) or self.events[:1] == ["message_start"]
        self.events.append(kind)
        if kind == "content_block_start":
            assert (self.open, event["index"]) == (False, len(self.blocks))
            self.open = True
            self.blocks.append({**event["content_block"], "json": ""})
        elif kind == "content_block_delta":
            assert (self.open, event["index"]) == (True, len(self.blocks) - 1)
            delta, block = event["delta"], self.blocks[-1]
            wanted = {"text": "text_delta", "thinking": "thinking_delta", "tool_use": "input_json_delta"}
            assert delta["type"] == wanted[block["type"]]
            name = {"tool_use": "json"}.get(block["type"], block["type"])
            piece = delta["partial_json" if name == "json" else name]
            assert piece, "no empty deltas"
            block[name] += piece
        elif kind == "content_block_stop":
            assert (self.open, event["index"]) == (True, len(self.blocks) - 1)
            self.open = False
        elif kind == "message_delta":
            assert not self.open
            self.delta, self.usage = event["delta"], event["usage"]
        elif kind == "error":
            self.error = event["error"]

    @property
    def said(self) -> list[tuple[str, ...]]:
        """Blocks as (kind, text), tools as (kind, id, name, arguments)."""
        return [
            ("tool_use", each["id"], each["name"], each["json"])
            if each["type"] == "tool_use"
            else (each["type"], each[each["type"]])
            for each in self.blocks
        ]


def chunk(finish: str | None = None, *, usage: Any = None, choices: bool = True, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    said: dict[str, Any] = {"id": "c", "choices": [choice] if choices else []}
    return b"data: " + json.dumps(said | ({"usage": usage} if usage else {}), ensure_ascii=False).encode() + b"\n\n"


LAST = chunk(usage=USAGE, choices=False)


DONE = b"data: [DONE]\n\n"


def heard(*events: bytes, form: ChatForm = FORM) -> Heard:
    stream = MessageStream(form, "req-1")
    return Heard().read(b"".join(stream.feed(each) for each in events))
