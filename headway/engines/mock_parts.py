"""Answers of the mock engine in several parts: thinking before the text, more than one call. Pure.

To the batch Parts are what any other answer is, a row of tokens; `mock_voice.ChatInParts` tells each in its part's
place, as an engine with a reasoning parser and a tool parser does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from headway.engines.mock_answers import Prattle, Recital

__all__ = ["Part", "Parts"]


@dataclass(frozen=True, slots=True)
class Part:
    """`length` in tokens; None = without end, which only the last one may be. `tool` and `number` are of a call."""

    kind: Literal["reasoning", "content", "call"]
    said: Prattle | Recital
    length: int | None
    tool: str = ""
    number: int = 0


class Parts:
    """Satisfies what a Sequence and a Telling want of an answer."""

    __slots__ = ("all", "length")

    def __init__(self, parts: Sequence[Part]) -> None:
        self.all = tuple(parts)
        lengths = [part.length for part in parts]
        self.length = None if None in lengths else sum(each or 0 for each in lengths)

    def upto(self, end: int) -> Iterator[tuple[Part, int]]:
        """Each part that has begun, and how many of its tokens are among the first `end`."""
        for part in self.all:
            if end <= 0:
                return
            here = end if part.length is None else min(end, part.length)
            yield part, here
            end -= here

    def place(self, index: int) -> tuple[Part, int]:
        """The part that a token is in, and its index there."""
        for part in self.all:
            if part.length is None or index < part.length:
                return part, index
            index -= part.length
        raise IndexError(index)

    def piece(self, index: int) -> bytes:
        part, at = self.place(index)
        return part.said.piece(at)

    def tokens(self, start: int, end: int) -> bytes:
        places = (self.place(index) for index in range(start, end))
        return b"".join(part.said.tokens(at, at + 1) for part, at in places)

    def text(self, end: int) -> str:
        return "".join(part.said.text(here) for part, here in self.upto(end))

    def together(self, start: int, end: int) -> int:
        """Up to where tokens from `start` on are of one part: at most `end`."""
        part, at = self.place(start)
        return end if part.length is None else min(end, start + part.length - at)
