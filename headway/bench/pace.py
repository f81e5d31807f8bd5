"""The open loop: every request is sent when it is due, whatever the server does.

Nothing here waits for an answer but a session's next turn, which is due so long after the one before has ended.
Requests are made ready a little ahead, a bounded number of them; connections are asked for as soon as they can be
foreseen.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from headway.bench.conversation import Conversation
from headway.bench.desk import Desk
from headway.bench.exchange import Exchange
from headway.bench.requests import Requests
from headway.perf.traffic.planned import Planned
from headway.wire.alarm import alarm

__all__ = ["Pace"]

_AHEAD: Final = 1.0
"""Seconds before it is due that a request is made ready."""
_MOST_READY: Final = 256
_AT_ONCE: Final = 32
"""Requests sent, or made ready, before the event loop turns: answers are read in between."""
_FORESIGHT: Final = 0.02
"""Seconds, at least, before a request is due that its connection is asked for; four handshakes if that is longer."""
_GLANCE: Final = 0.005
"""Seconds between two looks at how many connections will be needed."""


class Pace:
    """`planned` are the requests of this process, in the order of `at`; times are the desk's; `end` is when
    the last stage ends. `done` is called once, when nothing is left to send."""

    def __init__(
        self, planned: Iterator[Planned], requests: Requests, desk: Desk, end: float, done: Callable[[], None]
    ) -> None:
        self._planned, self._requests, self._desk, self._done = planned, requests, desk, done
        self._clock, self._end = desk.clock, end
        self._next = next(planned, None)
        self._ready: deque[Exchange] = deque()  # as they are due
        self._turns: list[tuple[float, int, Exchange]] = []  # a heap: later turns, which nobody could put in order
        self._conversations: dict[int, Conversation] = {}
        self._alarm = alarm(self._ring)
        self._glanced = -1.0
        self._over = False

    def prepare(self) -> None:
        """Before the start: the first requests, and their connections."""
        while self._wants(0.0) and len(self._ready) < _AT_ONCE:
            self._make_next()
        self._foresee(0.0)

    def start(self) -> None:
        self._ring()

    def stop(self) -> None:
        """Send no more."""
        if not self._over:
            self._over = True
            self._alarm.close()
            self._ready.clear()
            self._turns.clear()
            self._conversations.clear()
            self._next = None
            self._desk.pool.foresee(0)
            self._done()

    def _ring(self) -> None:
        if self._over:
            return
        now = self._clock()
        for _ in range(_AT_ONCE):
            if self._due_next() > now:
                break
            self._pop().begin()
            now = self._clock()
        self._make_some()
        now = self._clock()
        if now - self._glanced > _GLANCE:
            self._foresee(now)
        self._set(now)

    def _due_next(self) -> float:
        """When the next request that is ready is due; infinity when none is."""
        first = self._ready[0].due if self._ready else _NEVER
        return min(first, self._turns[0][0]) if self._turns else first

    def _pop(self) -> Exchange:
        if self._turns and (not self._ready or self._turns[0][0] < self._ready[0].due):
            return heapq.heappop(self._turns)[2]
        return self._ready.popleft()

    def _make_some(self) -> None:
        """Make requests ready, as long as none is due."""
        for _ in range(_AT_ONCE):
            now = self._clock()
            if not self._wants(now) or self._due_next() <= now:
                return
            self._make_next()

    def _wants(self, now: float) -> bool:
        coming = self._next
        return coming is not None and len(self._ready) < _MOST_READY and coming.at <= now + _AHEAD

    def _foresee(self, now: float) -> None:
        """As many connections as requests are due soon, and one for what comes then."""
        self._glanced, horizon, soon = now, now + self._horizon(), 1
        for exchange in self._ready:
            if exchange.due > horizon:
                break
            soon += 1
        self._desk.pool.foresee(soon)

    def _horizon(self) -> float:
        return max(_FORESIGHT, 4 * self._desk.pool.handshake)

    def _set(self, now: float) -> None:
        """When to look again: something is due, is to be made ready, or will need a connection that is not there."""
        coming, at = self._next, self._due_next()
        if coming is None and at == _NEVER and (not self._conversations or now >= self._end):
            self.stop()
            return
        if coming is not None and len(self._ready) < _MOST_READY:
            at = min(at, coming.at - _AHEAD)
        lacking = max(0, self._desk.pool.ready)
        if lacking < len(self._ready):
            early = self._ready[lacking].due - self._horizon()
            at = min(at, early) if early > now else at
        self._alarm.set(self._desk.start + min(at, max(self._end, now + _AHEAD)))

    # what is due

    def _make_next(self) -> None:
        planned, self._next = self._next, next(self._planned, None)
        assert planned is not None  # noqa: S101 (`_wants` has looked)
        if planned.session < 0:
            exchange = self._desk.exchange(planned, planned.at, self._requests.make(planned))
            self._ready.append(exchange)
            return
        conversation = self._conversations.get(planned.session)
        if conversation is None:
            if planned.turn:
                return  # its session was given up
            conversation = self._conversations[planned.session] = Conversation()
        conversation.later.append(planned)
        self._go_on(conversation)

    def _go_on(self, conversation: Conversation) -> None:
        """The next turn, if it is known and the answer before it has ended."""
        if not conversation.later or (conversation.said and conversation.free_at is None):
            return
        planned, free_at = conversation.later.popleft(), conversation.free_at
        due = planned.at if free_at is None else free_at + planned.think
        if planned.last or (planned.turn and due >= self._end):
            del self._conversations[planned.session]
        if planned.turn and due >= self._end:
            return  # the run is over then
        data = self._requests.make(planned, conversation.ask(planned, self._requests.prompts))
        if planned.last:
            exchange = self._desk.exchange(planned, due, data)
        else:

            def then(_: Exchange, text: str, now: float) -> None:
                self._answered(conversation, text, now)

            exchange = self._desk.exchange(planned, due, data, then, keeps=True)
        if planned.turn:
            heapq.heappush(self._turns, (due, planned.number, exchange))
        else:
            self._ready.append(exchange)

    def _answered(self, conversation: Conversation, text: str, now: float) -> None:
        if self._over:
            return
        conversation.answered(text, now)
        if conversation.later:
            self._go_on(conversation)
            self._set(now)


_NEVER: Final = float("inf")
