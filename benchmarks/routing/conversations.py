"""Sessions of many turns, as a fleet meets them that has served for long. Pure.

Sessions arrive at random from well before the first second of the plan. What was said before it is history, so the
run begins with conversations of all ages instead of a fleet full of first turns. Their caches are cold then: the
first turn of each computes its history, which the warm-up leaves room for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.routing.draws import arrivals, pause
from benchmarks.routing.schedule import Message, Schedule, Session, Turn, Window

__all__ = ["Talk", "conversations"]

FIRST_TOKEN = 0.3
STEP = 0.022
"""What the plan supposes of an answer: seconds to its first token and between tokens."""

Size = Callable[[random.Random], int]


@dataclass(frozen=True, slots=True)
class Talk:
    """How a session goes. Sizes are tokens, times the engines' seconds."""

    turns: int
    opening: Callable[[random.Random], tuple[Message, ...]]  # what stands before the first question
    question: Size
    answer: Size
    think: float  # mean
    most: int  # tokens of a prompt: a session that would pass it ends before

    @property
    def longest(self) -> float:
        """A bound that hardly a session passes."""
        return self.turns * (FIRST_TOKEN + STEP * 400 + 2 * self.think)


def conversations(draw: random.Random, rate: float, window: Window, talk: Talk) -> Schedule:
    """`rate` sessions a second."""
    whole = (_session(draw, at, talk) for at in arrivals(draw, rate, -talk.longest, window.last))
    return Schedule.of(window, [kept for turns in whole if (kept := _from_the_start(turns, window))])


def _session(draw: random.Random, at: float, talk: Talk) -> Iterator[Turn]:
    said = talk.opening(draw)
    think, length = 0.0, sum(message.tokens for message in said)
    for _ in range(talk.turns):
        question = Message("user", draw.getrandbits(48), talk.question(draw))
        answer = talk.answer(draw)
        length += question.tokens + answer
        if length > talk.most:
            return
        yield Turn((*said, question), answer, think, at)
        said, think = (), pause(draw, talk.think)
        at += FIRST_TOKEN + STEP * answer + think


def _from_the_start(turns: Iterator[Turn], window: Window) -> Session | None:
    """Turns planned before second 0 become history; those after the last second are never asked."""
    history: list[Message] = []
    kept: list[Turn] = []
    for number, turn in enumerate(turns):
        if turn.planned < 0:
            history += (*turn.said, Message("assistant", turn.said[-1].key ^ number, turn.answer))
        elif turn.planned < window.last:
            said, think = ((*history, *turn.said), 0.0) if not kept else (turn.said, turn.think)
            kept.append(Turn(said, turn.answer, think, turn.planned, window.judges(turn.planned)))
    return Session("", tuple(kept)) if kept else None
