"""One request of a schedule, and the stages that a schedule has: what a generator sends and a simulator serves.

A prompt is a row of Pieces: equal ids are equal text, so that what requests share at their beginning is shared by every
reader of a schedule, be it text that is sent or blocks that a simulator counts. Times are seconds since the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["Operation", "Piece", "Planned", "Stage", "Traffic"]

Operation = Literal["chat", "completion", "embedding"]


@dataclass(frozen=True, slots=True)
class Piece:
    """So many tokens of text that is the same wherever the id is; a shorter Piece of the same id is its beginning. Ids
    are below 2^62."""

    id: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Planned:
    """`at`: when it is to be sent; of a session's later turn nobody can know that, so it counts from the session's
    start as if answers took no time, and the request is due `think` seconds after the answer before it has ended.

    `prompt` holds all of it: of a later turn the earlier ones too, whose answers are Pieces of `output_tokens`: the
    prompt before, that answer's Piece, and what is new.
    `turn` is 0 for the first that is sent of a session: one that had begun before the schedule did has its history in
    that prompt. `session` -1: it is none. `cancel_after`: the caller leaves when so many tokens of the answer are
    there.
    `part`: which of `Workload.parts` it is of. `last`: no later turn of its session follows.
    """

    number: int
    at: float
    stage: int
    operation: Operation
    model: str
    prompt: tuple[Piece, ...]
    output_tokens: int
    tenant: str = ""
    adapter: str = ""
    session: int = -1
    turn: int = 0
    think: float = 0.0
    stream: bool = True
    cancel_after: int | None = None
    part: int = 0
    last: bool = True

    @property
    def prompt_tokens(self) -> int:
        return sum(piece.tokens for piece in self.prompt)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of the schedule with one law of arrivals. `rate`: requests a second asked for, on average (None: closed
    loop or a trace's own); `concurrency`: callers that ask again at once (None: open loop). `cv`: coefficient of
    variation of the gaps between arrivals (0 constant, 1 Poisson; None: no law of their own); `ramp`: the rate changes
    within. `end` is infinite in a closed loop that has a number of requests and no time."""

    name: str
    start: float
    end: float
    rate: float | None = None
    concurrency: int | None = None
    cv: float | None = None
    ramp: bool = False


class Traffic(Protocol):
    """Requests in the order of `at`; each iteration is the same again. In a closed loop `at` is the stage's start, the
    turns of a session follow one another, and the requests of a stage are as many as are wanted."""

    @property
    def stages(self) -> tuple[Stage, ...]: ...

    @property
    def seconds(self) -> float:
        """Until the last stage's end."""

    def __iter__(self) -> Iterator[Planned]:
        """All of them; of a closed loop it never comes to the second stage, unless `requests` ends the first."""

    def of(self, stage: int) -> Iterator[Planned]:
        """One stage's requests alone; endless in a closed loop, whose reader stops at the stage's end."""
