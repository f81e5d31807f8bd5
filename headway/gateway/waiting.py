"""Requests that no endpoint can take now, one bounded line a model, first come first served.

The line does not decide anything: when the world may have changed (a new table, a pause after a failure is
over, an endpoint works again) every request in it looks for an endpoint anew, in order, and those that find
none line up again.
"""

from __future__ import annotations

import math
from typing import Protocol

from headway.gateway.settings import Settings
from headway.gateway.timers import Timed, Wheel

__all__ = ["Line", "Lobby", "Waiter"]


class Waiter(Protocol):
    @property
    def size(self) -> int: ...
    def place(self) -> None: ...


class Line(Timed):
    def __init__(self, settings: Settings, wheel: Wheel) -> None:
        super().__init__()
        self._settings, self._wheel = settings, wheel
        self._waiters: dict[Waiter, None] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiters)

    def join(self, waiter: Waiter, look_again: float) -> bool:
        """Line up; False when the line is full. `look_again` is a time, infinity = only when something
        changes."""
        settings = self._settings
        if len(self) >= settings.waiting_max or self._bytes + waiter.size > settings.waiting_bytes:
            return False
        self._waiters[waiter] = None
        self._bytes += waiter.size
        if look_again < self.due:
            self._wheel.set(self, look_again)
        return True

    def leave(self, waiter: Waiter) -> None:
        if waiter in self._waiters:
            del self._waiters[waiter]
            self._bytes -= waiter.size

    def look(self) -> None:
        """Each looks for an endpoint again, in order."""
        waiters = list(self._waiters)
        self._waiters.clear()
        self._bytes = 0
        self._wheel.set(self, math.inf)
        for waiter in waiters:
            waiter.place()

    def on_due(self, now: float) -> None:
        self.look()


class Lobby:
    def __init__(self, settings: Settings, wheel: Wheel) -> None:
        self._settings, self._wheel = settings, wheel
        self._lines: dict[str, Line] = {}

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def line(self, model: str) -> Line:
        if (line := self._lines.get(model)) is None:
            line = self._lines[model] = Line(self._settings, self._wheel)
        return line

    def leave(self, model: str, waiter: Waiter) -> None:
        if line := self._lines.get(model):
            line.leave(waiter)

    def look(self) -> None:
        """The world changed: everybody looks again."""
        for model, line in list(self._lines.items()):
            line.look()
            if not line:
                self._wheel.cancel(line)
                self._lines.pop(model, None)

    def counts(self) -> dict[str, int]:
        return {model: len(line) for model, line in self._lines.items() if line}
