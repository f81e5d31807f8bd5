"""What will happen when: a heap of calls in virtual time. Those of one moment are made in the order they were noted."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

__all__ = ["Agenda"]

Call = Callable[[Any], None]


class Agenda:
    """`now` never goes back."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Call, Any]] = []
        self._noted = 0

    def __len__(self) -> int:
        return len(self._heap)

    def at(self, time: float, call: Call, of: Any = None) -> None:
        """`call(of)` is made then, or now if that has passed."""
        self._noted += 1
        heapq.heappush(self._heap, (time if time > self.now else self.now, self._noted, call, of))

    @property
    def next(self) -> float:
        return self._heap[0][0] if self._heap else float("inf")

    def turn(self) -> None:
        """Makes the next call. There must be one."""
        self.now, _, call, of = heapq.heappop(self._heap)
        call(of)
