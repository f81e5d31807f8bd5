"""A prompt's pieces as the gateway hashes its text: one hash for each boundary of `policy.prefix`, chained.

The gateway hashes bytes; here equal ids are equal text, four bytes a token. Only integers are mixed, so the hashes are
the same on every machine and Python.
"""

from __future__ import annotations

from collections.abc import Iterable

from headway.perf.traffic.planned import Piece
from headway.policy.prefix import BOUNDARIES

__all__ = ["TOKEN_BYTES", "chain_of"]

TOKEN_BYTES = 4
_ENDS = tuple(each // TOKEN_BYTES for each in BOUNDARIES[1:])
_MASK = (1 << 64) - 1
_ODD = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio, odd (Knuth's multiplicative hashing)."""


def chain_of(pieces: Iterable[Piece], seed: int) -> list[int]:
    """`seed`: of all that must be equal too for a cache to be shared."""
    found: list[int] = []
    at, so_far = 0, seed & _MASK
    ends = iter(_ENDS)
    end = next(ends)
    for piece in pieces:
        here = _mixed(so_far, piece.id)
        after = at + piece.tokens
        while end <= after:
            found.append(_mixed(here, end - at))
            end = next(ends, 0)
            if not end:
                return found
        so_far, at = _mixed(here, piece.tokens), after
    return found


def _mixed(one: int, other: int) -> int:
    mixed = ((one ^ other) * _ODD) & _MASK
    return mixed ^ (mixed >> 31)
