"""The closed loop: so many callers, each asks again when it has its answer and has thought.

A request is due when its caller is free. When one stage follows another the callers go on: new ones come or some leave
once they have their answer, so that between the stages no more and no fewer are in flight than one of the two says.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from headway.bench.conversation import Conversation
from headway.bench.desk import Desk
from headway.bench.exchange import Exchange
from headway.bench.requests import Requests
from headway.perf.traffic.planned import Planned
from headway.wire.alarm import alarm

__all__ = ["Callers", "Phase"]

_PAUSE: Final = 0.1
"""Seconds before a caller tries again that could not be heard at all: a server that refuses connections is not asked a
thousand times a second."""
_AHEAD: Final = 0.25
"""Seconds before a stage that its connections are asked for."""
_MOST_READY: Final = 32


@dataclass(frozen=True, slots=True)
class Phase:
    """One stage as this process has it: `count` of its callers, and requests for them. Times are the desk's."""

    start: float
    end: float
    count: int
    planned: Iterator[Planned]


class _Caller:
    """One who asks. `turns`: what it still has to say in its session."""

    __slots__ = ("conversation", "turns")

    def __init__(self) -> None:
        self.turns: deque[Planned] = deque()
        self.conversation: Conversation | None = None


class Callers:
    """`done` is called once, when nobody asks any more."""

    def __init__(self, phases: Sequence[Phase], requests: Requests, desk: Desk, done: Callable[[], None]) -> None:
        self._requests, self._desk, self._done, self._clock = requests, desk, done, desk.clock
        self._phases = deque(phases)
        self._now_on: Phase | None = None
        self._ready: deque[tuple[Planned, bytes]] = deque()  # of talks of one turn
        self._held: Planned | None = None  # the first turn of a session, taken up but not yet begun
        self._asking = 0
        self._loop = asyncio.get_running_loop()
        self._alarm = alarm(self._ring)
        self._making: asyncio.Handle | None = None
        self._over = False

    @property
    def over(self) -> bool:
        return self._over

    def prepare(self) -> None:
        """Before the start: connections for the first callers."""
        if self._phases:
            self._desk.pool.foresee(self._phases[0].count)

    def start(self) -> None:
        self._ring()

    def stop(self) -> None:
        """Ask no more."""
        if not self._over:
            self._over = True
            self._alarm.close()
            self._ready.clear()
            self._desk.pool.foresee(0)
            self._done()

    def _ring(self) -> None:
        """A stage begins or ends, or is about to begin."""
        if self._over:
            return
        now = self._clock()
        on = self._now_on
        if on is not None and now >= on.end:
            self._now_on = None
        while self._phases and now >= self._phases[0].start:
            self._now_on = self._phases.popleft()
            self._ready.clear()
            self._held = None
            self._begin(self._now_on)
        if self.over:
            return
        idle = self._now_on is None or (not self._asking and math.isinf(self._now_on.end))
        if idle and not self._phases:
            self.stop()
            return
        self._set(now)

    def _set(self, now: float) -> None:
        moments = [self._now_on.end] if self._now_on is not None else []
        if self._phases:
            coming = self._phases[0]
            if now < coming.start - _AHEAD:
                moments.append(coming.start - _AHEAD)
            else:
                self._desk.pool.foresee(coming.count - self._asking)
            moments.append(coming.start)
        at = min(moments)
        if math.isfinite(at):
            self._alarm.set(self._desk.start + at)

    def _begin(self, phase: Phase) -> None:
        self._make_ready()
        self._desk.pool.foresee(0)
        for _ in range(phase.count - self._asking):
            self._asking += 1
            self._next(_Caller(), self._clock())

    # one caller

    def _next(self, caller: _Caller, now: float) -> None:
        """It is free since `now`: what it says next, or it goes."""
        phase = self._now_on
        if self._over or phase is None or now >= phase.end or self._asking > phase.count:
            self._leave()
        elif caller.turns:
            self._say(caller, caller.turns.popleft(), now)
        elif self._ready:
            planned, data = self._ready.popleft()
            self._send(caller, planned, data, now)
            self._make_soon()
        elif (planned_next := self._take(phase)) is not None:
            self._say(caller, planned_next, now, self._rest_of(planned_next, phase))
        else:
            self._leave()

    def _leave(self) -> None:
        """It asks no more. The last one ends the stage, if it was its requests that came to an end."""
        self._asking -= 1
        if not self._over and not self._asking and not self._phases:
            self.stop()

    def _say(self, caller: _Caller, planned: Planned, now: float, turns: deque[Planned] | None = None) -> None:
        if turns is not None:
            caller.turns = turns
            caller.conversation = Conversation() if turns else None
        if caller.conversation is None:
            self._send(caller, planned, self._requests.make(planned), now)
            return
        said = caller.conversation.ask(planned, self._requests.prompts)
        self._send(caller, planned, self._requests.make(planned, said), now)

    def _send(self, caller: _Caller, planned: Planned, data: bytes, due: float) -> None:
        def then(exchange: Exchange, text: str, now: float) -> None:
            self._answered(caller, exchange, text, now)

        self._desk.exchange(planned, due, data, then, keeps=bool(caller.turns)).begin()

    def _answered(self, caller: _Caller, exchange: Exchange, text: str, now: float) -> None:
        if self._over:
            return
        pause = 0.0 if exchange.heard else _PAUSE
        if caller.turns and caller.conversation is not None:
            caller.conversation.answered(text, now)
            pause = max(pause, caller.turns[0].think)
        if pause:
            self._loop.call_later(pause, self._next, caller, now + pause)
        else:
            self._next(caller, now)

    # requests, made while nobody waits for them

    def _take(self, phase: Phase) -> Planned | None:
        held, self._held = self._held, None
        return held if held is not None else next(phase.planned, None)

    def _rest_of(self, planned: Planned, phase: Phase) -> deque[Planned]:
        """The later turns of its session, which follow it."""
        turns: deque[Planned] = deque()
        while not planned.last:
            following = next(phase.planned, None)
            if following is None:
                break
            turns.append(following)
            planned = following
        return turns

    def _make_soon(self) -> None:
        if self._making is None:
            self._making = self._loop.call_soon(self._make_ready)

    def _make_ready(self) -> None:
        self._making = None
        phase = self._now_on
        if self._over or phase is None:
            return
        for _ in range(4):
            if len(self._ready) >= _MOST_READY or self._held is not None:
                return
            planned = next(phase.planned, None)
            if planned is None:
                return
            if not planned.last:
                self._held = planned  # a session: what is ready before it comes first
                return
            self._ready.append((planned, self._requests.make(planned)))
