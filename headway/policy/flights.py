"""Equal requests at the same time: one leads and goes to the engine, the others wait for what it brings. Pure.

Nobody waits for a leader that is gone: when one fails, whoever waited longest leads. How long one waits is its own
affair: it leaves when it likes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, Literal, TypeVar

__all__ = ["Flights"]

Who = TypeVar("Who", bound=Hashable)


class _Flight(Generic[Who]):
    __slots__ = ("leader", "waiting")

    def __init__(self, leader: Who) -> None:
        self.leader = leader
        self.waiting: deque[Who] = deque()


class Flights(Generic[Who]):
    """`most` may wait for one leader; more of them go on their own."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._flights: dict[bytes, _Flight[Who]] = {}
        self._of: dict[Who, bytes] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def everyone(self) -> list[Who]:
        """Who leads or waits."""
        return list(self._of)

    def join(self, key: bytes, who: Who, *, waits: bool) -> Literal["lead", "wait", "go"]:
        flight = self._flights.get(key)
        if flight is None:
            self._flights[key] = _Flight(who)
            self._of[who] = key
            return "lead"
        if not waits or len(flight.waiting) >= self._most:
            return "go"
        flight.waiting.append(who)
        self._of[who] = key
        return "wait"

    def land(self, who: Who) -> list[Who]:
        """A leader is back, whatever it brings: those who waited, who wait no more. Of one that led nothing none."""
        key = self._of.get(who)
        if key is None or self._flights[key].leader != who:
            return []
        flight = self._flights.pop(key)
        for each in (who, *flight.waiting):
            del self._of[each]
        return list(flight.waiting)

    def leave(self, who: Who) -> Who | None:
        """It waits no more, or leads no more and brought nothing: then who leads in its place is returned."""
        key = self._of.pop(who, None)
        if key is None:
            return None
        flight = self._flights[key]
        if flight.leader != who:
            flight.waiting.remove(who)
            return None
        if not flight.waiting:
            del self._flights[key]
            return None
        flight.leader = flight.waiting.popleft()
        return flight.leader
