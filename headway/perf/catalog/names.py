"""Names as people and drivers write them, compared word by word: `NVIDIA H100 80GB HBM3`, `h100_sxm`, `Qwen2.5-7B`.

Two names are the same when their words are: case, separators and the border between letters and a number do not count.
Separators do part numbers, so that `Qwen3-1.4B` is not `Qwen3-14B`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

__all__ = ["Words", "near", "words"]

Words = tuple[str, ...]

LIKE = 0.8
"""Of 2: below it a name is no suggestion."""

_WORD = re.compile(r"[a-z]+|\d+[a-z]*")


def words(name: str) -> Words:
    """`Llama-3.1-8B` -> llama, 3, 1, 8b."""
    return tuple(_WORD.findall(name.casefold()))


def near(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known names most like it, the likest first; with an organisation before the last `/` or without.

    Whole words that both have count as much as letters that both have in order.
    """
    wanted = words(name.rpartition("/")[2])
    scored = {each: _likeness(wanted, words(each.rpartition("/")[2])) for each in known}
    alike = [each for each in sorted(scored, key=lambda each: -scored[each]) if scored[each] >= LIKE]
    return alike[:most]


def _likeness(one: Words, other: Words) -> float:
    shared = len(set(one) & set(other)) / max(len(set(one) | set(other)), 1)
    return shared + SequenceMatcher(None, " ".join(one), " ".join(other)).ratio()
