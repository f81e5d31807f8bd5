"""What one request wants of a cache: under which keys, what it makes of what was found, and what it brings to keep."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Protocol

import msgspec

from headway.gateway.frames import Shelved
from headway.wire.canonical import body_of, digest
from headway.wire.usage import Usage
from headway.wire.vectors import joined, split_input, vectors_of, with_input

__all__ = ["MOST_VECTORS_BYTES", "Wanted", "WantedAnswer", "WantedVectors"]

MOST_INPUTS = 4096
"""Texts of one call; OpenAI takes 2048."""
MOST_VECTORS_BYTES = 32 * 1024 * 1024
"""An answer that is put together. Beyond it the engine is asked for the whole, which is then passed on as it comes."""

_FINISH = re.compile(rb'"finish_reason" ?: ?"(\w+)"')
_GOOD = {b"stop", b"length", b"tool_calls", b"function_call"}


class Wanted(Protocol):
    keys: tuple[bytes, ...]
    flight: bytes  # of all equal requests
    body: bytes  # the call as it was keyed

    def given(self, found: Sequence[Shelved]) -> tuple[bytes, bytes]:
        """The line that says the body's kind, and the body, from what was kept under all keys."""

    def rest(self, found: Sequence[Shelved | None]) -> bytes:
        """The call for what was not found."""

    def mended(self, found: Sequence[Shelved | None], answer: bytes) -> bytes | None:
        """The whole, of what was found and the engine's answer to the rest; None: it is no answer to that."""

    def brought(
        self, found: Sequence[Shelved | None], kind: bytes, answer: bytes, usage: Usage | None, identity: str
    ) -> list[Shelved]:
        """What may be kept of an engine's answer to the rest, which ended as it should."""


class WantedAnswer:
    """One whole answer, in the form that was asked for."""

    def __init__(self, about: Sequence[str], fields: dict[str, msgspec.Raw]) -> None:
        self.flight = digest(about, fields)
        self.keys: tuple[bytes, ...] = (self.flight,)
        self.body = body_of(fields)

    def given(self, found: Sequence[Shelved]) -> tuple[bytes, bytes]:
        return found[0].kind, found[0].body

    def rest(self, found: Sequence[Shelved | None]) -> bytes:
        return self.body

    def mended(self, found: Sequence[Shelved | None], answer: bytes) -> bytes | None:
        return answer

    def brought(
        self, found: Sequence[Shelved | None], kind: bytes, answer: bytes, usage: Usage | None, identity: str
    ) -> list[Shelved]:
        """An answer that a filter cut, or that ended in a way that we do not know, is not kept."""
        if not (ends := set(_FINISH.findall(answer))) or ends - _GOOD:
            return []
        tokens = (usage.prompt_tokens or 0, usage.completion_tokens or 0) if usage else (0, 0)
        return [Shelved(self.flight, identity, kind, answer, tokens)]


class WantedVectors:
    """A vector for each text of a list. A text that stands in it twice is asked for once."""

    def __init__(self, about: Sequence[str], fields: dict[str, msgspec.Raw], texts: list[bytes]) -> None:
        alike = digest(about, fields, leave_out="input")
        self.keys = tuple(hashlib.blake2b(alike + text, digest_size=32).digest() for text in texts)
        self.flight = hashlib.blake2b(b"".join(self.keys), digest_size=32).digest()
        self.body = body_of(fields)
        self._fields, self._texts, self._model = fields, texts, about[0]

    @classmethod
    def read(cls, about: Sequence[str], fields: dict[str, msgspec.Raw]) -> WantedVectors | None:
        texts = split_input(fields["input"]) if "input" in fields else None
        return cls(about, fields, texts) if texts and len(texts) <= MOST_INPUTS else None

    def given(self, found: Sequence[Shelved]) -> tuple[bytes, bytes]:
        return found[0].kind, joined([each.body for each in found], self._model)

    def _missing(self, found: Sequence[Shelved | None]) -> dict[bytes, int]:
        """Key -> the place of the first text that has it."""
        places: dict[bytes, int] = {}
        for place, (key, each) in enumerate(zip(self.keys, found, strict=True)):
            if each is None:
                places.setdefault(key, place)
        return places

    def rest(self, found: Sequence[Shelved | None]) -> bytes:
        missing = self._missing(found)
        if len(missing) == len(self.keys):
            return self.body
        return with_input(self._fields, [self._texts[place] for place in missing.values()])

    def mended(self, found: Sequence[Shelved | None], answer: bytes) -> bytes | None:
        missing = self._missing(found)
        fresh = vectors_of(answer, len(missing))
        if fresh is None:
            return None
        by_key = dict(zip(missing, fresh, strict=True))
        whole = [each.body if each else by_key[key] for key, each in zip(self.keys, found, strict=True)]
        return joined(whole, self._model, answer)

    def brought(
        self, found: Sequence[Shelved | None], kind: bytes, answer: bytes, usage: Usage | None, identity: str
    ) -> list[Shelved]:
        """How many tokens one text had is known when it was alone."""
        missing = self._missing(found)
        vectors = vectors_of(answer, len(missing)) or []
        tokens = (usage.prompt_tokens or 0, 0) if usage and len(missing) == 1 else (0, 0)
        return [Shelved(key, identity, kind, vector, tokens) for key, vector in zip(missing, vectors, strict=False)]
