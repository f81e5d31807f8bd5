"""Names as people and drivers write them, compared word by word: `NVIDIA H100 80GB HBM3`, `h100_sxm`, `Qwen2.5-7B`.

Two names are the same when their words are: case, separators and the border between letters and a number do not count.
Separators do part numbers, so that `Qwen3-1.4B` is not `Qwen3-14B`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["Words", "near", "words"]

Words = tuple[str, ...]

_WORD = re.compile(r"[a-z]+|\d+[a-z]*")


def words(name: str) -> Words:
    """`Llama-3.1-8B` -> llama, 3, 1, 8b."""
    return tuple(_WORD.findall(name.casefold()))


def near(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known names most like it, the likest first; with an organisation before the last `/` or without."""
    by_words = {" ".join(words(each.rpartition("/")[2])): each for each in known}
    wanted = " ".join(words(name.rpartition("/")[2]))
    return [by_words[each] for each in get_close_matches(wanted, by_words, n=most, cutoff=0.5)]
