"""How long one request waited, where, and what it was told when it began. Made when it first waits; most never do."""

from __future__ import annotations

from typing import Literal

from headway.gateway.record import Wait

__all__ = ["Waits"]


class Waits:
    """`since` is when the request was accepted; times are loop time."""

    __slots__ = ("_began", "_ended", "_since", "all")

    def __init__(self, since: float) -> None:
        self.all: list[Wait] = []
        self._since = since
        self._began: float | None = None
        self._ended = 0.0

    def begin(self, where: Literal["gate", "line", "lobby", "cache"], now: float) -> None:
        """It waits from now on. Who looked in vain and lines up again has never stopped."""
        last = self.all[-1] if self.all else None
        if last is not None and last.where == where and self._ended == now:
            self._began = now
        else:
            self._began = now
            self.all.append(Wait(where, now - self._since))

    def end(self, now: float) -> None:
        """Whatever it waited for, it does no more."""
        if self._began is not None:
            self.all[-1].seconds += now - self._began
            self._began, self._ended = None, now

    def told(self, ahead: int | None, waiting: int, eta: float) -> None:
        """What the line says of itself to who joins it."""
        if self._began is not None and self.all[-1].where == "line":
            last = self.all[-1]
            last.ahead, last.waiting, last.eta = ahead, waiting, eta

    @property
    def total(self) -> float:
        return sum(each.seconds for each in self.all)
