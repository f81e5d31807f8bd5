"""Token counts out of the end of an OpenAI answer, without parsing the answer.

Engines put `usage` last, in a JSON body and in the last event of a stream alike. So the last `"usage":` of
the tail is looked for (inside a JSON string its quotes would be escaped, so generated text cannot pose as
one), its braces are matched, and only that object is decoded.
"""

from __future__ import annotations

import msgspec

__all__ = ["TAIL_BYTES", "Usage", "read_usage"]

TAIL_BYTES = 8192
"""How much of the end of an answer is enough to hold its usage."""


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None

    @property
    def cached_tokens(self) -> int | None:
        return self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else None


class _Newer(msgspec.Struct, rename={"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}):
    """As the newer of OpenAI's APIs call it: responses, audio, images."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens_details: _PromptDetails | None = None


_DECODER = msgspec.json.Decoder(Usage)
_NEWER = msgspec.json.Decoder(_Newer)


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
    while data[start : start + 1] in (b" ", b"\n", b"\r", b"\t"):
        start += 1
    if data[start : start + 1] != b"{":
        return b""
    end = start
    while (end := data.find(b"}", end, start + 2048)) >= 0:
        end += 1
        if data.count(b"{", start, end) == data.count(b"}", start, end):
            return data[start:end]
    return b""
