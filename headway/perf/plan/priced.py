"""A setting that was tried, priced: how many replicas the load needs, what they cost, or why it is none."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

from headway.perf.plan.capacity import Capacity, Replica
from headway.perf.plan.checkpoint import Checkpoint
from headway.perf.plan.choice import Choice, Refused, Replicas
from headway.perf.plan.cold_start import cold_start
from headway.perf.plan.goal import Miss
from headway.perf.plan.layout import Layout
from headway.perf.plan.memory import memory_of
from headway.perf.plan.offer import Offer
from headway.perf.plan.question import Question
from headway.perf.plan.spot import away, with_spares
from headway.perf.plan.told import told_miss

__all__ = ["Option", "priced", "with_more"]

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Option:
    """What to serve on, which weights, split how."""

    offer: Offer
    checkpoint: Checkpoint
    layout: Layout

    @property
    def least(self) -> float:
        """Money for an hour of one replica."""
        return self.offer.price * self.layout.accelerators

    def refused(self, why: str, *, near: float = inf, miss: Miss | None = None, prefill: float = 0.0) -> Refused:
        return Refused(self.offer, self.checkpoint, self.layout, why, self.least, near, miss, prefill)


def priced(question: Question, option: Option, replica: Replica, capacity: Capacity) -> Choice | Refused:
    """A Choice also where the file fixes the replicas and they miss a limit: that is what was asked about."""
    asked, each, miss = question.asked, option.layout.accelerators, capacity.miss
    if not capacity.load and asked.replicas is None:
        near = miss.times if miss else inf
        return option.refused(told_miss(miss, "alone") if miss else "", near=near, miss=miss, prefill=replica.prefill)
    weights = memory_of(replica.setting, replica.limits, 1.0).weights * each
    preemptions = option.offer.preemptions
    starting = cold_start(weights, question.engine)
    gone = 0.0 if preemptions is None else away(preemptions, each, starting.seconds)
    needed = max(asked.least, ceil(question.load / capacity.load - ROUNDING), 1) if capacity.load else 0
    return _of(question, option, replica, capacity, _replicas(question, needed, gone, is_spot=preemptions is not None))


def with_more(question: Question, choice: Choice) -> Choice | Refused:
    """A quarter more replicas for the load, at least one."""
    option = Option(choice.offer, choice.checkpoint, choice.layout)
    needed = choice.replicas.needed + max(1, choice.replicas.needed // 4)
    replica = Replica(choice.setting, question.demand, question.by)
    is_spot = choice.offer.preemptions is not None
    replicas = _replicas(question, needed, choice.replicas.away, is_spot=is_spot)
    return _of(question, option, replica, Capacity(choice.capacity, None), replicas)


def _of(
    question: Question, option: Option, replica: Replica, capacity: Capacity, replicas: Replicas
) -> Choice | Refused:
    """Unless there are not so many."""
    asked, each = question.asked, option.layout.accelerators
    if asked.most is not None and replicas.all > asked.most:
        return option.refused(f"needs {replicas.all} replicas, the file allows {asked.most}", near=0.5)
    there = option.offer.room(each)
    if replicas.all > there:
        of = f" of {option.layout}" if each > 1 else ""
        return option.refused(f"needs {replicas.all} replicas{of}, there is room for {there:.0f}", near=0.0)
    choice = _choice(question, option, replica, capacity, replicas)
    if asked.most_cost is not None and choice.per_hour > asked.most_cost:
        said = f"costs {choice.per_hour:,.2f} an hour for {replicas.all}, the file allows {asked.most_cost:,.2f}"
        return option.refused(said, near=choice.per_hour / asked.most_cost if asked.most_cost else inf)
    return choice


def _replicas(question: Question, needed: int, gone: float, *, is_spot: bool) -> Replicas:
    if question.asked.replicas is not None:
        return Replicas(question.asked.replicas)
    preempted = with_spares(needed, gone) - needed if is_spot else 0
    return Replicas(needed, preempted, int(question.terms.n_plus_1), gone)


def _choice(question: Question, option: Option, replica: Replica, capacity: Capacity, replicas: Replicas) -> Choice:
    demand, lengths, bears = question.demand, question.demand.lengths, capacity.load
    felt = replica.felt(demand.peak / replicas.all)
    per_hour = option.offer.price * option.layout.accelerators * replicas.all
    requests = felt.requests * replicas.all if demand.closed else demand.mean
    tokens = requests * (lengths.prompt + lengths.output) * 3600
    memory = memory_of(replica.setting, replica.limits, lengths.prompt + lengths.output / 2)
    return Choice(
        offer=option.offer,
        checkpoint=option.checkpoint,
        layout=option.layout,
        setting=replica.setting,
        context=question.context(replica.setting.model),
        running=replica.felt(bears or demand.peak / replicas.all).running,
        most_sequences=replica.limits.most_sequences,
        capacity=bears,
        replicas=replicas,
        per_hour=per_hour,
        per_million=per_hour / tokens * 1e6 if tokens else inf,
        idle=max(0.0, 1 - demand.mean / (bears * replicas.all)) if bears else 0.0,
        felt=felt,
        memory=memory,
        cold_start=cold_start(memory.weights * option.layout.accelerators, question.engine),
        fitted_on=replica.fitted_on,
        missed=felt.miss(question.goal),
    )
