"""Embedding calls and answers taken apart into single texts and vectors, and put together again, as bytes.

A vector keeps the bytes that the engine wrote, numbers or base64 alike, so that what is put together is what the engine
would have said.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

__all__ = ["joined", "split_input", "vectors_of", "with_input"]

_LIST: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])


class _Item(msgspec.Struct, forbid_unknown_fields=True):
    index: int
    embedding: msgspec.Raw
    object: str = "embedding"


class _Answer(msgspec.Struct):
    data: list[_Item]


_ANSWER = msgspec.json.Decoder(_Answer)
_TOP: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


def split_input(given: msgspec.Raw) -> list[bytes] | None:
    """The texts (or lists of tokens) that each get a vector; None for anything else."""
    text = bytes(given).strip()
    if text.startswith(b'"'):
        return [text]
    try:
        items = [bytes(each).strip() for each in _LIST.decode(text)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    starts = {item[:1] for item in items}
    if starts in ({b'"'}, {b"["}):
        return items
    return [text] if items and all(item.isdigit() for item in items) else None


def with_input(fields: dict[str, msgspec.Raw], texts: Sequence[bytes]) -> bytes:
    """The same call for these texts alone."""
    return msgspec.json.encode(fields | {"input": msgspec.Raw(b"[" + b",".join(texts) + b"]")})


def vectors_of(body: bytes, count: int) -> list[bytes] | None:
    """The vectors of an answer in the order of its texts; None when it has not exactly so many, or says more of one
    than can be kept."""
    try:
        items = _ANSWER.decode(body).data
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    items.sort(key=lambda item: item.index)
    if [item.index for item in items] != list(range(count)):
        return None
    return [bytes(item.embedding) for item in items]


def joined(vectors: Sequence[bytes], model: str, answer: bytes = b"") -> bytes:
    """An answer with these vectors. All else is said as in `answer`, or, without one, that nothing was read."""
    data = b",".join(
        b'{"object":"embedding","index":%d,"embedding":%b}' % (index, vector) for index, vector in enumerate(vectors)
    )
    if answer:
        top = _TOP.decode(answer)
    else:
        top = {"object": msgspec.Raw(b'"list"'), "data": msgspec.Raw(b""), "model": _raw(model), "usage": _NOTHING}
    return msgspec.json.encode(top | {"data": msgspec.Raw(b"[" + data + b"]")})


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(text))


_NOTHING = msgspec.Raw(b'{"prompt_tokens":0,"total_tokens":0}')
