"""Tops of a need: stretches at a level that no higher one touches; what each would save, and what stands on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Top", "tops"]


@dataclass(frozen=True, slots=True)
class Top:
    """Slots [begin, end). `work`: replica-seconds above the level below; `saved`: replica-seconds of its replica."""

    begin: int
    end: int
    work: float
    saved: float


def tops(rates: Sequence[float], slot: float, cold_start: float) -> list[Top]:
    """Those that save the most for what stands on them first."""
    need = [math.ceil(each - 1e-9) for each in rates]
    found, begin = [], 0
    for end in range(1, len(need) + 1):
        if end < len(need) and need[end] == need[begin]:
            continue
        above_left = begin == 0 or need[begin - 1] < need[begin]
        above_right = end == len(need) or need[end] < need[begin]
        if need[begin] > 0 and above_left and above_right:
            work = sum(max(0.0, rates[index] - (need[begin] - 1)) for index in range(begin, end)) * slot
            found.append(Top(begin, end, work, (end - begin) * slot + cold_start))
        begin = end
    return sorted(found, key=lambda top: (-top.saved / max(top.work, 1e-9), top.begin))
