"""A streamed answer: when its first token came, what it said, and what the engine counted."""

from __future__ import annotations

import msgspec

__all__ = ["Answer", "Usage", "has_token", "read"]


class Details(msgspec.Struct):
    cached_tokens: int = 0


class Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: Details | None = None

    @property
    def cached_tokens(self) -> int:
        return self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else 0


class Delta(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    delta: Delta = msgspec.field(default_factory=Delta)


class Event(msgspec.Struct):
    choices: list[Choice] = msgspec.field(default_factory=list)
    usage: Usage | None = None


class Answer(msgspec.Struct, frozen=True):
    text: str
    usage: Usage
    whole: bool  # it ended as a stream ends


CONTENT = b'"content":"'
_decode = msgspec.json.Decoder(Event).decode


def has_token(data: bytes) -> bool:
    """Whether a piece of a stream holds text (some servers begin with an event that has a role and none)."""
    at = data.find(CONTENT)
    while at >= 0:
        if data[at + len(CONTENT) : at + len(CONTENT) + 1] != b'"':
            return True
        at = data.find(CONTENT, at + 1)
    return False


def read(stream: bytes) -> Answer:
    """Raises msgspec.DecodeError for an event that is none."""
    said, usage, whole = [], Usage(), False
    for block in stream.replace(b"\r\n", b"\n").split(b"\n\n"):
        if not block.startswith(b"data:"):
            continue
        data = block[5:].strip()
        if data == b"[DONE]":
            whole = True
            continue
        event = _decode(data)
        said += [choice.delta.content for choice in event.choices if choice.delta.content]
        usage = event.usage or usage
    return Answer("".join(said), usage, whole)
