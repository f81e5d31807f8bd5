"""When nothing keeps the limits: what was in the way, and the least change after which something does.

Tried in this order, each alone: what the file fixes, how many GPUs the Site has, which products, the limits
themselves. Each answer is the cheapest choice that the change allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, replace

from headway.perf.plan.asked import Asked
from headway.perf.plan.checkpoint import Checkpoint
from headway.perf.plan.choice import Choice, Search
from headway.perf.plan.goal import Goal
from headway.perf.plan.offer import Offer
from headway.perf.plan.question import Question
from headway.perf.plan.search import search

__all__ = ["Way", "ways_out"]

LOOSER = (1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0)
"""Times the limits, tried in turn from where one request alone keeps them."""
TRIED = 5


@dataclass(frozen=True, slots=True)
class Way:
    """`change`: what is to be changed, for people; `goal`: the limits then."""

    change: str
    choice: Choice
    goal: Goal


Settle = Callable[[Question, Search], Search]


def _as_it_is(question: Question, found: Search) -> Search:
    del question
    return found


def ways_out(
    question: Question,
    checkpoints: Sequence[Checkpoint],
    offers: Sequence[Offer],
    elsewhere: Sequence[Offer],
    settle: Settle = _as_it_is,
) -> Iterator[Way]:
    """`elsewhere`: the whole catalogue. `settle`: what is done to each search before something is picked from it."""
    free = replace(question, asked=Asked(least=question.asked.least, context=question.asked.context))
    more = [replace(each, count=None) for each in offers]
    changes: list[tuple[str, Question, Sequence[Offer]]] = []
    if question != free:
        changes.append(("without the GPUs, replicas and args that the file fixes", free, offers))
    if any(each.count is not None for each in offers):
        changes.append(("with more of the same GPUs", question, more))
    changes.append(("on other GPUs", free, elsewhere))
    for change, asked, there in changes:
        found = settle(asked, search(asked, checkpoints, there)).pick
        if found is not None and found.missed is None:
            yield Way(change, found, question.goal)
    yield from _loosened(question, checkpoints, offers, settle)


def _loosened(
    question: Question, checkpoints: Sequence[Checkpoint], offers: Sequence[Offer], settle: Settle
) -> Iterator[Way]:
    """Only limits that are missed are loosened; the least factor at which something keeps them."""
    refused = search(question, checkpoints, offers).refused
    missed = {each.miss.figure for each in refused if each.miss is not None} & question.goal.limits.keys()
    least = min((each.miss.times for each in refused if each.miss is not None), default=1.0)
    for factor in [each for each in LOOSER if each >= least][:TRIED]:
        goal = _looser(question.goal, factor, missed or set(question.goal.limits))
        looser = replace(question, goal=goal)
        found = settle(looser, search(looser, checkpoints, offers)).pick
        if found is not None:
            yield Way("with looser limits", found, goal)
            return


def _looser(goal: Goal, factor: float, missed: Set[str]) -> Goal:
    return Goal(**{name: limit * (factor if name in missed else 1) for name, limit in goal.limits.items()})
