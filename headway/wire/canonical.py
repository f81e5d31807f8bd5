"""What a call asks for, as a key: equal keys are equal questions to an engine, byte for byte of every field.

The fields of the body in the order of their names, each with the bytes of its value. Values are not normalised: the
order of a tool's parameters reaches the prompt, so another order is another question. Every field counts, those nobody
here knows included, but for the few in NO_MATTER. `body` is the call as it was keyed, each field once, so that what an
engine reads cannot be another call than the one that was keyed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

__all__ = ["NO_MATTER", "Fields", "asks_repeatable", "body_of", "digest", "fields_of", "has_effects"]

Fields = Mapping[str, msgspec.Raw]

NO_MATTER = frozenset(
    (
        "user",  # who asks: for the provider's watch against abuse
        "safety_identifier",  # its new name
        "metadata",  # labels that come back in lists of stored answers
        "prompt_cache_key",  # which requests begin alike: where a prompt is cached, not what is said to it
        "prompt_cache_retention",  # how long it is cached
    )
)
"""Fields that cannot change the answer. `cache_salt` is not among them: who sends it keeps callers apart."""

_DECODER: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_EMPTY = (b"null", b"false")


def fields_of(body: bytes) -> dict[str, msgspec.Raw] | None:
    """The fields of a JSON object; None when it is none. Of a name that stands twice the last."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def body_of(fields: Fields) -> bytes:
    return msgspec.json.encode(fields)


def digest(about: Iterable[str], fields: Fields, leave_out: str = "model") -> bytes:
    """32 bytes that nobody finds a second question for. `about`: what must agree besides (whose it is, the model as the
    table has it, the operation). `stream: false` is as if it was left out."""
    found = hashlib.blake2b(digest_size=32)
    for part in about:
        _add(found, part.encode())
    for name in sorted(fields.keys() - NO_MATTER - {leave_out, "model"}):
        value = bytes(fields[name])
        if name == "stream" and value in _EMPTY:
            continue
        _add(found, name.encode())
        _add(found, value)
    return found.digest()


def _add(found: hashlib.blake2b, part: bytes) -> None:
    """With its length, so that no two parts can be read as two others."""
    found.update(len(part).to_bytes(8, "big"))
    found.update(part)


def asks_repeatable(fields: Fields) -> bool:
    """The caller asks for an answer that would be the same again: the likeliest tokens, or chance with a seed."""
    temperature, seed = bytes(fields.get("temperature", b"")), bytes(fields.get("seed", b"null"))
    return seed != b"null" or _is_zero(temperature)


def has_effects(fields: Fields) -> bool:
    """The answer is not all that is asked for: it is stored elsewhere, or it depends on what the web says now."""
    return bytes(fields.get("store", b"null")) not in _EMPTY or "web_search_options" in fields


def _is_zero(number: bytes) -> bool:
    try:
        return float(number) == 0
    except ValueError:
        return False
