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
    """So many tokens of text that is the same wherever the id is."""

    id: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Planned:
    """`at`: when it is to be sent; of a session's later turn nobody can know that, so it counts from the session's start
    as if answers took no time, and the request is due `think` seconds after the answer before it has ended.

    `prompt` holds all of it: of a later turn the earlier ones too, whose answers are Pieces of `output_tokens`.
    `cancel_after`: the caller leaves when so many tokens of the answer have come.
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

    @property
    def prompt_tokens(self) -> int:
        return sum(piece.tokens for piece in self.prompt)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of the schedule with one law of arrivals. `rate`: requests a second asked for, on average (None: closed
    loop or a trace's own); `concurrency`: callers that ask again at once (None: open loop). `cv`: coefficient of variation
    of the gaps between arrivals (0 constant, 1 Poisson; None: no law of their own); `ramp`: the rate changes within."""

    name: str
    start: float
    end: float
    rate: float | None = None
    concurrency: int | None = None
    cv: float | None = None
    ramp: bool = False


class Traffic(Protocol):
    """Requests in the order of `at`; each iteration is the same again. In a closed loop `at` is the stage's start, and
    the requests of a stage are as many as are wanted: it goes on until the stage's end."""

    @property
    def stages(self) -> tuple[Stage, ...]: ...

    @property
    def seconds(self) -> float:
        """Until the last stage's end."""

    def __iter__(self) -> Iterator[Planned]: ...
