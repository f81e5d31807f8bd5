"""One request for which an endpoint is picked: the gateway's Exchange, but that a data plane sends it.

Everything before and after is the same: limits, the fair line, the choice, what the answer teaches, the Record. What
differs: several endpoints are named in order, for the data plane tries the next one itself; nobody is kept waiting for
an endpoint to come (the protocol wants 503); and the data plane tells which one it was in the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec

from headway.gateway.caching.rules import Caching
from headway.gateway.caller import Client
from headway.gateway.catalog import Route
from headway.gateway.core import Gateway
from headway.gateway.exchange import Exchange
from headway.gateway.journey import Journey
from headway.gateway.patience import no_replica
from headway.gateway.picker.asked import HintedAsked
from headway.gateway.picker.hints import Hints, is_ip, narrowed
from headway.gateway.picker.order import in_order
from headway.gateway.picker.visit import Visit
from headway.gateway.placement import Placement
from headway.gateway.request import Request
from headway.gateway.upstream import Upstream
from headway.policy.routing import PATIENCE, Choice, Stay, saturated
from headway.wire.openai import Operation, Refusal, wrong_operation
from headway.wire.usage import Usage

__all__ = ["Pick", "Picked", "Sending"]


class _Unlearned(Placement):
    """Who answered is none of those that we know: nothing is learned of it."""

    def learn(self, usage: Usage, stay: Stay[Upstream], now: float) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Picked:
    """`addresses`: of the endpoints, best first. `body`: what they get; `changed`: it is not the caller's."""

    addresses: tuple[str, ...]
    body: bytes
    changed: bool


class Sending(Client, Protocol):
    """Who sends the request in the end."""

    def picked(self, picked: Picked) -> None: ...


class Pick(Exchange):
    def __init__(
        self, gateway: Gateway, sending: Sending, request: Request, operation: Operation, hints: Hints
    ) -> None:
        self._hinted = HintedAsked(gateway, request, operation, hints)
        super().__init__(gateway, sending, self._hinted)
        self._sending, self._hints = sending, hints
        self._visit: Visit | None = None
        self._went: tuple[Route, Choice] | None = None

    @property
    def replica(self) -> str:
        """Which one it went to; empty when that is not known."""
        known = self._visit is not None and not isinstance(self._placement, _Unlearned)
        return self._visit.upstream.replica if self._visit and known else ""

    def place(self) -> None:
        if not self._ended and (route := self._full()):
            what = f"The engines of {route.model.name!r} are saturated, and its objective {self._hints.objective!r}"
            self.refuse(Refusal(429, "request_shed", f"{what} does not wait.", retry_after=1))
        else:
            super().place()

    def _full(self) -> Route | None:
        """The model, if it has no room for a request that can be turned away."""
        if not self._hinted.sheddable or (route := self._route()) is None or not route.upstreams:
            return None
        if route.model.name in self._gateway.hub.queueing:
            return route
        now = self._gateway.time()
        self._gateway.catalog.look(now)
        patience = PATIENCE if self._hints.ttft is None else self._hints.ttft
        return route if saturated(route.upstreams, route.model.capacity, patience, now) else None

    def _route(self) -> Route | None:
        route = super()._route()
        return route if route is None or self._hints.subset is None else narrowed(route, self._hints.subset)

    def _recalls(self, caching: Caching, now: float) -> bool:
        """The answer goes past us: there is nothing to keep, and none can be given."""
        return False

    def _unknown(self) -> None:
        """Of a Route the first Model that it would take; what comes after a failure is the data plane's business."""
        public = self._gateway.catalog.publics.get(self._asked.model)
        if public is None:
            super()._unknown()
        elif Journey(self._gateway, self._asked, public).begin(self._gateway.time()):
            self.place()
        else:
            self.refuse(wrong_operation(public.rule.name, public.charged.task, self._asked.operation.path))

    def _wait(self, route: Route, now: float, look_again: float) -> None:
        self.refuse(no_replica(route))

    def _send(self, route: Route, choice: Choice, now: float) -> None:
        if not is_ip(route.upstreams[choice.index].address):
            self.refuse(_unnamed(route, choice.index))
            return
        name = self._hinted.renamed(route, choice.index)
        before = self._asked.request.body
        salt = self._asked.salt() if route.salted is not None and route.salted[choice.index] else ""
        body = self._asked.body(name, salt)
        if isinstance(body, Refusal):
            self.refuse(body)
            return
        self._went = (route, choice)
        self._settle(route, choice, now)
        self.sending(False)
        self._client.wake_at(self.next_due())
        indices = in_order(route, choice, now)
        addresses = tuple(route.upstreams[index].address for index in indices)
        self._hinted.forget()
        self._sending.picked(Picked(addresses, body, changed=body is not before))

    def _settle(self, route: Route, choice: Choice, now: float) -> Visit:
        upstream = route.upstreams[choice.index]
        stay = self._placement.settle_in(route, choice, now)
        self._tries.begin(upstream.id, choice, route.ids, now)
        self._visit = self._dispatch = Visit(self, self._client, stay, self._gateway.settings)
        return self._visit

    def left(self) -> None:
        super().left()
        self._visit = None  # which knows us: without this every request is work for the garbage collector

    # what the data plane tells of the answer

    def answered(self, status: int, content_type: bytes, by: str) -> None:
        """The head of the answer came; `by`: the address of who gave it, empty = not said."""
        if self._ended or self._visit is None:
            return
        if by and by != self._visit.upstream.address:
            self._elsewhere(by)
        self._visit.head(status, content_type)
        if not self._visit.well:
            self._fail(f"status {status}")

    def body(self, data: bytes, *, end: bool) -> bytes:
        """A piece of the answer; returns what of it passes on to the caller."""
        passed = data if self._visit is None else self._visit.piece(data, end=end)
        if end:
            self.finished()
        return passed

    def finished(self) -> None:
        """The answer has ended."""
        if not self._ended and self._visit is not None:
            self._visit.ended()

    def _elsewhere(self, address: str) -> None:
        """The data plane did not get through to the first one and went on to another."""
        if self._visit is None or self._went is None:
            return
        self._fail("unreachable: tried elsewhere by the data plane")
        self._visit.leave()
        route, choice = self._went
        found = [index for index, each in enumerate(route.upstreams) if each.address == address]
        if not found:
            self._placement = _Unlearned(self._gateway, self._asked)
        else:
            moved = msgspec.structs.replace(choice, index=found[0])
            self._settle(route, moved, self._gateway.time()).stay.says_nothing()

    def _fail(self, reason: str) -> None:
        if self._visit is not None:
            self._gateway.trouble.lost(self._visit.upstream, self._asked.model, reason)
            self._gateway.tally.lost(reason)
            self._tries.failed(reason, self._gateway.time())


def _unnamed(route: Route, index: int) -> Refusal:
    """The protocol has no names."""
    what = f"its endpoint {route.upstreams[index].address} has a name, and a data plane is told addresses"
    message = f"The model {route.model.name!r} cannot answer now: {what}; write the IP address in the table."
    return Refusal(503, "model_not_ready", message)
