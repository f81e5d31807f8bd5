"""What an OpenAI answer says, or one event of it: as far as it is measured, all other fields are passed over.

What a model made counts as content wherever it stands: text, reasoning (`reasoning_content` of vLLM, SGLang, llama.cpp;
`reasoning` of newer vLLM), the name and arguments of tool calls, a refusal. A role, an empty string or a null is none.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from headway.wire.usage import Usage

__all__ = ["Piece", "Said", "read", "trouble_of"]

Piece = tuple[bytes, str]
"""The name of the field that the text stood in, and the text."""

_MOST_SAID: Final = 200


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None

    def pieces(self) -> list[Piece]:
        found = [
            (name, text)
            for name, text in (
                (b"content", self.content),
                (b"reasoning_content", self.reasoning_content),
                (b"reasoning", None if self.reasoning_content else self.reasoning),
                (b"refusal", self.refusal),
            )
            if text
        ]
        for call in self.tool_calls or ():
            if call.function is not None:
                named = ((b"name", call.function.name), (b"arguments", call.function.arguments))
                found += [(name, text) for name, text in named if text]
        return found


class _Choice(msgspec.Struct):
    delta: _Message | None = None
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None


class Said(msgspec.Struct):
    """A body, or the data of one event."""

    choices: list[_Choice] | None = None
    usage: Usage | None = None
    error: Any = None
    object: str | None = None
    message: Any = None

    def pieces(self) -> list[Piece]:
        """All of the answer that it brings."""
        found: list[Piece] = []
        for choice in self.choices or ():
            if choice.text:
                found.append((b"text", choice.text))
            part = choice.delta or choice.message
            if part is not None:
                found += part.pieces()
        return found

    @property
    def finish(self) -> str:
        """Why the answer ended; "" = it goes on."""
        return next((choice.finish_reason for choice in self.choices or () if choice.finish_reason), "")

    @property
    def trouble(self) -> str:
        """What an error object says; "" = it is none."""
        if self.error:
            return _words(self.error)
        return _words(self.message) if self.object == "error" else ""


_SAID: Final = msgspec.json.Decoder(Said)


def read(data: bytes) -> Said | None:
    """None for what is not JSON of that shape."""
    try:
        return _SAID.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def trouble_of(body: bytes) -> str:
    """What an answer that is no success says, in one line, whatever its shape."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _line(body.decode(errors="replace"))
    if isinstance(found, dict):
        found = next((found[name] for name in ("error", "detail", "message") if found.get(name)), found)
    return _words(found)


def _words(found: Any) -> str:
    if isinstance(found, dict) and isinstance(found.get("message"), str):
        found = found["message"]
    return _line(found if isinstance(found, str) else msgspec.json.encode(found).decode()) or "an error without words"


def _line(text: str) -> str:
    return " ".join(text.split())[:_MOST_SAID]
