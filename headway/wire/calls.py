"""The few fields of a call that the gateway looks at, as msgspec decodes them; all others are the engine's."""

from __future__ import annotations

from typing import ClassVar

import msgspec

__all__ = ["Call", "ChatCall", "CompletionCall", "EmbeddingCall", "ErrorBody", "OtherCall", "TextCall"]


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class TextCall(msgspec.Struct):
    """A call that is answered with generated text."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = None
    user: str | None = None
    prompt_cache_key: str | None = None
    cache_salt: str | None = None


class ChatCall(TextCall, kw_only=True):
    messages: msgspec.Raw
    tools: msgspec.Raw = msgspec.Raw(b"")

    @property
    def text(self) -> msgspec.Raw:
        """What the prompt is made of, as it came. A turn that is appended leaves its beginning as it was."""
        return self.messages


class CompletionCall(TextCall, kw_only=True):
    prompt: msgspec.Raw
    tools: ClassVar[msgspec.Raw] = msgspec.Raw(b"")

    @property
    def text(self) -> msgspec.Raw:
        return self.prompt


class EmbeddingCall(msgspec.Struct, kw_only=True):
    model: str
    input: msgspec.Raw
    dimensions: int | None = None
    encoding_format: str | None = None
    user: str | None = None

    @property
    def stream(self) -> bool:
        return False


class OtherCall(msgspec.Struct, kw_only=True):
    """A call of an operation that the gateway does not know: its model, whether the answer streams, and how long it
    may be."""

    model: str
    stream: bool | None = None
    max_output_tokens: int | None = None


Call = ChatCall | CompletionCall | EmbeddingCall | OtherCall


class _Error(msgspec.Struct):
    message: str


class ErrorBody(msgspec.Struct):
    """An error as OpenAI shapes it, as far as it must be there."""

    error: _Error
