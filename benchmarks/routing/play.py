"""Plays a Schedule against one address and tells what was seen: the load generator, in one event loop.

It goes when `headway bench` can do this. All it measures of itself is told with the figures: how late it asked
(`lag`), and how late the engines' own event loop answers a question that costs nothing (`probe`). A run in which
either is large says nothing of routing.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import uvloop

from benchmarks.routing import answer
from benchmarks.routing.figures import Sample
from benchmarks.routing.overhead import engine_seconds
from benchmarks.routing.passage import passage
from benchmarks.routing.schedule import Schedule, Session, Turn
from benchmarks.routing.wire import CHAT, Wire, address, chat_body, encoded

__all__ = ["Place", "Played", "play"]

LEAD = 0.05
"""Seconds of the wall before the first request."""

PROBE_EVERY = 0.05


@dataclass(frozen=True, slots=True)
class Played:
    samples: tuple[Sample, ...]
    asked: int  # requests, judged or not
    lag: tuple[float, ...]  # seconds of the wall from when a request was due to when it was sent
    probe: tuple[float, ...]  # seconds of the wall for an engine to say that it is well
    seconds: float  # of the wall


@dataclass(frozen=True, slots=True)
class Place:
    """Where a schedule is played. `router` and `engine` (one that is probed) are URLs; `own` is the router's own part
    of each wait, in seconds of the wall."""

    router: str
    engine: str
    model: str
    time_scale: float
    own: float = 0.0


def play(schedule: Schedule, place: Place) -> Played:
    """Ask for all that is planned, until the judged requests are done or the time of grace is over."""
    return uvloop.run(_play(schedule, place))


async def _play(schedule: Schedule, place: Place) -> Played:
    stage = _Stage(schedule, place)
    prober = _Prober(place.engine)
    gc.collect()
    gc.disable()
    try:
        await stage.run()
    finally:
        gc.enable()
        prober.close()
        stage.wire.close()
    return Played(tuple(stage.samples()), stage.asked, tuple(stage.lag), tuple(prober.times), stage.now() - stage.began)


class _Stage:
    """What all sessions of a run share."""

    def __init__(self, schedule: Schedule, place: Place) -> None:
        self.loop = asyncio.get_running_loop()
        self.wire = Wire(*address(place.router))
        self.model, self.scale, self._own = place.model, place.time_scale, place.own
        self.asked = 0
        self.lag: list[float] = []
        self.began = self.now() + LEAD
        self._schedule = schedule
        self._judged: dict[Turn, _Request | None] = {
            turn: None for session in schedule.sessions for turn in session.turns if turn.judged
        }
        self._open = len(self._judged)
        self._ended = asyncio.Event()

    def now(self) -> float:
        return time.monotonic()  # the loop's own clock has whole milliseconds

    def later(self, due: float, do: Callable[[float], None]) -> asyncio.TimerHandle:
        return self.loop.call_later(max(0.0, due - self.now()), do, due)

    async def run(self) -> None:
        timers = [
            self.later(self.began + session.start / self.scale, _Talk(self, session).ask)
            for session in self._schedule.sessions
        ]
        last = self.began + self._schedule.window.last / self.scale
        try:
            async with asyncio.timeout(last - self.now()):
                await self._ended.wait()
        except TimeoutError:
            pass  # what is not done is a miss
        for timer in timers:
            timer.cancel()

    def sent(self, request: _Request) -> None:
        self.asked += 1
        self.lag.append(self.now() - request.due)
        if request.turn.judged:
            self._judged[request.turn] = request

    def done(self, request: _Request) -> None:
        if request.turn.judged:
            self._open -= 1
            if not self._open:
                self._ended.set()

    def gave_up(self, turns: tuple[Turn, ...]) -> None:
        """These are never asked: the answer before them failed."""
        self._open -= sum(turn.judged for turn in turns)
        if not self._open:
            self._ended.set()

    def samples(self) -> list[Sample]:
        end = self.now()
        return [self._sample(turn, request, end) for turn, request in self._judged.items()]

    def _sample(self, turn: Turn, request: _Request | None, end: float) -> Sample:
        if request is None:
            return Sample(max(0.0, (end - self.began) * self.scale - turn.planned))
        waited, first = (end - request.due) * self.scale, self._engine_seconds(request, request.first)
        if request.answer is None:
            return Sample(waited, first, fault=request.fault)
        usage, whole = request.answer.usage, self._engine_seconds(request, request.whole)
        return Sample(waited, first, whole, usage.prompt_tokens, usage.cached_tokens)

    def _engine_seconds(self, request: _Request, at: float | None) -> float | None:
        return None if at is None else engine_seconds(at - request.due, self.scale, self._own)


class _Talk:
    """One session: asks a turn, waits for its answer, thinks, asks the next."""

    def __init__(self, stage: _Stage, session: Session) -> None:
        self._stage, self._session = stage, session
        self._said = b""
        self._turn = -1

    def ask(self, due: float) -> None:
        self._turn += 1
        turn = self._session.turns[self._turn]
        self._say(*(encoded(message.role, passage(message.key, message.tokens)) for message in turn.said))
        stage = self._stage
        body = chat_body([self._said], self._session.model or stage.model, turn.answer)
        request = _Request(self, stage, turn, due)
        stage.sent(request)
        stage.wire.ask(stage.wire.request("POST", CHAT, body), request)

    def answered(self, request: _Request) -> None:
        rest = self._session.turns[self._turn + 1 :]
        if request.answer is None:
            self._stage.gave_up(rest)
        elif rest:
            self._say(encoded("assistant", request.answer.text))
            self._stage.later(self._stage.now() + rest[0].think / self._stage.scale, self.ask)

    def _say(self, *messages: bytes) -> None:
        self._said = b",".join([self._said, *messages] if self._said else messages)


class _Request:
    """A request under way. Times are of the monotonic clock."""

    def __init__(self, talk: _Talk, stage: _Stage, turn: Turn, due: float) -> None:
        self.turn, self.due = turn, due
        self.first: float | None = None
        self.whole: float | None = None
        self.answer: answer.Answer | None = None
        self.fault = ""
        self._talk, self._stage = talk, stage
        self._pieces: list[bytes] = []

    def body(self, data: bytes) -> None:
        self._pieces.append(data)
        if self.first is None and answer.has_token(data):
            self.first = self._stage.now()

    def ended(self, status: int) -> None:
        self.whole = self._stage.now()
        if status != 200:
            self.fault = f"status {status}" if status else "connection broke"
        else:
            try:
                read = answer.read(b"".join(self._pieces))
                self.answer, self.fault = (read, "") if read.whole else (None, "no end")
            except msgspec.DecodeError as error:
                self.fault = str(error)
        self._pieces.clear()
        self._stage.done(self)
        self._talk.answered(self)


class _Prober:
    """Asks an engine for its health, over and over: how long that takes is how late its loop is."""

    def __init__(self, engine: str) -> None:
        self.times: list[float] = []
        self._wire = Wire(*address(engine))
        self._loop = asyncio.get_running_loop()
        self._request = self._wire.request("GET", "/health")
        self._next: asyncio.TimerHandle | None = None
        self._ask()

    def body(self, data: bytes) -> None:
        """What it says does not matter."""

    def ended(self, status: int) -> None:
        self.times.append(time.monotonic() - self._asked)
        self._next = self._loop.call_later(PROBE_EVERY, self._ask)

    def close(self) -> None:
        if self._next:
            self._next.cancel()
        self._wire.close()

    def _ask(self) -> None:
        self._asked = time.monotonic()
        self._wire.ask(self._request, self)
