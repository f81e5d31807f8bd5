"""The mock engine's tokenizer: text in, bytes of whole tokens out. Pure.

A token is four bytes of UTF-8, about what real tokenizers make of English. Each part of a chat (a role's marker,
a message, its end) begins with a fresh token, as special tokens do in real templates: the last token of a part is
filled up with zero bytes. So a conversation that grows keeps the tokens it had, the answer's among them. A
token's id is its four bytes, little-endian. Nothing makes token objects: prompts stay bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

__all__ = ["TOKEN_BYTES", "BadRequest", "chat", "count", "from_ids", "ids", "plain", "text"]

TOKEN_BYTES = 4
_END = b"<|im_end|>\n\0"
_LARGEST_ID = 2**32 - 1


class BadRequest(Exception):
    """The request is not one that can be answered; the text is for the caller."""


def count(tokens: bytes) -> int:
    return len(tokens) // TOKEN_BYTES


def chat(messages: Any, tools: Any = None) -> bytes:
    """The messages in their template, ending where the assistant begins to speak. Raises BadRequest."""
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise BadRequest("messages: use a list of at least one message")
    parts: list[bytes] = []
    if tools:
        parts += (_begin("tools"), _filled(msgspec.json.encode(tools)), _END)
    for message in messages:
        parts += (_begin(str(message.get("role", "user"))), _filled(_said(message)), _END)
    return b"".join((*parts, _begin("assistant")))


def plain(prompt: Any) -> bytes:
    """A completion's prompt: a string, or a list of token ids. Raises BadRequest."""
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return _filled(prompt.encode()) or bytes(TOKEN_BYTES)  # an empty prompt is its begin-of-text token
    if isinstance(prompt, list) and prompt and all(isinstance(each, int) for each in prompt):
        return from_ids(prompt)
    if isinstance(prompt, list) and len(prompt) > 1:
        raise BadRequest("prompt: the mock engine takes one prompt a request; send one each")
    raise BadRequest("prompt: use a string or a list of token ids")


def ids(tokens: bytes) -> list[int]:
    return list(struct.unpack(f"<{count(tokens)}I", tokens))


def from_ids(numbers: Sequence[Any]) -> bytes:
    """Raises BadRequest for what is no token id."""
    if not all(isinstance(each, int) and 0 <= each <= _LARGEST_ID for each in numbers):
        raise BadRequest("a token id is an integer of 0 to 4294967295")
    return struct.pack(f"<{len(numbers)}I", *numbers)


def text(numbers: Any) -> str:
    """What the tokens say. Raises BadRequest."""
    if not isinstance(numbers, list):
        raise BadRequest("tokens: use a list of token ids")
    return from_ids(numbers).replace(b"\0", b"").decode(errors="replace")


def _begin(role: str) -> bytes:
    return _filled(b"<|im_start|>" + role.encode() + b"\n")


def _said(message: dict[str, Any]) -> bytes:
    content = message.get("content")
    said = content.encode() if isinstance(content, str) else b"".join(_pieces(content))
    if calls := message.get("tool_calls"):
        said += msgspec.json.encode(calls)
    return said


def _pieces(content: Any) -> Iterable[bytes]:
    """Content in parts; an image or a sound counts as the text of its address."""
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield part["text"].encode()
        else:
            yield msgspec.json.encode(part)


def _filled(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % TOKEN_BYTES)
