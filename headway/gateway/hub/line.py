"""Requests that wait for a place at an endpoint of their model: one line a model, over all workers of the host.

An endpoint has as many places as its engine runs at once (`capacity`). Who finds them all taken waits here, and goes in
the order of `policy.fairness`: strict between priorities, fair between tenants. Nobody goes past those who wait. The
line decides only when there is one: without it workers never ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from headway.gateway.frames import Freed, Full, Join, Lined, Queueing, Turn
from headway.gateway.hub.member import Member
from headway.gateway.settings import Settings
from headway.gateway.table import ModelRoute
from headway.policy.fairness import FairQueue

__all__ = ["Lines"]

LOOK_SECONDS = 0.05
"""Between looks at the board while somebody waits, should a worker have died without a word."""
COUNTED = 128
"""In a longer line nobody's place is counted: it takes about 50 us at this length, and everybody else waits for it."""
SERVICE_SECONDS = 5.0
"""How long a request is taken to run, until some have."""
PACED = 20
"""Places that must have become free before the pace is believed, and somebody refused because of it."""

Ticket = tuple[Member, int]


@dataclass(slots=True)
class _Line:
    queue: FairQueue[Ticket]
    capacity: int = 0
    slots: tuple[int, ...] = ()
    granted: dict[Ticket, float] = field(default_factory=dict)  # turns not yet made use of -> when they were given
    freed_at: float = 0.0
    pace: float = SERVICE_SECONDS  # seconds between two places that become free
    paced: int = 0  # places that became free while somebody waited


class Lines:
    """`running`: of all workers, at a slot of the board."""

    def __init__(self, settings: Settings, running: Callable[[int], int], members: Callable[[], list[Member]]) -> None:
        self._settings, self._running, self._members = settings, running, members
        self._lines: dict[str, _Line] = {}
        self._model_of: dict[Ticket, str] = {}
        self._queueing: list[str] = []

    def use(self, models: Iterable[ModelRoute], slots: Mapping[str, int]) -> None:
        """A new table. A model that has no capacity any more lets everybody go."""
        wanted = {model.name: model for model in models}
        for name, line in self._lines.items():
            line.queue.bound(self._settings.waiting_max, self._settings.waiting_bytes)
            model = wanted.get(name)
            line.capacity = model.capacity if model else 0
            line.slots = tuple(slots[each.id] for each in model.routed if each.id in slots) if model else ()
        for name, model in wanted.items():
            if name not in self._lines and model.capacity:
                queue: FairQueue[Ticket] = FairQueue(self._settings.waiting_max, self._settings.waiting_bytes)
                places = tuple(slots[each.id] for each in model.routed if each.id in slots)
                self._lines[name] = _Line(queue, model.capacity, places)
        self._serve_all()

    def join(self, member: Member, frame: Join) -> None:
        line, ticket = self._lines.get(frame.model), (member, frame.number)
        if line is None:
            member.tell(Turn(frame.number))
            return
        wait = line.pace * (line.queue.ahead(frame.priority) + 1)
        if line.paced >= PACED and wait > frame.patience:
            member.tell(Full(frame.number, wait - frame.patience, late=True))
            return
        evicted = line.queue.push(
            ticket,
            frame.tenant,
            priority=frame.priority,
            cost=frame.cost,
            weight=frame.weight,
            size=frame.size,
        )
        if evicted is None:
            member.tell(Full(frame.number, self._eta(line)))
            return
        self._model_of[ticket] = frame.model
        for other in evicted:
            self._model_of.pop(other, None)
            other[0].tell(Full(other[1], self._eta(line)))
        self._serve(line)
        if ticket not in line.granted:
            self._tell_place(line, ticket)
        self._announce()

    def _tell_place(self, line: _Line, ticket: Ticket) -> None:
        """Where it stands: found by going through the line, so only while that is short."""
        waiting = len(line.queue) - 1
        ahead = line.queue.position(ticket) if waiting < COUNTED else None
        eta = line.pace * (1 + (waiting if ahead is None else ahead))
        ticket[0].tell(Lined(ticket[1], ahead, waiting, eta))

    def leave(self, member: Member, number: int) -> None:
        ticket = (member, number)
        if line := self._lines.get(self._model_of.pop(ticket, "")):
            line.queue.remove(ticket)
            line.granted.pop(ticket, None)
            self._serve(line)
            self._announce()

    def took(self, member: Member, number: int) -> None:
        ticket = (member, number)
        if line := self._lines.get(self._model_of.pop(ticket, "")):
            line.granted.pop(ticket, None)
            self._announce()

    def freed(self, frame: Freed) -> None:
        if line := self._lines.get(frame.model):
            line.queue.charge(frame.tenant, frame.tokens, priority=frame.priority, weight=frame.weight)
            now = asyncio.get_running_loop().time()
            if line.freed_at:
                line.paced += 1
                line.pace += max(0.1, 1.0 / line.paced) * (now - line.freed_at - line.pace)
            self._serve(line)
            line.freed_at = now if len(line.queue) else 0.0  # while nobody waits, a gap says nothing
            self._announce()

    def gone(self, member: Member) -> None:
        """A worker is dead, and all that waited in it."""
        for ticket in [each for each in self._model_of if each[0] is member]:
            self.leave(*ticket)

    def lengths(self) -> dict[str, int]:
        """How many wait for each model that has a line."""
        return {name: len(line.queue) for name, line in self._lines.items()}

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._queueing:
                self._serve_all()

    def _serve_all(self) -> None:
        for line in self._lines.values():
            self._serve(line)
        self._announce()

    def _serve(self, line: _Line) -> None:
        """As many turns as there are places."""
        while len(line.queue) and self._free(line) > 0 and (ticket := line.queue.pop()):
            line.granted[ticket] = asyncio.get_running_loop().time()
            ticket[0].tell(Turn(ticket[1]))

    def _free(self, line: _Line) -> int:
        if not line.capacity:
            return 1
        taken = [self._running(slot) for slot in line.slots]
        return sum(max(0, line.capacity - each) for each in taken) - len(line.granted)

    def _eta(self, line: _Line) -> float:
        return line.pace * (len(line.queue) + 1)

    def _announce(self) -> None:
        """Tell the workers which models have a line, when that has changed."""
        queueing = [name for name, line in self._lines.items() if len(line.queue) or line.granted]
        if queueing != self._queueing:
            self._queueing = queueing
            for member in self._members():
                member.tell(Queueing(queueing))
