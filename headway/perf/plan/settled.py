"""The first of a search, settled by play: when requests of the workload feel more than the limits, replicas are added
until they do not, or until another choice costs less; then that one is tried.

The search is by formulas and has thousands of settings; the simulator's replica knows what formulas do not (uneven
answers, preemption, bursts by chance) and takes a tenth of a second for one. So only what may be picked is played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from headway.perf.plan.choice import Choice, Refused, Search
from headway.perf.plan.goal import as_played
from headway.perf.plan.played import Played, play
from headway.perf.plan.priced import with_more
from headway.perf.plan.question import Question
from headway.perf.plan.told import told_played
from headway.perf.traffic.planned import Planned

__all__ = ["REQUESTS", "settled"]

REQUESTS = 1000
"""Of one play; 50 of them are beyond the 95th percentile."""
MOST = 8
"""Plays of one plan."""

Sample = Callable[[float], Iterable[Planned]]
"""REQUESTS requests of the workload at this rate a second."""


def settled(question: Question, found: Search, sample: Sample) -> Search:
    choices, refused = list(found.choices), list(found.refused)
    for _ in range(MOST):
        if not choices:
            break
        first = choices[0]
        played = _play(question, first, sample)
        felt = as_played(first.felt, played)
        missed = felt.miss(question.goal)
        if missed is None or question.asked.replicas is not None:
            choices[0] = replace(first, felt=felt, reckoned=first.felt, missed=missed)
            break
        more = with_more(question, first)
        if isinstance(more, Choice):
            choices[0] = more
            choices.sort(key=lambda each: each.rank)
        else:
            choices.pop(0)
            refused.append(_refused(first, more, played))
    return replace(found, choices=choices, refused=refused)


def _play(question: Question, choice: Choice, sample: Sample) -> Played:
    rate = question.demand.peak / choice.replicas.all
    by = question.constants(choice.setting)
    before = by.engines[question.engine].request
    limits = question.by.limits(choice.setting)
    return play(question.by.step_time(choice.setting), limits, before, sample(rate), REQUESTS)


def _refused(choice: Choice, why: Refused, played: Played) -> Refused:
    return replace(why, why=f"{told_played(played)} when played; {why.why}")
