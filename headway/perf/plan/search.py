"""The search: every offer, form of weights and layout that the rules allow, priced for the load under the limits.

A setting is first tried as engines run it; a smaller budget of tokens a step only where gaps between tokens decide
(shorter pieces of prompts stretch fewer of them), 8-bit keys and values only where their room does. Ranked by what all
replicas cost an hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

from headway.errors import ResourceError
from headway.perf.limits import weight_bytes
from headway.perf.plan.asked import Asked
from headway.perf.plan.capacity import Capacity, Performance, Replica
from headway.perf.plan.checkpoint import QUALITIES, Checkpoint, Quality
from headway.perf.plan.choice import Choice, Refused, Replicas, Search, quality_of
from headway.perf.plan.cold_start import cold_start
from headway.perf.plan.demand import Demand
from headway.perf.plan.goal import Goal, Miss
from headway.perf.plan.layout import Layout, layouts, unsuited
from headway.perf.plan.memory import memory_of
from headway.perf.plan.offer import Offer
from headway.perf.plan.spot import away, with_spares
from headway.perf.plan.told import told_miss, told_room, told_weights
from headway.perf.setting import EngineFamily, Setting

__all__ = ["HEAD_ROOM", "Question", "Terms", "search"]

HEAD_ROOM = 0.2
"""The load may be so much more than was said, and the limits are still kept."""
BUDGETS: tuple[int | None, ...] = (None, 2048, 512)
"""Tokens of one step: the engine's default, and smaller ones."""
FULL = 0.8
"""Of the sequences that have room, from which on room for more keys and values would help."""
ROOM, MEMORY = 1e3, 1e6
"""A setting that misses a limit is nearer than one without room for a request, and that nearer than one too small."""
BLOCK = 1024
"""The longest request is rounded up to a multiple of so many tokens."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How careful the plan is: head-room, one replica more, and how far weights may be from those published."""

    head_room: float = HEAD_ROOM
    n_plus_1: bool = False
    quality: Quality = "8bit"


@dataclass(frozen=True, slots=True)
class Question:
    """All that is the same for each setting of one search."""

    asked: Asked
    demand: Demand
    goal: Goal
    terms: Terms
    engine: EngineFamily
    memory_share: float
    by: Performance


def search(question: Question, checkpoints: Sequence[Checkpoint], offers: Sequence[Offer]) -> Search:
    choices: dict[tuple[str, str], Choice] = {}
    refused: dict[str, Refused] = {}
    looked = 0
    for offer in offers:
        for checkpoint in checkpoints:
            for found in _of_offer(question, offer, checkpoint):
                looked += 1
                if isinstance(found, Choice):
                    key = (offer.name + offer.pool, f"{checkpoint.label} {found.setting.kv}")
                    if key not in choices or found.rank < choices[key].rank:
                        choices[key] = found
                elif offer.name not in refused or found.near < refused[offer.name].near:
                    refused[offer.name] = found
    ranked = sorted(choices.values(), key=lambda each: each.rank)
    allowed = QUALITIES.index(question.terms.quality)
    fit = [each for each in ranked if QUALITIES.index(each.quality) <= allowed]
    others = [each for each in ranked if QUALITIES.index(each.quality) > allowed]
    chosen = {each.offer.name for each in fit}
    return Search(fit, others, [each for name, each in refused.items() if name not in chosen], looked)


def _of_offer(question: Question, offer: Offer, checkpoint: Checkpoint) -> Iterator[Choice | Refused]:
    if question.asked.passes_over(offer) or not question.asked.allows(checkpoint):
        return
    if why := unsuited(offer, checkpoint):
        yield Refused(offer, checkpoint, None, why, offer.price)
        return
    for layout in layouts(offer, checkpoint):
        if question.asked.refuses(layout):
            continue
        yield from _of_layout(question, offer, checkpoint, layout)


def _of_layout(
    question: Question, offer: Offer, checkpoint: Checkpoint, layout: Layout
) -> Iterator[Choice | Refused]:
    asked = question.asked
    kv = asked.kv or "bf16"
    first = _tried(question, offer, checkpoint, layout, kv)
    yield first
    is_short = isinstance(first, Refused) and first.miss is None
    is_full = isinstance(first, Choice) and first.felt.running >= FULL * first.memory.sequences
    if asked.kv is None and (is_short or is_full) and offer.accelerator.capability >= 89:
        yield _tried(question, offer, checkpoint, layout, "fp8")


def _tried(question: Question, offer: Offer, checkpoint: Checkpoint, layout: Layout, kv: str) -> Choice | Refused:
    """With the budget of tokens a step that bears most."""
    asked, least = question.asked, offer.price * layout.accelerators
    best: tuple[Replica, Capacity] | None = None
    for budget in BUDGETS if asked.token_budget is None else (asked.token_budget,):
        setting = _setting(question, offer, checkpoint, layout, kv, budget)
        try:
            replica = Replica(setting, question.demand, question.by)
        except ResourceError:
            return _too_large(offer, checkpoint, layout, setting)
        context = _context(question, setting)
        if replica.limits.kv_tokens < context:
            why = told_room(replica.limits.kv_tokens, context)
            return Refused(offer, checkpoint, layout, why, least, ROOM * context / replica.limits.kv_tokens)
        capacity = replica.capacity(question.goal)
        if best is None or capacity.load > best[1].load or _is_nearer(capacity, best[1]):
            best = replica, capacity
        if capacity.miss is None or capacity.miss.figure not in ("itl", "tpot", "e2e"):
            break
    assert best is not None  # noqa: S101
    return _priced(question, offer, checkpoint, layout, *best)


def _too_large(offer: Offer, checkpoint: Checkpoint, layout: Layout, setting: Setting) -> Refused:
    each = layout.accelerators
    weights, memory = weight_bytes(setting) * each, offer.accelerator.memory * each
    why = told_weights(checkpoint.label, weights, offer.accelerator.memory, each)
    return Refused(offer, checkpoint, layout, why, offer.price * each, MEMORY * weights / memory)


def _is_nearer(one: Capacity, other: Capacity) -> bool:
    """Where neither bears anything."""
    if one.load or other.load or one.miss is None or other.miss is None:
        return False
    return one.miss.times < other.miss.times


def _setting(
    question: Question, offer: Offer, checkpoint: Checkpoint, layout: Layout, kv: str, budget: int | None
) -> Setting:
    return Setting(
        model=checkpoint.architecture,
        accelerator=offer.accelerator,
        engine=question.engine,
        weights=checkpoint.weights,
        expert_weights=checkpoint.expert_weights,
        kv=kv,
        tensor=layout.tensor,
        pipeline=layout.pipeline,
        data=layout.data,
        expert=layout.expert,
        memory_share=question.asked.memory_share or question.memory_share,
        most_sequences=question.asked.sequences,
        token_budget=budget,
    )


def _context(question: Question, setting: Setting) -> int:
    """The longest request that is to be taken: vLLM does not start when it has no room for one of them."""
    longest = question.asked.context or -(-question.demand.lengths.longest // BLOCK) * BLOCK
    return min(longest, setting.model.context or longest)


def _priced(
    question: Question, offer: Offer, checkpoint: Checkpoint, layout: Layout, replica: Replica, capacity: Capacity
) -> Choice | Refused:
    each = layout.accelerators
    least, fixed = offer.price * each, question.asked.replicas
    if not capacity.load and not (fixed and capacity.miss):
        why = told_miss(capacity.miss, "alone") if capacity.miss else ""
        near = capacity.miss.times if capacity.miss else inf
        return Refused(offer, checkpoint, layout, why, least, near, capacity.miss, replica.prefill)
    starting = cold_start(memory_of(replica.setting, replica.limits, 1.0).weights * each, question.engine)
    gone = 0.0 if offer.preemptions is None else away(offer.preemptions, each, starting.seconds)
    replicas = _replicas(question, capacity.load, gone, is_spot=offer.preemptions is not None)
    most = question.asked.most
    if most is not None and replicas.all > most:
        return Refused(offer, checkpoint, layout, f"needs {replicas.all} replicas, the file allows {most}", least, 0.5)
    if replicas.all > offer.room(each):
        there = offer.room(each)
        why = f"needs {replicas.all} replicas, there is room for {there:.0f}" + (f" of {layout}" if each > 1 else "")
        return Refused(offer, checkpoint, layout, why, least, 0.0)
    return _choice(question, offer, checkpoint, layout, replica, capacity, replicas, gone)


def _replicas(question: Question, bears: float, gone: float, *, is_spot: bool) -> Replicas:
    fixed, terms = question.asked.replicas, question.terms
    if fixed is not None:
        return Replicas(fixed)
    needed = max(question.asked.least, ceil(question.demand.peak * (1 + terms.head_room) / bears - 1e-9), 1)
    preempted = with_spares(needed, gone) - needed if is_spot else 0
    return Replicas(needed, preempted, int(terms.n_plus_1))


def _choice(
    question: Question,
    offer: Offer,
    checkpoint: Checkpoint,
    layout: Layout,
    replica: Replica,
    capacity: Capacity,
    replicas: Replicas,
    gone: float,
) -> Choice:
    demand, lengths = question.demand, question.demand.lengths
    felt = replica.felt(demand.peak / replicas.all)
    per_hour = offer.price * layout.accelerators * replicas.all
    requests = felt.requests * replicas.all if demand.closed else demand.mean
    tokens = requests * (lengths.prompt + lengths.output) * 3600
    memory = memory_of(replica.setting, replica.limits, lengths.prompt + lengths.output / 2)
    return Choice(
        offer=offer,
        checkpoint=checkpoint,
        layout=layout,
        setting=replica.setting,
        context=_context(question, replica.setting),
        running=replica.felt(capacity.load or demand.peak / replicas.all).running,
        most_sequences=replica.limits.most_sequences,
        capacity=capacity.load,
        replicas=replicas,
        per_hour=per_hour,
        per_million=per_hour / tokens * 1e6 if tokens else inf,
        idle=max(0.0, 1 - demand.mean / (capacity.load * replicas.all)) if capacity.load else 0.0,
        felt=felt,
        memory=memory,
        cold_start=cold_start(memory.weights * layout.accelerators, question.engine),
        away=gone,
        fitted_on=replica.fitted_on,
        missed=felt.miss(question.goal),
    )
