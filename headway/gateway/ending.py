"""How a request ends, however it does: once, with its usage settled and its Record written.

    refuse    with an error of ours      left, stop    because its caller, or the gateway, goes
    _expire, _close_with, _break_off     in time or too late, before its answer has begun or in the middle of it
    _end      what all of them come to

An Exchange is an Ending that knows what comes before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from headway.gateway.asked import Asked
from headway.gateway.caching.recall import Recall
from headway.gateway.caller import Client
from headway.gateway.dispatch import Dispatch
from headway.gateway.frames import Freed
from headway.gateway.hold import Hold
from headway.gateway.pace import Pace
from headway.gateway.patience import too_long
from headway.gateway.placement import Placement
from headway.gateway.record import Record
from headway.gateway.tries import Tries
from headway.policy.route import Step
from headway.wire.openai import Refusal
from headway.wire.usage import Usage

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["Ending"]

_LEFT: Final = 499
_INTERRUPTED: Final = ("deadline_exceeded", "shutting_down")
"""Ends at which an engine may have been at work."""


class Ending(ABC):
    steps: list[Step] | None = None  # of a Route, when one was asked for

    def __init__(self, gateway: Gateway, client: Client, asked: Asked) -> None:
        self._gateway, self._client, self._asked = gateway, client, asked
        self._placement = Placement(gateway, asked)
        self._dispatch: Dispatch | None = None
        self._tries = Tries(asked.request.accepted)
        self._recall: Recall | None = None  # its model has a cache
        self._hold: Hold | None = None  # it was held for something
        self._first_byte: float | None = None  # loop time
        self._pace: Pace | None = None  # of its stream
        self._ended = False

    @property
    def name(self) -> str:
        """As the caller wrote it."""
        return self._asked.model

    @abstractmethod
    def admit_again(self) -> None:
        """What it was held for is over; until then the gate knows it by this."""

    def refuse(self, refusal: Refusal) -> None:
        self._give_up()
        self._end(refusal.status, refusal.code, refusal.message)
        self._client.refuse(refusal)

    def left(self) -> None:
        """The caller is gone: the engine need not go on."""
        if not self._ended:
            self._give_up()
            self._end(_LEFT, "client_closed")

    def stop(self) -> None:
        """The gateway ends and can wait no longer."""
        if not self._ended:
            self._close_with(Refusal(503, "shutting_down", "The gateway is shutting down.", retry_after=1))

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
        record = self._record(status, error, usage)
        self._asked.note(record, message)
        self._gateway.ended(record, self._asked, self._pace)
        if self._tries.reached and self._asked.model in self._gateway.hub.queueing:
            self._tell_the_line(usage)
        self._dispatch = None  # which knows us: without this every request is work for the garbage collector

    def _record(self, status: int, error: str, usage: Usage | None) -> Record:
        """To be made when the gate has settled what is charged."""
        gateway, asked = self._gateway, self._asked
        accepted = asked.request.accepted
        duration = gateway.time() - accepted
        record = Record(
            seq=0,
            id=asked.request.id,
            at=gateway.unix_time() - duration,
            path=asked.operation.path,
            model=asked.model,
            tenant=asked.gate.tenant,
            stream=asked.stream,
            status=status,
            error=error,
            ttft=self._first_byte - accepted if self._first_byte is not None else None,
            duration=duration,
            prompt_tokens=usage.prompt_tokens if usage else None,
            cached_tokens=usage.cached_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            attempts=self._tries.all,
            table=gateway.catalog.version,
            charge=asked.gate.charge(),
        )
        if self._hold is not None:
            record.waits, record.waited = self._hold.waits.all, self._hold.waits.total
        if self._recall is not None:
            self._recall.ended(record, self._dispatch.upstream if self._dispatch else None, usage)
        if self.steps is not None:
            record.route, record.steps = self.name, self.steps
        return record

    def _tell_the_line(self, usage: Usage | None) -> None:
        """Others wait for the place that is free now."""
        asked, gate = self._asked, self._asked.gate
        tokens = usage.completion_tokens or 0 if usage else 0
        self._gateway.hub.say(Freed(asked.model, gate.tenant, asked.priority, gate.weight, tokens))
