"""Beginnings that requests share: so many, each of one length for good, the k-th used 1/k^zipf times as often as the
first (Zipf's law; 0: all alike)."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from headway.perf.traffic.draws import stream
from headway.perf.traffic.lengths import law
from headway.perf.traffic.pieces import PREFIX, piece_id
from headway.perf.traffic.planned import Piece
from headway.spec.workload import Prefix

__all__ = ["Prefixes"]


class Prefixes:
    """`group`: parts of a mix with the same prefix have the same texts."""

    def __init__(self, prefix: Prefix, group: int, seed: int) -> None:
        drawn, draw = law(prefix.tokens), stream(seed, f"prefix {group}")
        self.pieces = [Piece(piece_id(PREFIX, group, rank), drawn(draw.random())) for rank in range(prefix.count)]
        self._sums = list(accumulate((rank + 1) ** -prefix.zipf for rank in range(prefix.count)))

    def pick(self, part: float) -> Piece:
        """`part`: of [0, 1)."""
        return self.pieces[min(bisect_right(self._sums, part * self._sums[-1]), len(self.pieces) - 1)]
