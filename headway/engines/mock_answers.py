"""What the mock engine says: OpenAI-shaped answers made of the request alone. Pure.

A prompt's token is a word of it; a generated token is a word of a short list, chosen by the prompt's hash and
its position.
"""

from __future__ import annotations

import array
import base64
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["BadRequest", "Question", "ask", "chunk", "embeddings", "generate", "whole"]

WORDS = ("steam", "rail", "signal", "track", "bridge", "engine", "tunnel", "siding", "junction", "depot")
DEFAULT_TOKENS = 16


class BadRequest(Exception):
    """The request is not one that can be answered; the text is for the caller."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request to generate, as the mock understands it."""

    chat: bool
    model: str
    prompt: str
    max_tokens: int
    stream: bool
    usage_wanted: bool

    @property
    def prompt_tokens(self) -> int:
        return len(self.prompt.split())

    @property
    def id(self) -> str:
        return ("chatcmpl-" if self.chat else "cmpl-") + _digest(self.prompt).hex()[:12]


def ask(body: Any, *, chat: bool, alias: str) -> Question:
    """Read a request body. Raises BadRequest that names the field."""
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or DEFAULT_TOKENS
    if not isinstance(limit, int) or limit < 1:
        raise BadRequest(f"max_tokens: found {limit!r}, use an integer above 0")
    options = body.get("stream_options") or {}
    return Question(
        chat=chat,
        model=alias,
        prompt=_chat_prompt(body) if chat else _plain_prompt(body),
        max_tokens=limit,
        stream=bool(body.get("stream")),
        usage_wanted=bool(options.get("include_usage")),
    )


def generate(question: Question) -> Iterator[str]:
    """The tokens of the answer, each with its leading space."""
    seed = int.from_bytes(_digest(question.prompt)[:8])
    for position in range(question.max_tokens):
        yield ("" if position == 0 else " ") + WORDS[(seed + position * position) % len(WORDS)]


def whole(question: Question, text: str, tokens: int, created: int) -> dict[str, Any]:
    """The answer to a request that does not stream."""
    said: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if question.chat else {"text": text}
    return {
        "id": question.id,
        "object": "chat.completion" if question.chat else "text_completion",
        "created": created,
        "model": question.model,
        "choices": [{"index": 0, "finish_reason": "length", "logprobs": None, **said}],
        "usage": _usage(question.prompt_tokens, tokens),
    }


def chunk(
    question: Question,
    created: int,
    *,
    text: str = "",
    role: bool = False,
    finish: bool = False,
    usage: int | None = None,
) -> dict[str, Any]:
    """One event of a stream: a piece of text, the end, or (`usage` = tokens generated) the usage after it."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": "length" if finish else None, "logprobs": None}
    if question.chat:
        choice["delta"] = ({"role": "assistant"} if role else {}) | ({"content": text} if text or role else {})
    else:
        choice["text"] = text
    event: dict[str, Any] = {
        "id": question.id,
        "object": "chat.completion.chunk" if question.chat else "text_completion",
        "created": created,
        "model": question.model,
        "choices": [choice] if usage is None else [],
    }
    if usage is not None:
        event["usage"] = _usage(question.prompt_tokens, usage)
    return event


def embeddings(body: Any, *, alias: str, dimensions: int) -> dict[str, Any]:
    """Unit vectors made of the text's hash. Raises BadRequest."""
    given = body.get("input") if isinstance(body, dict) else None
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise BadRequest("input: use a string or a list of strings")
    encode = _base64 if body.get("encoding_format") == "base64" else list
    data = [
        {"object": "embedding", "index": index, "embedding": encode(_vector(text, dimensions))}
        for index, text in enumerate(texts)
    ]
    tokens = sum(len(text.split()) for text in texts)
    return {
        "object": "list",
        "model": alias,
        "data": data,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _chat_prompt(body: dict[str, Any]) -> str:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise BadRequest("messages: use a list of at least one message")
    return "\n".join(str(message.get("content", "")) for message in messages)


def _plain_prompt(body: dict[str, Any]) -> str:
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise BadRequest("prompt: use a string")
    return prompt


def _usage(prompt: int, generated: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _vector(text: str, dimensions: int) -> array.array[float]:
    raw = hashlib.shake_256(text.encode()).digest(dimensions)
    centred = [byte - 127.5 for byte in raw]
    length = math.sqrt(sum(value * value for value in centred))
    return array.array("f", (value / length for value in centred))


def _base64(vector: array.array[float]) -> str:
    return base64.b64encode(vector.tobytes()).decode()
