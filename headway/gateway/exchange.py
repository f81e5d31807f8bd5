"""One request of a model, from its whole body to its Record: the gateway's main flow.

    begin     read the call and who makes it, refuse what is plainly wrong
    place     through the gate (limits, budgets); wait for a place; pick an endpoint; or wait for one; or say why not
    (Dispatch sends it there and relays the answer)
    lost      that endpoint failed: elsewhere if the caller has got nothing yet, else the answer ends with an error
    succeeded, refuse, left   the three ends; each settles usage and writes the Record

No task and no timer of its own: the caller's connection wakes it at `next_due`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from headway.gateway.asked import Asked
from headway.gateway.caching.recall import Recall
from headway.gateway.caching.rules import Caching
from headway.gateway.caller import Client
from headway.gateway.catalog import Route
from headway.gateway.dispatch import Dispatch
from headway.gateway.ending import record_of, tell_the_line
from headway.gateway.frames import Full, Lined
from headway.gateway.hold import Hold
from headway.gateway.patience import (
    failed,
    fell_silent,
    first_byte,
    line_full,
    may_try_again,
    must_line_up,
    no_replica,
    patience,
    retry_after,
    too_long,
)
from headway.gateway.placement import Placement
from headway.gateway.tries import Tries
from headway.policy.route import Step
from headway.policy.routing import Choice
from headway.wire.openai import Refusal, model_not_found, wrong_operation

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["Exchange"]

_LEFT: Final = 499
_INTERRUPTED: Final = ("deadline_exceeded", "shutting_down")
"""Ends at which an engine may have been at work."""
_RETRY_SECONDS: Final = 0.2
"""Until who found the retry budget spent looks again."""
_NO_SUCH_PATH: Final = (404, 405, 501)  # what engines say of a path that they have not


class Exchange:
    steps: list[Step] | None = None  # of a Route, when one was asked for

    def __init__(self, gateway: Gateway, client: Client, asked: Asked) -> None:
        self._gateway, self._client, self._asked = gateway, client, asked
        self._placement = Placement(gateway, asked)
        self._dispatch: Dispatch | None = None
        self._tries = Tries(asked.request.accepted)
        self._has_turn = False  # it need not line up for a place
        self._recall: Recall | None = None  # its model has a cache
        self._hold: Hold | None = None  # it was held for something
        self._wait_began: float | None = None  # no engine was reached since
        self._first_byte: float | None = None
        self._paused_at: float | None = None
        self._ended = False

    @property
    def name(self) -> str:
        """As the caller wrote it."""
        return self._asked.model

    @property
    def size(self) -> int:
        return self._asked.request.size

    def begin(self, wrong: Refusal | None = None) -> None:
        """`wrong`: what was found before it could be read."""
        self._gateway.tally.begin()
        if refusal := wrong or self._asked.read(near=self._client.near):
            self.refuse(refusal)
        else:
            self.place()

    def place(self) -> None:
        """Pick an endpoint; or wait in line for one; or say why there is none."""
        if self._ended:
            return
        now = self._gateway.time()
        if self._hold is not None:
            self._hold.over(now)
        route = self._route()
        if route is not None and (times := route.model.deadlines) is not None:
            self._asked.bound(times.whole)
        if route is None:
            self._unknown()
        elif self._asked.operation.known and route.model.task not in self._asked.operation.tasks:
            self.refuse(wrong_operation(self._asked.model, route.model.task, self._asked.operation.path))
        elif now >= self._asked.deadline:
            self._expire()
        elif (not self._asked.gate.passed and not self._enter(route, now)) or (
            route.caching is not None and self._recalls(route.caching, now)
        ):
            return
        elif route.model.capacity and not self._has_turn and must_line_up(self._gateway, route, now):
            self._line_up(route, now)
        elif (choice := self._placement.pick(route, now)) is None:
            self._wait(route, now, math.inf)
        elif choice.look_again and self._tries.all:
            self._wait(route, now, choice.look_again)
        elif self._tries.reached and not may_try_again(self._gateway.settings, route, now):
            self._wait(route, now, now + _RETRY_SECONDS)
        else:
            self._send(route, choice, now)

    def _route(self) -> Route | None:
        return self._gateway.catalog.routes.get(self._asked.model)

    def _unknown(self) -> None:
        """No model has this name; it may be a Route's, and somebody else goes on with it then."""
        if (public := self._gateway.catalog.publics.get(self._asked.model)) is not None:
            from headway.gateway.routed import RoutedExchange  # noqa: PLC0415 (it is an Exchange itself)

            self._ended = True
            successor = RoutedExchange(self._gateway, self._client, self._asked, public)
            self._client.hand_over(successor)
            successor.place()
            return
        self.refuse(model_not_found(self._asked.model, self._gateway.visible(self._asked.gate.caller)))

    def _enter(self, route: Route, now: float) -> bool:
        """Through the gate; False = it waits there, or was refused."""
        asked = self._asked
        return self._goes_in(asked.gate.enter(self, route.model, asked.call, asked.prompt(route), now), now)

    def _goes_in(self, found: Refusal | float | None, now: float) -> bool:
        if isinstance(found, Refusal):
            self.refuse(found)
        elif found is not None:
            self._held().at("gate", found, now)
            self._client.wake_at(self.next_due())
        return found is None

    def _recalls(self, caching: Caching, now: float) -> bool:
        """It waits for what the cache says, or for an equal request's answer; or was refused."""
        recall = self._recall
        if recall is None:
            recall = self._recall = Recall(self._gateway, self, self._asked, caching)
        if recall.refusal is not None:
            self.refuse(recall.refusal)
            return True
        if (until := recall.until(now)) is not None:
            self._held().at("cache", until, now, told=recall.waited)
            self._client.wake_at(self.next_due())
            return True
        self._client = recall.between(self._client)
        return False

    def recalled(self, headers: bytes, body: bytes) -> None:
        """The cache has the answer."""
        if not self._ended:
            self._first_byte = self._gateway.time()
            self._give_up()
            self._end(200, "")
            if self._asked.stream:
                self._client.start(200, headers, None)
                self._client.write(body)
                self._client.end()
            else:
                self._client.respond(200, headers, body)

    def admit_again(self) -> None:
        self.place()

    def _held(self) -> Hold:
        if self._hold is None:
            self._hold = Hold(self._gateway, self._asked, self)
        return self._hold

    # the line for a place

    def _line_up(self, route: Route, now: float) -> None:
        self._gateway.shadows.end_all()
        self._held().line_up(route.model.name, self._asked.prompt(route).tokens, now)
        self._client.wake_at(self.next_due())

    def lined(self, frame: Lined) -> None:
        self._held().lined(frame)

    def turn(self, full: Full | None) -> None:
        """The hub says that a place is free; or why it is no use to wait."""
        number = self._held().turn()
        if self._ended:
            return
        if full is not None:
            self.refuse(line_full(self._asked.model, full.eta, late=full.late))
            return
        self._has_turn = True
        self.place()
        self._gateway.hub.leave(number, took=self._dispatch is not None)

    def _send(self, route: Route, choice: Choice, now: float) -> None:
        asked, upstream = self._asked, route.upstreams[choice.index]
        salt = asked.salt() if route.salted is not None and route.salted[choice.index] else ""
        body = asked.body(route.names[choice.index], salt)
        if isinstance(body, Refusal):
            self.refuse(body)
            return
        if route.prices is not None:
            asked.gate.priced(route.prices[choice.index])
        stay = self._placement.settle_in(route, choice, now)
        attempt = self._tries.begin(upstream.id, choice, route.ids, now)
        times, settings = route.model.deadlines, self._gateway.settings
        first_due = now + first_byte(settings, times, stream=asked.stream)
        path = asked.operation.engine_path or asked.operation.path
        head = upstream.head(path, asked.headers(attempt), len(body))
        self._dispatch = Dispatch(self, self._client, stay, settings, [head, body], times=times, first_due=first_due)
        self._client.wake_at(self.next_due())
        if self._paused_at is not None:
            self._dispatch.pause()
        self._dispatch.start()

    # waiting

    def _wait(self, route: Route, now: float, look_again: float) -> None:
        self._gateway.shadows.end_all()
        if self._wait_began is None:
            self._wait_began = now
        give_up_at = self._wait_began + patience(self._gateway.settings, route)
        if now >= give_up_at:
            self.refuse(no_replica(route))
        elif not self._held().enter_lobby(look_again, give_up_at, now):
            self.refuse(line_full(self._asked.model, retry_after(route), late=False))
        else:
            self._client.wake_at(self.next_due())

    # what the Dispatch tells

    def sending(self, reused: bool) -> None:
        """The request goes to an engine now; `reused` = again, because an idle connection was closed."""
        self._tries.reached += 1
        self._asked.gate.sent()
        self._wait_began = None
        if reused:
            self._tries.once_more(self._gateway.time())

    def prefers_another(self, status: int) -> bool:
        if status not in (502, 503) or self._dispatch is None:
            return False
        if self._tries.reached >= self._gateway.settings.tries_max:
            return False
        return self._placement.is_another(self._dispatch.upstream, self._gateway.time())

    def unserved(self, status: int) -> bool:
        if self._asked.operation.known or status not in _NO_SUCH_PATH:
            return False
        route = self._gateway.catalog.routes.get(self._asked.model)
        if route is not None:
            self.refuse(wrong_operation(self._asked.model, route.model.task, self._asked.operation.path))
        return route is not None

    def hides_usage(self) -> bool:
        return self._asked.gate.hides_usage(self._asked.call)

    def says_done(self) -> bool:
        return self._asked.operation.known

    def heard(self) -> None:
        dispatch = self._dispatch
        if dispatch is None or dispatch.relay is None:
            return
        dispatch.heard_at = self._gateway.time()
        if self._first_byte is None and (dispatch.relay.started or not self._asked.stream):
            self._first_byte = dispatch.heard_at
            if self._asked.stream:
                dispatch.stay.first_token(dispatch.heard_at)
            if dispatch.upstream.troubled and dispatch.relay.status < 500:
                self._gateway.trouble.over(dispatch.upstream)
            self._client.wake_at(self.next_due())

    def succeeded(self) -> None:
        relay = self._dispatch.relay if self._dispatch else None
        if relay and relay.status >= 500 and self._dispatch:
            self._gateway.trouble.erred(self._dispatch.upstream, self._asked.model, relay.status)
        self._end(relay.status if relay else 200, relay.error if relay else "")

    def lost(self, reason: str) -> None:
        dispatch, self._dispatch = self._dispatch, None
        if dispatch is None:
            return
        self._gateway.trouble.lost(dispatch.upstream, self._asked.model, reason)
        if reason == "refused":
            self._gateway.index.forget(dispatch.upstream.slot)  # nobody listens: what it had cached is gone
        self._gateway.tally.lost(reason)
        self._tries.failed(reason, self._gateway.time())
        if dispatch.relay and dispatch.relay.started:
            self._dispatch = dispatch
            self._break_off("engine_failed", f"The engine failed in mid-answer ({reason}).")
        elif self._tries.reached >= self._gateway.settings.tries_max:
            self.refuse(failed(self._tries.reached, reason))
        else:
            self._first_byte = None
            if self._wait_began is None:
                self._wait_began = self._gateway.time()
            self.place()

    # what the caller's connection tells

    def pause(self) -> None:
        """The caller reads slower than the engine writes."""
        self._paused_at = self._gateway.time()
        if self._dispatch:
            self._dispatch.pause()
        self._client.wake_at(self.next_due())

    def resume(self) -> None:
        self._paused_at = None
        if self._dispatch:
            self._dispatch.heard_at = self._gateway.time()
            self._dispatch.resume()

    def left(self) -> None:
        """The caller is gone: the engine need not go on."""
        if not self._ended:
            self._give_up()
            self._end(_LEFT, "client_closed")

    def stop(self) -> None:
        """The gateway ends and can wait no longer."""
        if not self._ended:
            self._close_with(Refusal(503, "shutting_down", "The gateway is shutting down.", retry_after=1))

    def next_due(self) -> float:
        due = self._asked.deadline
        if self._hold is not None and self._hold.until is not None:
            return min(due, self._hold.until)
        if self._paused_at is not None:
            return min(due, self._paused_at + self._gateway.settings.stall_seconds)
        return min(due, self._dispatch.due) if self._dispatch else due

    def on_due(self, now: float) -> None:
        if self._ended:
            return
        if now < self.next_due() - 0.001:
            self._client.wake_at(self.next_due())
        elif now >= self._asked.deadline - 0.001:
            self._expire()
        elif self._hold is not None and self._hold.until is not None:
            self.place()  # which finds that it has waited long enough, unless the table gave it more time
        elif self._paused_at is not None:
            self._client.abort()
            self.left()
        elif self._dispatch and not self._dispatch.started:
            self._dispatch.time_out()
        elif self._dispatch:
            self._tries.ran_out()
            self._close_with(fell_silent(self._dispatch.idle_seconds))

    # the ends

    def _expire(self) -> None:
        self._tries.ran_out()
        self._close_with(too_long(self._asked.deadline - self._asked.request.accepted))

    def _close_with(self, refusal: Refusal) -> None:
        """End now: an answer that has begun ends with an error, else the refusal is the answer."""
        if self._dispatch is not None and self._dispatch.started:
            self._break_off(refusal.code, refusal.message)
        else:
            self.refuse(refusal)

    def _break_off(self, code: str, message: str) -> None:
        self._give_up()
        if self._dispatch and self._dispatch.relay:
            relay = self._dispatch.relay
            self._end(relay.status, relay.break_off(code, message))

    def refuse(self, refusal: Refusal) -> None:
        self._give_up()
        self._end(refusal.status, refusal.code, refusal.message)
        self._client.refuse(refusal)

    def _give_up(self) -> None:
        if self._hold is not None:
            self._hold.give_up(self._gateway.time())
        if self._dispatch:
            self._dispatch.abort()

    def _end(self, status: int, error: str, message: str = "") -> None:
        """Settle usage, write the Record; once."""
        if self._ended:
            return
        self._ended = True
        relay = self._dispatch.relay if self._dispatch else None
        usage = relay.usage() if relay and relay.started else None
        free = status >= 400 and status != _LEFT and error not in _INTERRUPTED and not (relay and relay.status == 200)
        free = free or self._asked.operation.free
        self._asked.gate.leave(self, usage, whole=status == 200 and not error, free=free)
        if usage and self._dispatch and status == 200 and not error:
            self._placement.learn(usage, self._dispatch.stay, self._gateway.time())
        record = record_of(
            self._gateway,
            self._asked,
            self._tries.all,
            usage,
            status=status,
            error=error,
            first_byte=self._first_byte,
        )
        if self._hold is not None:
            record.waits, record.waited = self._hold.waits.all, self._hold.waits.total
        if self._recall is not None:
            self._recall.ended(record, self._dispatch.upstream if self._dispatch else None, usage)
        if self.steps is not None:
            record.route, record.steps = self.name, self.steps
        self._asked.note(record, message)
        self._gateway.ended(record, self._asked)
        if self._tries.reached:
            tell_the_line(self._gateway, self._asked, usage)
        self._dispatch = None  # which knows us: without this every request is work for the garbage collector
