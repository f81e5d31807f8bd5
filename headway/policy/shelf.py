"""What is kept for a while: by key, within so many bytes, none longer than its time. Pure: the time is passed in.

The entry used longest ago goes first when room is needed. What is too old is never given, and `sweep` lets go of it, so
that nothing outlives its time in memory because nobody asks. `OVERHEAD` is what one entry costs besides its bytes, as
measured in CPython (a test compares), so that the bound is one of memory and not of what was written.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["OVERHEAD", "Shelf"]

OVERHEAD = 1024
"""Bytes: the key twice, the entry, its texts and its places in the two orders."""

T = TypeVar("T")


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T
    bytes: int
    at: float


class Shelf(Generic[T]):
    """`evicted`, `expired`: how many went for want of room, and for their age."""

    def __init__(self, size: int, ttl: float) -> None:
        self.size, self.ttl = size, ttl
        self.bytes = self.evicted = self.expired = 0
        self._entries: OrderedDict[bytes, _Entry[T]] = OrderedDict()  # used longest ago first
        self._by_age: deque[tuple[float, bytes]] = deque()  # oldest first; of an entry that was replaced, twice

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, now: float) -> tuple[T, float] | None:
        """The value and its age in seconds."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        age = now - entry.at
        if age > self.ttl:
            self._drop(key)
            self.expired += 1
            return None
        self._entries.move_to_end(key)
        return entry.value, age

    def put(self, key: bytes, value: T, size: int, now: float) -> bool:
        """False: it is larger than a quarter of the shelf, and would drive out all that is useful."""
        size += OVERHEAD
        if 4 * size > self.size:
            return False
        if key in self._entries:
            self._drop(key)
        self._entries[key] = _Entry(value, size, now)
        self._by_age.append((now, key))
        self.bytes += size
        self._make_room()
        return True

    def resize(self, size: int, ttl: float) -> None:
        self.size, self.ttl = size, ttl
        self._make_room()

    def sweep(self, now: float) -> None:
        """Let go of what is too old."""
        while self._by_age and now - self._by_age[0][0] > self.ttl:
            at, key = self._by_age.popleft()
            if self._is_current(at, key):
                self._drop(key)
                self.expired += 1

    def _make_room(self) -> None:
        while self.bytes > self.size:
            key = next(iter(self._entries))
            self._drop(key)
            self.evicted += 1
        while self._by_age and not self._is_current(*self._by_age[0]):
            self._by_age.popleft()
        if len(self._by_age) > 2 * len(self._entries) + 64:
            self._by_age = deque(each for each in self._by_age if self._is_current(*each))

    def _is_current(self, at: float, key: bytes) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry.at == at

    def _drop(self, key: bytes) -> None:
        self.bytes -= self._entries.pop(key).bytes
