"""The ids of Pieces: what is whose, so that nothing is shared by accident and all that is to be shared is.

An id is below 2^62: what it is (two bits), whose it is (ten: the part of a mix), and which of those.
"""

from __future__ import annotations

from collections.abc import Sequence

from headway.perf.traffic.planned import Piece

__all__ = ["ANSWER", "BLOCK", "OWN", "PREFIX", "fitted", "piece_id"]

OWN, ANSWER, PREFIX, BLOCK = range(4)
_WHOSE = 1 << 10
_BLOCKS = (1 << 60) - 1


def piece_id(what: int, whose: int, which: int) -> int:
    """`which`: of a BLOCK its hash (of any size), of which 60 bits count; of others a number below 2^50."""
    if what == BLOCK:
        return (which & _BLOCKS) << 2 | BLOCK
    return (which * _WHOSE + whose) << 2 | what


def fitted(prompt: Sequence[Piece], output: int, context: int) -> tuple[tuple[Piece, ...], int]:
    """Into a window: the prompt loses its end, and keeps at least one token; the answer only what is then too much."""
    output = min(output, context - 1)
    room = context - output
    kept: list[Piece] = []
    for piece in prompt:
        if room <= 0:
            break
        kept.append(piece if piece.tokens <= room else Piece(piece.id, room))
        room -= piece.tokens
    return tuple(kept), output
