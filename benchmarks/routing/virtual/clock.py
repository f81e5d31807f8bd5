"""Time that passes when nothing is left to do in the present moment. What is due at the same time is done in the order
in which it was asked for, so a run is the same each time."""

from __future__ import annotations

import heapq
from collections.abc import Callable

__all__ = ["Clock"]


class Clock:
    """Seconds of the wall, were there one."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def time(self) -> float:
        return self.now

    def at(self, due: float, do: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (max(due, self.now), self._count, do))

    def run(self, until: float, ended: Callable[[], bool]) -> None:
        while self._due and self._due[0][0] <= until and not ended():
            self.now, _, do = heapq.heappop(self._due)
            do()
