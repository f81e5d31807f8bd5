"""Replicas over time that are at least as many as needed, when each start takes and costs a cold start: the cheapest.

Level k is the k-th replica; it is needed while the need is k or more. Each level alone is a ski rental: through a gap
shorter than a cold start it is kept, before a longer one it leaves and is started again in time (Lu & Chen, arXiv
1112.0442). Exact for a given need, because levels do not touch one another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Plan", "levels"]


@dataclass(frozen=True, slots=True)
class Plan:
    """`replicas`: by slot, ready or starting; `ready`: of them; `starts`: how many began. `replica_seconds` also has
    the part of starts that lies before the first slot."""

    replicas: tuple[int, ...]
    ready: tuple[int, ...]
    starts: int
    replica_seconds: float

    @property
    def peak(self) -> int:
        return max(self.replicas, default=0)


def levels(need: Sequence[int], slot: float, cold_start: float, ready: int = 0) -> Plan:
    """`ready`: replicas that are there at the beginning, at no start's cost."""
    cold = math.ceil(cold_start / slot - 1e-9)
    total, serving, starts, before = [0] * len(need), [0] * len(need), 0, 0
    for level in range(1, max(need, default=0) + 1):
        there_until = 0 if level <= ready else None  # the slot up to which it is there
        for begin, end in _runs(need, level):
            if there_until is not None and begin - there_until <= cold:
                first = serves = there_until
            else:
                starts, first, serves = starts + 1, begin - cold, begin
            before += max(0, -first)
            for index in range(max(0, first), end):
                total[index] += 1
                serving[index] += index >= serves
            there_until = end
    return Plan(tuple(total), tuple(serving), starts, (sum(total) + before) * slot)


def _runs(need: Sequence[int], level: int) -> Iterator[tuple[int, int]]:
    """Slots [begin, end) in which at least so many are needed."""
    begin: int | None = None
    for index, replicas in enumerate(need):
        if replicas >= level and begin is None:
            begin = index
        elif replicas < level and begin is not None:
            yield begin, index
            begin = None
    if begin is not None:
        yield begin, len(need)
