"""Copies of requests that a Route sends to a candidate, whose answers nobody gets.

A copy is counted and recorded under its own id (`ID.shadow`), charged to nobody, and told to nobody: what becomes of it
changes nothing for callers. Each worker runs its part of the Route's caps, so that they hold on the whole host. Copies
end first: when anybody has to wait here, or bodies fill half of the room that there is for them, all that run are ended
and none begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headway.gateway.asked import Asked
from headway.gateway.catalog import Route
from headway.gateway.dispatch import Dispatch
from headway.gateway.placement import Placement
from headway.gateway.record import Attempt, Record
from headway.gateway.timers import Timed
from headway.policy.route import ShadowRule
from headway.policy.routing import Stay

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["Shadow", "Shadows"]

LARGEST: Final = 1024 * 1024
"""Bytes of a request that is copied: `most` of them is all the memory that copies take."""
LONGEST: Final = 120.0
"""Seconds that a copy may take."""


class Nobody:
    """The caller of a copy."""

    def respond(self, status: int, headers: bytes, body: bytes) -> None: ...
    def start(self, status: int, headers: bytes, length: int | None) -> None: ...
    def write(self, data: bytes) -> None: ...
    def end(self) -> None: ...
    def abort(self) -> None: ...


class Shadows:
    """One worker's, `number` of `workers`."""

    def __init__(self, gateway: Gateway, number: int, workers: int) -> None:
        self._gateway, self._number, self._workers = gateway, number, workers
        self._running: dict[str, set[Shadow]] = {}  # by Route
        self._allowed: dict[str, tuple[float, float]] = {}  # by Route: copies that may begin, as of a time

    def copy(self, name: str, rule: ShadowRule, asked: Asked, point: float) -> None:
        """Soon, if the draw falls on it and there is room. `point` is in [0, 1)."""
        if point >= rule.share or asked.request.size > LARGEST or not self._is_quiet(rule.model):
            return
        now, running = self._gateway.time(), self._running.setdefault(name, set())
        if len(running) >= self._part(rule.most) or not self._take(name, rule, now):
            return
        twin = asked.twin(rule.model, now + LONGEST)
        made = Shadow(self._gateway, name, twin, running, kept=asked.gate.kept, salt=asked.salt())
        running.add(made)
        self._gateway.loop.call_soon(made.begin)

    def end_all(self) -> None:
        """Somebody waits: the room is theirs."""
        for running in self._running.values():
            for each in list(running):
                each.end("cancelled")

    def make_room(self, *, queueing: bool) -> None:
        """Somebody waits on this host, perhaps at another worker."""
        if queueing:
            self.end_all()

    def _is_quiet(self, model: str) -> bool:
        gateway, route = self._gateway, self._gateway.catalog.routes.get(model)
        if route is None or gateway.draining or len(gateway.lobby) or gateway.hub.queueing:
            return False
        if gateway.bodies.held * 2 > gateway.settings.bodies_bytes:
            return False
        most = route.model.capacity
        return not most or any(each.running < most for each in route.upstreams)

    def _part(self, whole: int) -> int:
        """Of a cap on the host, what this worker may: all parts together are the whole."""
        return whole // self._workers + (self._number < whole % self._workers)

    def _take(self, name: str, rule: ShadowRule, now: float) -> bool:
        """A bucket of a tenth of a minute's worth, at least one, refilled evenly."""
        rate = rule.rate / self._workers
        room = max(1.0, rate / 10)
        left, at = self._allowed.get(name, (room, now))
        left = min(room, left + (now - at) * rate / 60)
        self._allowed[name] = (left - 1 if left >= 1 else left, now)
        return left >= 1


class Shadow(Timed):
    """One copy: one try at one endpoint."""

    def __init__(self, gateway: Gateway, name: str, asked: Asked, among: set[Shadow], *, kept: bool, salt: str) -> None:
        super().__init__()
        self._gateway, self._name, self._asked, self._among, self._kept = gateway, name, asked, among, kept
        self._placement = Placement(gateway, asked)
        self._dispatch: Dispatch | None = None
        self._began = gateway.time()
        self._attempt: Attempt | None = None
        self._ttft: float | None = None
        self._ended = False
        self._salt = salt  # the copy stands in a cache as the request itself does

    def begin(self) -> None:
        gateway, now = self._gateway, self._gateway.time()
        route = gateway.catalog.routes.get(self._asked.model)
        choice = self._placement.pick(route, now) if route is not None and not self._ended else None
        if route is None or choice is None:
            self.end("not_ready")
            return
        self._send(route, choice.index, now)

    def _send(self, route: Route, index: int, now: float) -> None:
        asked, upstream = self._asked, route.upstreams[index]
        salted = route.salted is not None and route.salted[index]
        body = asked.body(route.names[index], self._salt if salted else "")
        if not isinstance(body, bytes):
            self.end("refused")
            return
        prompt = asked.prompt(route)
        context = prompt.tokens + prompt.output
        stay = Stay(upstream, max(1.0, prompt.tokens), context, now, adapter=route.model.adapter)
        self._attempt = Attempt(upstream.id, 0.0)
        head = upstream.head(asked.operation.path, asked.headers(self._attempt), len(body))
        self._dispatch = Dispatch(self, Nobody(), stay, self._gateway.settings, [head, body])
        self._gateway.wheel.set(self, asked.deadline)
        self._dispatch.start()

    def end(self, error: str) -> None:
        """Once; the engine sees its connection break when it has not ended by itself."""
        if self._ended:
            return
        self._ended = True
        self._among.discard(self)
        self._gateway.wheel.cancel(self)
        dispatch, self._dispatch = self._dispatch, None
        if dispatch is not None and error:
            dispatch.abort()
        self._record(dispatch, error)

    def _record(self, dispatch: Dispatch | None, error: str) -> None:
        gateway, asked, relay = self._gateway, self._asked, dispatch.relay if dispatch else None
        usage = relay.usage() if relay and relay.started else None
        duration = gateway.time() - self._began
        status = relay.status if relay and not error else 499 if error == "cancelled" else 502
        outcome = "answered" if status < 400 else "cancelled" if error == "cancelled" else "failed"
        gateway.tally.shadows[outcome] = gateway.tally.shadows.get(outcome, 0) + 1
        if self._attempt is not None:
            self._attempt.failure = error
        if self._kept:
            gateway.journal.add(
                Record(
                    seq=0,
                    id=f"{asked.request.id}.shadow",
                    at=gateway.unix_time() - duration,
                    path=asked.operation.path,
                    model=asked.model,
                    stream=asked.stream,
                    status=status,
                    error=error or (relay.error if relay else ""),
                    ttft=self._ttft,
                    duration=duration,
                    prompt_tokens=usage.prompt_tokens if usage else None,
                    cached_tokens=usage.cached_tokens if usage else None,
                    completion_tokens=usage.completion_tokens if usage else None,
                    attempts=[self._attempt] if self._attempt else [],
                    route=self._name,
                    shadow_of=asked.request.id,
                )
            )

    # what its Dispatch tells

    def sending(self, reused: bool) -> None: ...

    def prefers_another(self, status: int) -> bool:
        return False

    def unserved(self, status: int) -> bool:
        return False

    def hides_usage(self) -> bool:
        return False

    def says_done(self) -> bool:
        return False

    def heard(self) -> None:
        if self._ttft is None and self._dispatch is not None:
            now = self._gateway.time()
            self._ttft = now - self._began
            if self._asked.stream:
                self._dispatch.stay.first_token(now)

    def succeeded(self) -> None:
        self.end("")

    def lost(self, reason: str) -> None:
        self.end(reason)

    def on_due(self, now: float) -> None:
        self.end("timeout")
