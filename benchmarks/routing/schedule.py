"""What is asked, when, and what counts: the values that a workload makes of a seed. Pure.

A Session arrives at a time of the plan, whatever the fleet does (an open loop); its next turn holds the answer
before it and so waits for it (closed in content). Times are the engines' seconds.

A request is judged when the plan has it between the warm-up and the end: so the same requests are judged whoever
routes them, and a slow subject cannot hide by asking less. Load goes on after the end until the judged ones are
done, or for the time of grace; what is not done by then is a miss.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Message", "Schedule", "Session", "Turn", "Window"]


@dataclass(frozen=True, slots=True)
class Message:
    """A passage with a speaker."""

    role: str
    key: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One request: what is said after all before it, and how long an answer is wanted."""

    said: tuple[Message, ...]
    answer: int
    think: float  # seconds between the end of the answer before and this request; the first turn has none
    planned: float  # when it is asked if answers take as long as the plan supposes
    judged: bool = False

    @property
    def tokens(self) -> int:
        return sum(message.tokens for message in self.said)


@dataclass(frozen=True, slots=True)
class Session:
    model: str  # "" = the base model
    turns: tuple[Turn, ...]

    @property
    def start(self) -> float:
        return self.turns[0].planned

    def prompts(self) -> Iterator[int]:
        """Tokens of the prompt of each judged turn."""
        length = 0
        for turn in self.turns:
            length += turn.tokens
            if turn.judged:
                yield length
            length += turn.answer


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds. Judged is what is planned in [warm, end); `grace` is how long it may take after that."""

    warm: float
    end: float
    grace: float = 15.0

    @property
    def last(self) -> float:
        return self.end + self.grace

    def judges(self, planned: float) -> bool:
        return self.warm <= planned < self.end


@dataclass(frozen=True, slots=True)
class Schedule:
    window: Window
    sessions: tuple[Session, ...]  # by start

    @classmethod
    def of(cls, window: Window, sessions: Sequence[Session]) -> Schedule:
        return cls(window, tuple(sorted(sessions, key=lambda session: session.start)))

    @property
    def judged(self) -> int:
        return sum(turn.judged for session in self.sessions for turn in session.turns)

    @property
    def mean_tokens(self) -> int:
        """Of the judged requests' prompts, answers within them included."""
        prompts = [length for session in self.sessions for length in session.prompts()]
        return round(sum(prompts) / len(prompts)) if prompts else 1
