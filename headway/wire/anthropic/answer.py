"""A chat completion as a Message, and what its parts are called in both APIs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headway.wire.anthropic.request import ChatForm

__all__ = ["Chunk", "Said", "Unreadable", "message", "message_id", "message_usage", "stop", "token_count"]


class Unreadable(Exception):
    """The engine's answer is no chat completion."""


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct):
    """Of a tool; `index` in streams alone."""

    index: int | None = None
    id: str | None = None
    function: _Function = msgspec.field(default_factory=_Function)


class Said(msgspec.Struct):
    """A message, or what a chunk adds to it. Engines have two names for what a model thinks."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None

    @property
    def thought(self) -> str:
        return self.reasoning_content or self.reasoning or ""


class _Choice(msgspec.Struct):
    index: int = 0
    message: Said = msgspec.field(default_factory=Said)
    delta: Said = msgspec.field(default_factory=Said)
    finish_reason: str | None = None
    stop_reason: int | str | None = None  # vLLM: the stop sequence, or a token's id
    matched_stop: int | str | list[int] | None = None  # SGLang: the same

    @property
    def stopped_by(self) -> object:
        return self.stop_reason if self.stop_reason is not None else self.matched_stop


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _Details(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Spent(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _Details | None = None


class Chunk(msgspec.Struct):
    """A whole completion, or one event of a stream."""

    choices: list[_Choice] = []
    usage: _Spent | None = None
    error: Any = None


_DECODER = msgspec.json.Decoder(Chunk)


def message(body: bytes, form: ChatForm, ident: str) -> bytes:
    """The Message that a whole completion is. Raises Unreadable."""
    try:
        completion = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"the engine's answer cannot be read: {error}") from error
    if not completion.choices:
        raise Unreadable("the engine's answer has no choices")
    choice = completion.choices[0]
    said = choice.message
    ended = choice.finish_reason, choice.stopped_by, form.stop_sequences
    reason, sequence = stop(*ended, called=bool(said.tool_calls), refused=bool(said.refusal))
    content = _content(said, form, ident)
    return msgspec.json.encode(
        {
            "id": message_id(ident),
            "type": "message",
            "role": "assistant",
            "model": form.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": sequence,
            "usage": message_usage(completion.usage, 0),
        }
    )


def message_id(ident: str) -> str:
    """The gateway's id of the request says it all; Anthropic's begin so."""
    return f"msg_{ident.removeprefix('req-')}"


def message_usage(spent: _Spent | None, counted: int) -> dict[str, Any]:
    """`input_tokens` are those that were not found in a cache. `counted`: pieces of the answer, if nobody said more."""
    if spent is None:
        spent = _Spent(completion_tokens=counted)
    cached = (spent.prompt_tokens_details.cached_tokens if spent.prompt_tokens_details else 0) or 0
    usage: dict[str, Any] = {
        "input_tokens": max(0, (spent.prompt_tokens or 0) - cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": spent.completion_tokens or 0,
    }
    details = spent.completion_tokens_details
    if details and details.reasoning_tokens is not None:
        usage["output_tokens_details"] = {"thinking_tokens": details.reasoning_tokens}
    return usage


_REASONS = {"length": "max_tokens", "tool_calls": "tool_use", "function_call": "tool_use", "content_filter": "refusal"}


def stop(
    finish: str | None, by: object, sequences: Sequence[str], *, called: bool, refused: bool
) -> tuple[str, str | None]:
    """`stop_reason` and `stop_sequence`. `by`: what the engine says it was stopped by; `called`: a tool."""
    if refused:
        return "refusal", None
    if isinstance(by, str) and by in sequences:
        return "stop_sequence", by
    if finish in (None, "stop") and called:  # engines say so of a call that they were told to make
        return "tool_use", None
    return _REASONS.get(finish or "", "end_turn"), None


def _content(said: Said, form: ChatForm, ident: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thought and not form.hides_thinking:
        blocks.append({"type": "thinking", "thinking": said.thought, "signature": ""})
    text = (said.content or "").removeprefix(form.begun)  # which llama.cpp says again
    if text := text + (said.refusal or ""):
        blocks.append({"type": "text", "text": text})
    for index, call in enumerate(said.tool_calls or ()):
        name, arguments = call.function.name or "", call.function.arguments or ""
        ident_of = call.id or f"toolu_{ident}_{index}"
        blocks.append({"type": "tool_use", "id": ident_of, "name": name, "input": _input(arguments)})
    return blocks


def _input(arguments: str) -> Any:
    """What is no JSON object is handed on under the name that Anthropic's guide to tools has for it."""
    if not arguments.strip():
        return {}
    try:
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return {"INVALID_JSON": arguments}
    return msgspec.Raw(arguments.encode())


class _Counted(msgspec.Struct):
    count: int | None = None  # vLLM's /tokenize
    input_tokens: int | None = None  # llama.cpp's /v1/chat/completions/input_tokens


def token_count(body: bytes) -> bytes | None:
    """Anthropic's answer to count_tokens; None when the engine has not counted a chat."""
    try:
        counted = msgspec.json.decode(body, type=_Counted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    found = counted.count if counted.count is not None else counted.input_tokens
    return None if found is None else msgspec.json.encode({"input_tokens": found})
