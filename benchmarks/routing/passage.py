"""Text for prompts: plain words, four bytes a token, told apart by their first bytes. Pure.

The mock engine's token is four bytes, and so is a real tokenizer's on average for English. Two passages of unlike
keys differ from their first tokens on, so that no cache finds one in the other; one key is one text.
"""

from __future__ import annotations

import random

__all__ = ["LONGEST", "TOKEN_BYTES", "passage"]

TOKEN_BYTES = 4
POOL_BYTES = 1 << 18
LONGEST = POOL_BYTES // 2 // TOKEN_BYTES
"""Tokens."""

TEXT = (
    "the line runs from here to the coast and back with a stop at each town where people wait for the morning train "
    "signal bridge tunnel engine water north early freight station timetable ticket winter platform guard crossing"
)


def _pool() -> str:
    draw = random.Random(20)
    return " ".join(draw.choices(TEXT.split(), k=POOL_BYTES // 3))[:POOL_BYTES]


POOL = _pool()


def passage(key: int, tokens: int) -> str:
    """So many tokens of text, always the same for the same key (48 bits)."""
    if tokens > LONGEST:
        raise ValueError(f"a passage of {tokens} tokens: the longest is {LONGEST}")
    at = key * 7919 % (POOL_BYTES // 2)
    length = tokens * TOKEN_BYTES
    return (f"{key:012x}: " + POOL[at : at + length])[:length]
