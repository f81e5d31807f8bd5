"""One coarse timer for every deadline of the process.

A thing with a deadline is put into the slot of its tick; one loop timer is armed for the earliest slot, so an
idle gateway does not wake up. A deadline that moves later costs nothing: the thing stays in its early slot
and is moved when that slot comes. Only a deadline that moves earlier, or a thing that ends, touches the
slots.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from abc import ABC, abstractmethod

__all__ = ["Timed", "Wheel"]


class Timed(ABC):
    """Something with one deadline at a time. `due` is loop time; infinity = none."""

    __slots__ = ("due", "slot")

    def __init__(self) -> None:
        self.due = math.inf
        self.slot = -1

    @abstractmethod
    def on_due(self, now: float) -> None:
        """The deadline came. It may set a new one."""


class Wheel:
    def __init__(self, loop: asyncio.AbstractEventLoop, tick: float) -> None:
        self.time = loop.time
        self._loop, self._tick = loop, tick
        self._slots: dict[int, set[Timed]] = {}
        self._order: list[int] = []
        self._armed: asyncio.TimerHandle | None = None
        self._armed_for = -1

    def __len__(self) -> int:
        return sum(len(slot) for slot in self._slots.values())

    def set(self, item: Timed, due: float) -> None:
        """Move the item's deadline."""
        item.due = due
        if item.slot >= 0:
            if due >= item.slot * self._tick:
                return
            self._slots[item.slot].discard(item)
        if due == math.inf:
            item.slot = -1
            return
        self._put(item)

    def cancel(self, item: Timed) -> None:
        item.due = math.inf
        if item.slot >= 0:
            self._slots[item.slot].discard(item)
            item.slot = -1

    def stop(self) -> None:
        if self._armed:
            self._armed.cancel()
        for items in self._slots.values():
            for item in items:
                item.slot = -1
        self._slots.clear()
        self._order.clear()

    def _put(self, item: Timed) -> None:
        slot = item.slot = math.ceil(item.due / self._tick)
        if (items := self._slots.get(slot)) is None:
            self._slots[slot] = {item}
            heapq.heappush(self._order, slot)
            self._arm()
        else:
            items.add(item)

    def _arm(self) -> None:
        if not self._order or (self._armed and self._armed_for == self._order[0]):
            return
        if self._armed:
            self._armed.cancel()
        self._armed_for = self._order[0]
        self._armed = self._loop.call_at(self._armed_for * self._tick, self._fire)

    def _fire(self) -> None:
        self._armed = None
        now = self._loop.time()
        while self._order and self._order[0] * self._tick <= now + 0.001:
            items = self._slots.pop(heapq.heappop(self._order))
            for item in items:
                item.slot = -1
            for item in items:
                self._settle(item, now)
        self._arm()

    def _settle(self, item: Timed, now: float) -> None:
        if item.due <= now + 0.001:
            item.due = math.inf
            item.on_due(now)
        elif item.due < math.inf and item.slot < 0:
            self._put(item)
