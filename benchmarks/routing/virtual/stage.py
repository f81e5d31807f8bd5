"""Plays a Schedule to a fleet of engines through a router, all of it here and in virtual time. The same plan, judged
by the same rules, as `benchmarks.routing.play` on sockets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import msgspec

from benchmarks.routing.engines import MODEL
from benchmarks.routing.figures import Sample
from benchmarks.routing.passage import passage
from benchmarks.routing.schedule import Message, Schedule, Session, Turn
from benchmarks.routing.virtual.clock import Clock
from benchmarks.routing.virtual.engine import Engine
from benchmarks.routing.wire import chat_body, encoded
from headway.engines.mock_sequence import Sequence
from headway.wire.usage import PromptDetails, Usage

__all__ = ["HOP", "Asking", "Router", "Stage"]

HOP = 0.0005
"""Seconds of the wall from the router to an engine, and back: sockets and event loops."""
SCRAPE = 1.0
"""Seconds of the wall between two readings of the engines' /metrics, as the gateway has it."""


class Asking(Protocol):
    """A request under way, as its router sees it."""

    def first(self) -> None: ...
    def ended(self, usage: Usage) -> None: ...


class Router(Protocol):
    def picked(self, body: bytes, said: list[Message]) -> tuple[int, Asking]: ...
    def hear(self, metrics: list[str]) -> None: ...


class Stage:
    def __init__(self, clock: Clock, schedule: Schedule, scale: float, router: Router, engines: list[Engine]) -> None:
        self.clock, self.scale, self.router, self.engines = clock, scale, router, engines
        self._schedule = schedule
        self._judged: dict[Turn, Request | None] = {
            turn: None for session in schedule.sessions for turn in session.turns if turn.judged
        }
        self._open = len(self._judged)
        self._began = 0.0

    def play(self) -> list[Sample]:
        clock = self.clock
        self._warm()
        clock.at(0.0, self._scrape)
        clock.run(clock.now + 2.0, lambda: False)
        self._began = clock.now
        for session in self._schedule.sessions:
            due = self._began + session.start / self.scale
            clock.at(due, partial(_Talk(self, session).ask, due))
        clock.run(self._began + self._schedule.window.last / self.scale, lambda: not self._open)
        return [self._sample(turn, request) for turn, request in self._judged.items()]

    def _warm(self) -> None:
        """What the real run begins with: a few short requests, which no router has seen the like of."""
        for number in range(16):
            said = [Message("user", number, 3)]
            session = Session("", (Turn(tuple(said), 1, 0.0, 0.0),))
            self.clock.at(0.01 * number, partial(_Talk(self, session).ask, 0.0))

    def _scrape(self) -> None:
        self.router.hear([engine.metrics() for engine in self.engines])
        self.clock.at(self.clock.now + SCRAPE, self._scrape)

    def asked(self, request: Request) -> None:
        if request.turn.judged:
            self._judged[request.turn] = request

    def done(self, request: Request) -> None:
        self._open -= request.turn.judged

    def _sample(self, turn: Turn, request: Request | None) -> Sample:
        end = self.clock.now
        if request is None:
            return Sample(max(0.0, (end - self._began) * self.scale - turn.planned))
        waited, scale = (end - request.due) * self.scale, self.scale
        first = None if request.first is None else (request.first - request.due) * scale
        if request.whole is None:
            return Sample(waited, first)
        told = request.sequence
        return Sample(waited, first, (request.whole - request.due) * scale, told.prompt_tokens, told.cached)


class _Talk:
    """One session: asks a turn, waits for its answer, thinks, asks the next."""

    def __init__(self, stage: Stage, session: Session) -> None:
        self._stage, self._session = stage, session
        self._pieces: list[bytes] = []
        self._said: list[Message] = []
        self._turn = -1

    def ask(self, due: float) -> None:
        self._turn += 1
        turn = self._session.turns[self._turn]
        for message in turn.said:
            self._pieces.append(encoded(message.role, passage(message.key, message.tokens)))
        self._said += turn.said
        body = chat_body(self._pieces, self._session.model or MODEL, turn.answer)
        request = Request(self._stage, turn, due, self.answered)
        self._stage.asked(request)
        request.send(body, list(self._said))

    def answered(self, text: str) -> None:
        turns, stage = self._session.turns, self._stage
        if self._turn + 1 < len(turns):
            self._pieces.append(encoded("assistant", text))
            turn = turns[self._turn]
            self._said.append(Message("assistant", turn.said[-1].key, turn.answer))
            due = stage.clock.now + turns[self._turn + 1].think / stage.scale
            stage.clock.at(due, partial(self.ask, due))


class Request:
    def __init__(self, stage: Stage, turn: Turn, due: float, answered: Callable[[str], None]) -> None:
        self.turn, self.due = turn, due
        self.first: float | None = None
        self.whole: float | None = None
        self.sequence: Sequence
        self._stage, self._answered = stage, answered

    def send(self, body: bytes, said: list[Message]) -> None:
        stage = self._stage
        index, self._going = stage.router.picked(body, said)
        self.engine = index
        engine = stage.engines[index]
        question = engine.question(msgspec.json.decode(body))
        self._text = question.said.text
        stage.clock.at(stage.clock.now + HOP, lambda: engine.submit(question, self._told))

    def _told(self, sequence: Sequence) -> None:
        clock = self._stage.clock
        if sequence.produced == 1:
            self.sequence = sequence
            clock.at(clock.now + HOP, self._begun)
        if sequence.done:
            clock.at(clock.now + HOP, self._ended)

    def _begun(self) -> None:
        self.first = self._stage.clock.now
        self._going.first()

    def _ended(self) -> None:
        self.whole, told = self._stage.clock.now, self.sequence
        self._going.ended(Usage(told.prompt_tokens, told.produced, PromptDetails(told.cached)))
        self._stage.done(self)
        self._answered(self._text(told.produced))
