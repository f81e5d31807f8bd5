"""What one request is held for before it is sent, and until when. Made when it is first held; most never are.

One thing at a time: the gate (limits that the hub must lend first) or a cache, the fair line for a place, or the lobby
(no endpoint can take it now). How long each took and what was said of it is in `waits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from headway.gateway.frames import Lined
from headway.gateway.hubline import Queued
from headway.gateway.waiting import Waiter
from headway.gateway.waits import Waits

if TYPE_CHECKING:
    from headway.gateway.asked import Asked
    from headway.gateway.core import Gateway

__all__ = ["Held", "Hold"]


class Held(Queued, Waiter, Protocol):
    """Whose request it is."""


class Hold:
    """`until`: it comes back by itself then (loop time); None = in the line, or not held now."""

    __slots__ = ("_asked", "_gated", "_gateway", "_held", "_in_lobby", "_number", "until", "waits")

    def __init__(self, gateway: Gateway, asked: Asked, held: Held) -> None:
        self.until: float | None = None
        self.waits = Waits(asked.request.accepted)
        self._gateway, self._asked, self._held = gateway, asked, held
        self._gated = self._in_lobby = False
        self._number = 0  # under which it stands in the line

    @property
    def gated(self) -> bool:
        """At the gate: it is not yet any Model's to answer it."""
        return self._gated

    def at(self, where: Literal["gate", "cache"], until: float, now: float, *, told: bool = True) -> None:
        """`told`: it is long enough to be told of."""
        self.until, self._gated = until, where == "gate"
        if told:
            self.waits.begin(where, now)

    def line_up(self, model: str, cost: float, now: float) -> None:
        """`cost` in prompt tokens. The hub calls `turn`."""
        asked, gate = self._asked, self._asked.gate
        self.waits.begin("line", now)
        self._number = self._gateway.hub.line_up(
            self._held,
            model=model,
            tenant=gate.tenant,
            priority=asked.priority,
            weight=gate.weight,
            cost=cost,
            size=self._held.size,
            patience=asked.deadline - now,
        )

    def lined(self, frame: Lined) -> None:
        """The hub says how long the line is."""
        self.waits.told(frame.ahead, frame.waiting, frame.eta)

    def turn(self) -> int:
        """Its turn has come. Returns the number to leave the line with."""
        number, self._number = self._number, 0
        return number

    def enter_lobby(self, look_again: float, give_up_at: float, now: float) -> bool:
        """False when there is no room."""
        if not self._gateway.lobby.line(self._asked.model).join(self._held, look_again):
            return False
        self._in_lobby, self.until = True, give_up_at
        self.waits.begin("lobby", now)
        return True

    def over(self, now: float) -> None:
        """It looks for an endpoint again. Who stands in the line goes on standing there."""
        self.until, self._gated = None, False
        if self._in_lobby:
            self._in_lobby = False
            self._gateway.lobby.leave(self._asked.model, self._held)
        self.waits.end(now)

    def give_up(self, now: float) -> None:
        if number := self.turn():
            self._gateway.hub.leave(number)
        self.over(now)
