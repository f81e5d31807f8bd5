"""Objects that wait for a pass: each at most once in the line, and never in two passes at a time.

What changes while its pass runs comes again afterwards. Passes that fail come again after a back-off of their own, so
that one object that cannot be helped does not slow the others. As long as the objects there are; no longer.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Backoff", "Queue"]

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds."""

    first: float = 0.5
    """The wait after the first failure: most are a race with another writer."""

    factor: float = 2.0
    longest: float = 120.0
    """Whoever mends the cause by another object than the one that waits should not have to poke."""

    spread: float = 0.25
    """This share of each wait is drawn, so that what failed together does not come back together."""

    def after(self, failures: int, draw: float) -> float:
        """The wait after so many failures in a row; `draw` is from 0 to 1."""
        whole = min(self.longest, self.first * self.factor ** min(failures - 1, 32))
        return whole * (1 - self.spread * draw)


class Queue(Generic[Key]):
    """`clock` is in seconds; the event loop's when it is left out."""

    def __init__(self, backoff: Backoff | None = None, *, clock: Callable[[], float] | None = None) -> None:
        self._backoff, self._clock = backoff or Backoff(), clock or asyncio.get_running_loop().time
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._number = 0
        self._in_pass: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._woken = asyncio.Event()

    def __len__(self) -> int:
        return len(self._due)

    @property
    def failing(self) -> int:
        return len(self._failures)

    def add(self, key: Key, after: float = 0.0) -> None:
        """Let it come after so many seconds, or earlier if it was to come earlier."""
        due = self._clock() + after
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        self._number += 1
        heapq.heappush(self._heap, (due, self._number, key))
        if len(self._heap) > 2 * len(self._due) + 64:  # most are of wishes that were brought forward
            self._heap = [(due, number, key) for due, number, key in self._heap if self._due.get(key) == due]
            heapq.heapify(self._heap)
        self._woken.set()

    async def take(self) -> Key:
        """The next that is due; it is in its pass until `done`."""
        while True:
            self._woken.clear()
            found, wait = self._next()
            if found is not None:
                return found
            try:
                async with asyncio.timeout(wait):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def _next(self) -> tuple[Key | None, float | None]:
        """What is due now, or in how many seconds something will be. What is in a pass waits for its end."""
        kept: list[tuple[float, int, Key]] = []
        found, wait = None, None
        while self._heap:
            due, number, key = self._heap[0]
            if self._due.get(key) != due:
                heapq.heappop(self._heap)  # it was brought forward, or is gone
            elif due > (now := self._clock()):
                wait = due - now
                break
            else:
                heapq.heappop(self._heap)
                if key not in self._in_pass:
                    found = key
                    del self._due[key]
                    self._in_pass.add(key)
                    break
                kept.append((due, number, key))
        for each in kept:
            heapq.heappush(self._heap, each)
        return found, wait

    def done(self, key: Key) -> None:
        self._in_pass.discard(key)
        self._woken.set()

    def failed(self, key: Key) -> float:
        """Let it come again after its back-off, whose seconds are returned."""
        self._failures[key] = self._failures.get(key, 0) + 1
        wait = self._backoff.after(self._failures[key], random.random())  # noqa: S311 - spreads retries
        self.add(key, wait)
        return wait

    def succeeded(self, key: Key) -> None:
        self._failures.pop(key, None)
