"""A prompt's pieces as runs of whole KV blocks: equal keys are equal text, from the run's beginning.

An engine hashes each block with all that stands before it, so two prompts share blocks as long as their text is the
same. A long piece is one run here, not hundreds of hashes: sharing is found in steps of pieces and stays exact to the
block. A block that holds the end of one piece and the beginning of another is a run of its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from headway.perf.traffic.planned import Piece

__all__ = ["Segment", "segments"]

Segment = tuple[Hashable, int]
"""(key, blocks)."""


def segments(pieces: Iterable[Piece], block: int) -> list[Segment]:
    """In order; tokens behind the last whole block are left out."""
    found: list[Segment] = []
    mixed: list[tuple[int, int, int]] = []
    filled = 0
    for piece in pieces:
        number, left, offset = piece.id, piece.tokens, 0
        if filled:
            offset = min(left, block - filled)
            mixed.append((number, 0, offset))
            filled, left = filled + offset, left - offset
            if filled < block:
                continue
            found.append((tuple(mixed), 1))
            mixed, filled = [], 0
        whole, filled = divmod(left, block)
        if whole:
            found.append(((number, offset), whole))
        if filled:
            mixed.append((number, offset + whole * block, filled))
    return found
