"""The search: every offer, form of weights and layout that the rules allow, priced for the load under the limits.

A setting is first tried as engines run it; a smaller budget of tokens a step only where gaps between tokens decide
(shorter pieces of prompts stretch fewer of them), 8-bit keys and values only where their room does. Ranked by what all
replicas cost an hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from headway.errors import ResourceError
from headway.perf.limits import weight_bytes
from headway.perf.plan.asked import Asked
from headway.perf.plan.capacity import Capacity, Replica
from headway.perf.plan.checkpoint import QUALITIES, Checkpoint
from headway.perf.plan.choice import Choice, Refused, Search
from headway.perf.plan.layout import layouts, unsuited
from headway.perf.plan.offer import Offer
from headway.perf.plan.priced import Option, priced
from headway.perf.plan.question import Question
from headway.perf.plan.told import told_room, told_weights
from headway.perf.setting import Setting

__all__ = ["search"]

BUDGETS: tuple[int | None, ...] = (None, 2048, 512)
"""Tokens of one step: the engine's default, and smaller ones."""
FULL = 0.8
"""Of the sequences that have room, from which on room for more keys and values would help."""
DEAR = 4.0
"""Times the cheapest choice so far: a single replica that costs more is not looked at."""
ROOM, MEMORY = 1e3, 1e6
"""A setting that misses a limit is nearer than one without room for a request, and that nearer than one too small."""


def search(question: Question, checkpoints: Sequence[Checkpoint], offers: Sequence[Offer]) -> Search:
    choices: dict[tuple[str, float, str], Choice] = {}
    refused: dict[str, Refused] = {}
    looked, allowed = 0, QUALITIES.index(question.terms.quality)
    cheapest = inf
    for option in _options(question, checkpoints, offers, refused):
        if option.least > DEAR * cheapest > 0:
            refused.setdefault(
                option.offer.name, option.refused(f"one replica alone costs {option.least:,.2f} an hour")
            )
            continue
        for found in _of_option(question, option):
            looked += 1
            name = option.offer.name
            if isinstance(found, Choice):
                key = (name, option.offer.price, f"{option.checkpoint.label} {found.setting.kv}")
                if key not in choices or found.rank < choices[key].rank:
                    choices[key] = found
                if QUALITIES.index(found.quality) <= allowed:
                    cheapest = min(cheapest, found.per_hour)
            elif name not in refused or found.near < refused[name].near:
                refused[name] = found
    ranked = sorted(choices.values(), key=lambda each: each.rank)
    fit = [each for each in ranked if QUALITIES.index(each.quality) <= allowed]
    others = [each for each in ranked if QUALITIES.index(each.quality) > allowed]
    chosen = {each.offer.name for each in fit}
    return Search(fit, others, [each for name, each in refused.items() if name not in chosen], looked)


def _options(
    question: Question, checkpoints: Sequence[Checkpoint], offers: Sequence[Offer], refused: dict[str, Refused]
) -> Iterator[Option]:
    """What the rules and the file allow; what they do not is put into `refused`, unless the file asks for another."""
    asked = question.asked
    for offer in sorted(offers, key=lambda each: each.price):
        for checkpoint in checkpoints:
            if asked.passes_over(offer) or not asked.allows(checkpoint):
                continue
            if why := unsuited(offer, checkpoint, question.engine):
                refused.setdefault(offer.name, Refused(offer, checkpoint, None, why, offer.price))
                continue
            for layout in layouts(offer, checkpoint):
                if not asked.refuses(layout):
                    yield Option(offer, checkpoint, layout)


def _of_option(question: Question, option: Option) -> Iterator[Choice | Refused]:
    asked = question.asked
    first = _tried(question, option, asked.kv or "bf16")
    yield first
    is_short = isinstance(first, Refused) and first.miss is None and first.near > 1
    is_full = isinstance(first, Choice) and first.felt.running >= FULL * first.memory.sequences
    if asked.kv is None and not asked.is_whole and (is_short or is_full) and option.offer.accelerator.capability >= 89:
        yield _tried(question, option, "fp8")


def _tried(question: Question, option: Option, kv: str) -> Choice | Refused:
    """With the budget of tokens a step that bears most."""
    best: tuple[Replica, Capacity] | None = None
    for budget in _budgets(question.asked):
        setting = _setting(question, option, kv, budget)
        try:
            replica = Replica(setting, question.demand, question.by)
        except ResourceError:
            return _too_large(option, setting)
        context, there = question.context(setting.model), replica.limits.kv_tokens
        if there < context:
            return option.refused(told_room(there, context), near=ROOM * context / there)
        capacity = replica.capacity(question.goal)
        if best is None or capacity.load > best[1].load or _is_nearer(capacity, best[1]):
            best = replica, capacity
        if capacity.miss is None or capacity.miss.figure not in ("itl", "tpot", "e2e"):
            break
    assert best is not None  # noqa: S101
    return priced(question, option, *best)


def _budgets(asked: Asked) -> tuple[int | None, ...]:
    return BUDGETS if asked.token_budget is None and not asked.is_whole else (asked.token_budget,)


def _too_large(option: Option, setting: Setting) -> Refused:
    each, memory = option.layout.accelerators, option.offer.accelerator.memory
    weights = weight_bytes(setting) * each
    why = told_weights(option.checkpoint.label, weights, memory, each)
    return option.refused(why, near=MEMORY * weights / (memory * each))


def _is_nearer(one: Capacity, other: Capacity) -> bool:
    """Where neither bears anything."""
    if one.load or other.load or one.miss is None or other.miss is None:
        return False
    return one.miss.times < other.miss.times


def _setting(question: Question, option: Option, kv: str, budget: int | None) -> Setting:
    checkpoint, layout = option.checkpoint, option.layout
    return Setting(
        model=checkpoint.architecture,
        accelerator=option.offer.accelerator,
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
        threads=option.offer.threads,
    )
