"""One request's way over the Models of its Route: which it is at, which it tried, and what was seen of the others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from headway.gateway.asked import Asked
from headway.gateway.catalog import Route
from headway.gateway.prompt import seed_of
from headway.gateway.public import Public
from headway.gateway.toll import Tolled
from headway.policy.price import cost
from headway.policy.route import Condition, RouteWhy, State, Step, first, following
from headway.policy.routing import outlook

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["Journey"]

MOST_STEPS = 64
"""Of a Record: a request may look at the same fallbacks again and again while it waits."""


class Journey:
    """`due`: loop time at which the Model that it is at is left if nothing of the answer has come."""

    __slots__ = ("_asked", "_gateway", "_home", "_tried", "due", "public", "steps")

    def __init__(self, gateway: Gateway, asked: Asked, public: Public) -> None:
        self.public, self.due = public, math.inf
        self.steps: list[Step] = []
        self._gateway, self._asked = gateway, asked
        self._tried: set[str] = set()
        self._home = ""

    def begin(self, now: float) -> bool:
        """At the first Model. False = no Model of the Route is there for this operation."""
        rule = self.public.rule
        point = self._asked.point(seed_of(f"route {rule.name}"))
        found = first(rule, point, self._asked.request.headers, self._state, self._outlook)
        if not (found and found[-1].taken):
            found += following(rule, "error", (), self._state)
        if not self._took(found, now):
            return False
        self._home = self._asked.model
        return True

    def move(self, condition: Condition, now: float) -> bool:
        """On to the next Model; False = none can answer better, stay."""
        if not self._asked.model:
            return False
        return self._took(following(self.public.rule, condition, self._tried, self._state), now)

    def can_move(self, condition: Condition) -> bool:
        found = following(self.public.rule, condition, self._tried, self._state)
        return bool(found) and found[-1].taken

    def turned_away(self, message: str, now: float) -> None:
        """The Route's budget for this Model is spent: on to the next, or back to where it began."""
        gone = self._asked.model
        self.steps[-1] = Step(gone, RouteWhy.BUDGET_SPENT, detail=message, at=self.steps[-1].at)
        if not self.move("error", now):
            self._go(self._home, now)

    def _took(self, found: list[Step], now: float) -> bool:
        at = now - self._asked.request.accepted
        if len(self.steps) < MOST_STEPS:
            known = {(each.model, each.why) for each in self.steps if not each.taken}
            fresh = (each for each in found if each.taken or (each.model, each.why) not in known)
            self.steps += [msgspec.structs.replace(each, at=at) for each in fresh]
        if not (found and found[-1].taken):
            return False
        self._go(found[-1].model, now)
        return True

    def _go(self, model: str, now: float) -> None:
        self._tried.add(model)
        asked = self._asked
        if isinstance(asked.gate, Tolled):
            asked.gate = asked.gate.inner
        asked.turn_to(model)
        route = self._gateway.catalog.routes.get(model)
        asked.bound(route.model.deadlines.whole if route is not None and route.model.deadlines is not None else None)
        if (payer := self.public.payers.get(model)) is not None and model != self._home:
            asked.gate = Tolled(self._gateway, asked.gate, payer)
        rule = self.public.rule
        more = any("deadline" in each.on and each.model not in self._tried for each in rule.fallback)
        left = asked.deadline - now
        self.due = now + (left / 2 if rule.within is None else rule.within) if more else math.inf

    # what is seen of a Model

    def _serves(self, name: str) -> Route | State:
        route, operation = self._gateway.catalog.routes.get(name), self._asked.operation
        if route is None:
            return State("unknown")
        if operation.known and route.model.task not in operation.tasks:
            return State("wrong_task")
        return route

    def _state(self, name: str) -> State:
        route = self._serves(name)
        if isinstance(route, State):
            return route
        gateway, now, most = self._gateway, self._gateway.time(), route.model.capacity
        gateway.catalog.look(now)
        full = bool(most) and all(each.running >= most for each in route.upstreams)
        return State(
            ready=any(each.cooling_until <= now for each in route.upstreams),
            saturated=full or name in gateway.hub.queueing,
        )

    def _outlook(self, name: str) -> State:
        """With what is predicted there: at its cheapest endpoint of those that answer soonest."""
        state, route, gateway = self._state(name), self._serves(name), self._gateway
        if isinstance(route, State) or not state.ready:
            return state
        now = gateway.time()
        prompt = self._asked.prompt_for(route)
        ask = prompt.ask(route, gateway.index, gateway.sessions, route.learned.turn)
        seen = [
            (outlook(ask, each, ask.matched[index], now), index)
            for index, each in enumerate(route.upstreams)
            if each.cooling_until <= now
        ]
        best, index = min(seen, key=lambda each: each[0].ttft)
        price = route.prices[index] if route.prices else route.model.price
        micros = None if price is None else float(cost(price, int(ask.tokens), int(ask.output)))
        return State(state.serves, state.ready, state.saturated, micros, best.ttft, best.itl)
