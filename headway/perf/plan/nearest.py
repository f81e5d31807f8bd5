"""When nothing keeps the limits: what was in the way, and the least change after which something does.

Tried in this order, each alone: what the file fixes, how many GPUs the Site has, which products, the limits
themselves. Each answer is the cheapest choice that the change allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from headway.perf.plan.asked import Asked
from headway.perf.plan.checkpoint import Checkpoint
from headway.perf.plan.choice import Choice, Search
from headway.perf.plan.goal import Goal
from headway.perf.plan.offer import Offer
from headway.perf.plan.question import Question
from headway.perf.plan.search import search

__all__ = ["Way", "ways_out"]

LOOSER = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Times the limits, tried in turn when nothing else helps."""


@dataclass(frozen=True, slots=True)
class Way:
    """`change`: what is to be changed, for people; `goal`: the limits then."""

    change: str
    choice: Choice
    goal: Goal


def ways_out(
    question: Question, checkpoints: Sequence[Checkpoint], offers: Sequence[Offer], elsewhere: Sequence[Offer]
) -> Iterator[Way]:
    """`elsewhere`: the whole catalogue."""
    free = Asked(least=question.asked.least, context=question.asked.context)
    if question.asked != free:
        yield from _way("without the GPUs, replicas and args that the file fixes", question, free, checkpoints, offers)
    more = [replace(each, count=None) for each in offers]
    if any(each.count is not None for each in offers):
        yield from _way("with more of the same GPUs", question, question.asked, checkpoints, more)
    yield from _way("on other GPUs", question, free, checkpoints, elsewhere)
    for factor in LOOSER:
        goal = _looser(question.goal, factor)
        found = search(replace(question, goal=goal), checkpoints, offers).pick
        if found is not None:
            yield Way(f"with limits {factor:g} times as long", found, goal)
            return


def _way(
    change: str, question: Question, asked: Asked, checkpoints: Sequence[Checkpoint], offers: Sequence[Offer]
) -> Iterator[Way]:
    found: Search = search(replace(question, asked=asked), checkpoints, offers)
    if found.pick is not None and found.pick.missed is None:
        yield Way(change, found.pick, question.goal)


def _looser(goal: Goal, factor: float) -> Goal:
    return Goal(**{name: limit * factor for name, limit in goal.limits.items()})
