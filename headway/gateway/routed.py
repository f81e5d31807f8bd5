"""A request for a name that stands for several Models (kind Route): an Exchange that can go on to the next Model.

It does so before the first byte of an answer and never after it, on three conditions: the Model's engines fail, all its
places are taken, or nothing has come of the answer in time. What an Exchange does besides stays as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from headway.gateway.asked import Asked
from headway.gateway.caller import Client
from headway.gateway.catalog import Route
from headway.gateway.exchange import Exchange
from headway.gateway.journey import Journey
from headway.gateway.public import Public
from headway.gateway.toll import Tolled
from headway.policy.route import Condition, RouteWhy
from headway.wire.openai import Refusal, wrong_operation

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["RoutedExchange"]

_KEY_REFUSED: Final = (401, 403)
_TOO_MANY: Final = 429


class RoutedExchange(Exchange):
    def __init__(self, gateway: Gateway, client: Client, asked: Asked, public: Public) -> None:
        super().__init__(gateway, client, asked)
        self._journey = Journey(gateway, asked, public)
        self._leaves: Condition | None = None  # the Model's answer was an error: it is left for this
        self._begun = False
        self._copied = False
        self.steps = self._journey.steps

    @property
    def name(self) -> str:
        return self._journey.public.rule.name

    def place(self) -> None:
        if self._ended:
            return
        if not self._begun:
            self._begun = True
            if not self._journey.begin(self._gateway.time()):
                self.refuse(self._nobody_serves())
                return
        super().place()

    def _route(self) -> Route | None:
        """The Model that it is at; with the Route's own caches, if it has some."""
        public = self._gateway.catalog.publics.get(self.name)
        if public is None or public.cached is None:
            return super()._route()
        return public.cached.get(self._asked.model)

    def _unknown(self) -> None:
        """The table has its Model no more."""
        if self._moves("error"):
            self.place()
        else:
            self.refuse(self._nobody_there())

    def _nobody_serves(self) -> Refusal:
        if all(step.why == RouteWhy.NO_SUCH_MODEL for step in self._journey.steps):
            return self._nobody_there()
        return wrong_operation(self.name, self._journey.public.charged.task, self._asked.operation.path)

    def _nobody_there(self) -> Refusal:
        message = f"The model {self.name!r} cannot answer now: no Model behind it is there."
        return Refusal(503, "model_not_ready", message, retry_after=5)

    def _enter(self, route: Route, now: float) -> bool:
        """Through the caller's gate under the Route's own name, and through that of the Route's budget."""
        asked, gate = self._asked, self._asked.gate
        inner = gate.inner if isinstance(gate, Tolled) else gate
        charged, prompt = self._journey.public.charged, asked.prompt(route)
        if not inner.passed:
            found = inner.enter(self, charged, asked.call, prompt, now)
            if found is not None or inner is gate:
                return self._goes_in(found, now)
        if not isinstance(gate, Tolled):
            return True
        found = gate.own.enter(self, route.model, asked.call, prompt, now)
        if not isinstance(found, Refusal):
            return self._goes_in(found, now)
        gate.own.leave(self, None, whole=False, free=True)
        self._journey.turned_away(found.message, now)
        self._starts_anew()
        self.place()
        return False

    # when a Model is left

    def _moves(self, condition: Condition) -> bool:
        """The next Model has it now; what it held of a Route's budget is settled."""
        gate, now = self._asked.gate, self._gateway.time()
        if not self._journey.move(condition, now):
            if condition == "deadline":
                self._journey.due = float("inf")
            return False
        if isinstance(gate, Tolled):
            gate.own.leave(self, None, whole=False, free=condition != "deadline")
        self._starts_anew()
        return True

    def _starts_anew(self) -> None:
        self._has_turn, self._wait_began, self._first_byte = False, None, None
        self._tries.reached = 0  # at this Model: its retry budget is not for what others lost
        self._placement.unwilling = frozenset()
        if self._recall is not None:
            self._client, self._recall = self._recall.left(self._client), None

    def _line_up(self, route: Route, now: float) -> None:
        if self._moves("saturated"):
            self.place()
        else:
            super()._line_up(route, now)

    def _wait(self, route: Route, now: float, look_again: float) -> None:
        if self._moves("error"):
            self.place()
        else:
            super()._wait(route, now, look_again)

    def prefers_another(self, status: int) -> bool:
        if super().prefers_another(status):
            return True
        refused = status in _KEY_REFUSED and self._dispatch is not None and bool(self._dispatch.upstream.key_name)
        if status < 500 and status != _TOO_MANY and not refused:
            return False
        condition: Condition = "saturated" if status == _TOO_MANY else "error"
        if not self._journey.can_move(condition):
            return False
        if status >= 500 and self._dispatch is not None:
            self._gateway.trouble.erred(self._dispatch.upstream, self._asked.model, status)
        self._leaves = condition
        return True

    def lost(self, reason: str) -> None:
        condition, self._leaves = self._leaves, None
        if condition is not None and self._tries.all and self._dispatch is not None:
            self._dispatch = None
            self._gateway.tally.lost(reason)
            self._tries.failed(reason, self._gateway.time())
            self._moves(condition)
            self.place()
            return
        super().lost(reason)

    def sending(self, reused: bool) -> None:
        super().sending(reused)
        if (shadow := self._journey.public.rule.shadow) is not None and not self._copied:
            self._copied = True
            self._gateway.shadows.copy(self.name, shadow, self._asked, self._gateway.draw())

    # time

    @property
    def _stays(self) -> bool:
        """The caller has got something of an answer, or no Model has been asked yet."""
        started = self._dispatch is not None and self._dispatch.started
        return started or (self._hold is not None and self._hold.gated)

    def next_due(self) -> float:
        due = super().next_due()
        return due if self._stays else min(due, self._journey.due)

    def on_due(self, now: float) -> None:
        late = now >= self._journey.due - 0.001 and now < self._asked.deadline - 0.001
        if self._ended or self._stays or not late:
            super().on_due(now)
            return
        if not self._journey.can_move("deadline"):
            self._journey.due = float("inf")
            self._client.wake_at(self.next_due())
            return
        self._give_up()
        if self._dispatch is not None:
            self._tries.failed("timeout", now)
            self._dispatch = None
        self._moves("deadline")
        self.place()

    # the ends

    def refuse(self, refusal: Refusal) -> None:
        """What the Models behind it are called is not the caller's business."""
        if self._asked.model != self.name:
            message = refusal.message.replace(repr(self._asked.model), repr(self.name))
            refusal = replace(refusal, message=message)
        super().refuse(refusal)
