"""Requests that come because an answer did: the later turns of sessions, and callers of a closed loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from headway.perf.traffic.planned import Planned, Stage, Traffic
from headway.sim.job import Ended, Job

if TYPE_CHECKING:
    from headway.sim.front import Front

__all__ = ["Callers", "Sessions"]

_ANSWERED = (Ended.FINISHED, Ended.LEFT)


class _Session:
    """`free_at`: when its last answer had ended, None = one is under way."""

    __slots__ = ("broken", "free_at", "turns")

    def __init__(self) -> None:
        self.free_at: float | None = None
        self.broken = False
        self.turns: deque[Planned] = deque()


class Sessions:
    """Of an open loop. `given_up`: turns that did not come, since one before them was not answered; `due`: turns that
    will."""

    def __init__(self, front: Front) -> None:
        self.given_up = self.due = 0
        self._front = front
        self._open: dict[int, _Session] = {}

    def planned(self, planned: Planned) -> None:
        """The schedule has come to it."""
        if planned.session < 0:
            self._front.come(planned)
            return
        session = self._open.get(planned.session)
        if session is None:
            session = self._open[planned.session] = _Session()
            self._ask(planned)
        elif session.broken:
            self._give_up(planned)
        elif session.free_at is None:
            session.turns.append(planned)
        else:
            self._wait(planned, session, session.free_at)

    def ended(self, job: Job, now: float) -> None:
        session = self._open.get(job.session) if job.session >= 0 else None
        if session is None:
            return
        if job.last:
            del self._open[job.session]
        elif job.ended not in _ANSWERED:
            session.broken = True
            while session.turns:
                self._give_up(session.turns.popleft())
        else:
            session.free_at = now
            if session.turns:
                self._wait(session.turns.popleft(), session, now)

    def _wait(self, planned: Planned, session: _Session, free_at: float) -> None:
        session.free_at = None
        self.due += 1
        self._front.agenda.at(free_at + planned.think, self._now, planned)

    def _now(self, planned: Planned) -> None:
        self.due -= 1
        self._ask(planned)

    def _ask(self, planned: Planned) -> None:
        self._front.come(planned)

    def _give_up(self, planned: Planned) -> None:
        self.given_up += 1
        if planned.last:
            self._open.pop(planned.session, None)


class Callers:
    """So many that ask again when they have their answers, through the stages of a closed loop. `due`: who thinks."""

    def __init__(self, front: Front, traffic: Traffic) -> None:
        self.due = 0
        self._front = front
        self._stages = traffic.stages
        self._asks: list[Iterator[Planned]] = [traffic.of(number) for number in range(len(self._stages))]
        self._turns: dict[int, deque[Planned]] = {}
        first = 0
        for number, stage in enumerate(self._stages):
            for caller in range(stage.concurrency or 0):
                self._wait(first + caller, number, stage.start)
            first += stage.concurrency or 0

    def ended(self, job: Job, now: float) -> None:
        if job.caller < 0:
            return
        turns = self._turns[job.caller]
        if turns and job.ended not in _ANSWERED:
            turns.clear()
        think = turns[0].think if turns else 0.0
        self._wait(job.caller, job.stage, now + think)

    def _wait(self, caller: int, stage: int, at: float) -> None:
        self.due += 1
        self._front.agenda.at(at, self._ask, (caller, stage))

    def _ask(self, who: tuple[int, int]) -> None:
        self.due -= 1
        caller, number = who
        stage: Stage = self._stages[number]
        turns = self._turns.setdefault(caller, deque())
        if self._front.agenda.now >= stage.end:
            return
        if not turns:
            for planned in self._asks[number]:
                turns.append(planned)
                if planned.session < 0 or planned.last:
                    break
        if turns:
            self._front.come(turns.popleft(), caller)
