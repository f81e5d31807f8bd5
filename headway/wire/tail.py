"""Token counts out of the end of an OpenAI answer, without parsing the answer.

Engines put `usage` last, in a JSON body and in the last event of a stream alike. So the last `"usage":` of
the tail is looked for (inside a JSON string its quotes would be escaped, so generated text cannot pose as
one), its braces are matched, and only that object is decoded.
"""

from __future__ import annotations

from typing import Final

import msgspec

from headway.wire.usage import NewerUsage, Usage

__all__ = ["TAIL_BYTES", "read_usage"]

TAIL_BYTES: Final = 8192
"""How much of the end of an answer is enough to hold its usage."""

_TAB: Final = 9
_RETURN: Final = 13  # with those between it and a tab: white space, as engines write it
_SPACE: Final = 32
_BRACE: Final = ord("{")
_DECODER: Final = msgspec.json.Decoder(Usage)
_NEWER: Final = msgspec.json.Decoder(NewerUsage)


def read_usage(tail: bytes) -> Usage | None:
    """The last usage object that is whole in `tail`; None when there is none."""
    end = len(tail)
    while (start := tail.rfind(b'"usage":', 0, end)) >= 0:
        if found := _object(tail, start + 8):
            try:
                if b'"input_tokens"' in found and b'"prompt_tokens"' not in found:
                    newer = _NEWER.decode(found)
                    return Usage(newer.prompt_tokens, newer.completion_tokens, newer.input_tokens_details)
                return _DECODER.decode(found)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return None
        end = start
    return None


def _object(data: bytes, start: int) -> bytes:
    """The JSON object that begins at `start` after white space; empty when there is none. It holds only
    numbers."""
    size = len(data)
    while start < size and (data[start] == _SPACE or _TAB <= data[start] <= _RETURN):
        start += 1
    if start == size or data[start] != _BRACE:
        return b""
    end = start
    while (end := data.find(b"}", end, start + 2048)) >= 0:
        end += 1
        if data.count(b"{", start, end) == data.count(b"}", start, end):
            return data[start:end]
    return b""
