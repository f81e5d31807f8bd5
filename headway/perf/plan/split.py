"""Prompts and answers on accelerators of their own (disaggregated prefill and decode), priced as any other choice.

Replicas of one kind compute prompts and send keys and values to those of the other, which write answers and are never
held up by a prompt (DistServe, OSDI'24; Splitwise, ISCA'24). Each kind is an ordinary replica of the model of
performance: the first under requests that ask for one token, the second under requests whose prompts are there already.
Rates do not match evenly: 90 % of what prefill bears and 92 % of what decode bears is counted on (aiconfigurator's
measure of it). Nothing here launches such a pair, so it is shown and never picked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from headway.errors import ResourceError
from headway.perf.plan.capacity import Replica
from headway.perf.plan.choice import Choice
from headway.perf.plan.goal import Goal
from headway.perf.plan.question import Question
from headway.perf.step.cache import cache_of

__all__ = ["NEEDS", "Pair", "pair_of"]

NEEDS = "an engine pair that hands over keys and values, which nothing here launches yet"
PREFILL, DECODE = 0.90, 0.92
FABRIC = 0.7
"""Of the slower of PCIe and link that a hand-over reaches."""


@dataclass(frozen=True, slots=True)
class Pair:
    """`handover`: seconds for keys and values of the 95th percentile's prompt."""

    choice: Choice
    prefill: int
    decode: int
    per_hour: float
    ttft_p95: float
    itl_p95: float
    handover: float


def pair_of(question: Question, choice: Choice) -> Pair | None:
    """The choice's accelerators, weights and layout, split in two kinds; None where that keeps no limit, or where load
    is callers that wait."""
    demand, goal = question.demand, question.goal
    if demand.closed or choice.offer.is_slice:
        return None
    lengths, setting = demand.lengths, choice.setting
    sent = cache_of(setting).token * lengths.prompt_p95 / (setting.accelerator.pcie * FABRIC)
    left = None if goal.ttft is None else goal.ttft - sent
    if left is not None and left <= 0:
        return None
    first = replace(demand, lengths=replace(lengths, output=1.0, output_p95=1.0))
    prompts = max(lengths.prompt - 1.0, 0.0)
    second = replace(demand, lengths=replace(lengths, prompt_p95=lengths.prompt, cached=prompts))
    try:
        prefill = Replica(replace(setting, token_budget=None), first, question.by)
        decode = Replica(setting, second, question.by)
    except ResourceError:
        return None
    bears = prefill.capacity(Goal(ttft=left)).load * PREFILL
    writes = decode.capacity(Goal(itl=goal.itl, tpot=goal.tpot)).load * DECODE
    if not bears or not writes:
        return None
    load = demand.peak * (1 + question.terms.head_room)
    spare = 2 * int(question.terms.n_plus_1)
    needed = ceil(load / bears), ceil(load / writes)
    felt = prefill.felt(demand.peak / needed[0]), decode.felt(demand.peak / needed[1])
    return Pair(
        choice=choice,
        prefill=needed[0],
        decode=needed[1],
        per_hour=choice.offer.price * choice.layout.accelerators * (sum(needed) + spare),
        ttft_p95=felt[0].ttft_p95.value + sent,
        itl_p95=felt[1].itl_p95.value,
        handover=sent,
    )
