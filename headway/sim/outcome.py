"""What a simulation found, as values that become JSON. Seconds, tokens, replica-hours, money; shares of 1."""

from __future__ import annotations

from math import fsum, isnan
from typing import TYPE_CHECKING

import msgspec

from headway.policy.route import Slo
from headway.sim.measure.distribution import Distribution
from headway.sim.measure.tally import Tally
from headway.sim.measure.timeline import Bin

if TYPE_CHECKING:
    from headway.sim.front import Front

__all__ = ["Change", "Group", "Latency", "Moment", "Outcome", "Replicas", "outcome_of"]

_SHARES = (0.5, 0.9, 0.95, 0.99)


class Latency(msgspec.Struct, frozen=True):
    """Seconds; None where there is none. `count`: of how many."""

    count: int
    mean: float | None
    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    most: float | None


class Group(msgspec.Struct, frozen=True):
    """Requests of one Model and tenant, or of several together. `ended`: by what became of them; `attainment`: inside
    the SLO, of all that ended; `goodput`: those a second; `hits`: share of prompt tokens found in a prefix cache.
    `itl`: of each token; only of whole Models, since steps are shared by tenants."""

    model: str
    tenant: str
    requests: int
    ended: dict[str, int]
    retries: int
    ttft: Latency
    tpot: Latency
    itl: Latency | None
    e2e: Latency
    queue: Latency
    attainment: float
    goodput: float
    prompt_tokens: int
    output_tokens: int
    hits: float


class Change(msgspec.Struct, frozen=True):
    """A scaler wanted another number."""

    at: float
    target: int
    reason: str


class Replicas(msgspec.Struct, frozen=True):
    """Of one Model. `hours` are paid for, from each decision to start one; `cost` in the Site's money, None without a
    price; `computed`: tokens of prompts, with those that
    preemption made it compute again; `constants`: what the engine's seconds are reckoned from."""

    model: str
    hardware: str
    hours: float
    cost: float | None
    most: int
    starts: int
    wasted: int
    deaths: int
    changes: int
    preempted: int
    computed: int
    cold_start: float
    slo_ttft: float | None
    slo_itl: float | None
    scaler: str
    policy: str
    constants: str
    decisions: list[Change]


class Moment(msgspec.Struct, frozen=True):
    """A stretch of the run: requests a second, means of requests and replicas, seconds."""

    at: float
    seconds: float
    came: float
    answered: float
    good: float
    failed: float
    running: float
    waiting: float
    ready: float
    starting: float
    ttft_p50: float | None
    ttft_p95: float | None


class Outcome(msgspec.Struct, frozen=True):
    """`seconds`: from the first moment to the last answer. `whole`: all requests together."""

    seed: int
    seconds: float
    whole: Group
    models: list[Group]
    tenants: list[Group]
    replicas: list[Replicas]
    timeline: list[Moment]

    @property
    def hours(self) -> float:
        return fsum(each.hours for each in self.replicas)

    @property
    def cost(self) -> float | None:
        known = [each.cost for each in self.replicas if each.cost is not None]
        return fsum(known) if len(known) == len(self.replicas) else None


def outcome_of(front: Front, seed: int) -> Outcome:
    seconds = max(front.ledger.last_end, front.agenda.now)
    groups = sorted(front.ledger.groups.items())
    models = sorted({model for (model, _) in front.ledger.groups})
    whole, itl = Tally(Slo()), Distribution(0)
    by_model = {name: Tally(Slo()) for name in models}
    for (model, _), tally in groups:
        whole.merge(tally)
        by_model[model].merge(tally)
    for name in front.pools:
        itl.merge(front.pauses(name).itl)
    tenants = {tenant for (_, tenant) in front.ledger.groups}
    timeline = front.ledger.timeline
    return Outcome(
        seed,
        seconds,
        _group("", "", whole, seconds, itl),
        [_group(name, "", tally, seconds, front.pauses(name).itl) for name, tally in by_model.items()],
        [_group(*key, tally, seconds, None) for key, tally in groups] if len(tenants) > 1 else [],
        [_replicas(front, name, seconds) for name in front.pools],
        [_moment(number, each, timeline.width) for number, each in enumerate(timeline.bins)],
    )


def _group(model: str, tenant: str, tally: Tally, seconds: float, itl: Distribution | None) -> Group:
    return Group(
        model,
        tenant,
        tally.done,
        {str(kind): count for kind, count in tally.counts.items()},
        tally.retries,
        _latency(tally.ttft),
        _latency(tally.tpot),
        None if itl is None else _latency(itl),
        _latency(tally.e2e),
        _latency(tally.queue),
        tally.attainment,
        tally.inside / seconds if seconds else 0.0,
        tally.prompt,
        tally.output,
        tally.cached / tally.prompt if tally.prompt else 0.0,
    )


def _latency(of: Distribution) -> Latency:
    p50, p90, p95, p99 = (_known(each) for each in of.quantiles(_SHARES))
    return Latency(of.count, _known(of.mean), p50, p90, p95, p99, of.most if of.count else None)


def _known(value: float) -> float | None:
    return None if isnan(value) else value


def _replicas(front: Front, name: str, seconds: float) -> Replicas:
    keeper, pool, served = front.keepers[name], front.pools[name], front.pools[name].served
    hours = keeper.paid(seconds) / 3600
    return Replicas(
        name,
        served.hardware,
        hours,
        hours * served.price if served.price else None,
        keeper.most,
        keeper.starts,
        keeper.wasted,
        keeper.deaths,
        keeper.changes,
        pool.preempted,
        front.pauses(name).prompt,
        served.cold.seconds,
        served.slo.ttft,
        served.slo.itl,
        served.scaler.name if served.scaler is not None else "fixed",
        served.policy,
        served.source,
        [Change(*each) for each in keeper.decisions],
    )


def _moment(number: int, seen: Bin, width: float) -> Moment:
    looks = max(1, seen.looks)
    p50, p95 = seen.ttft.quantiles((0.5, 0.95))
    return Moment(
        number * width,
        width,
        seen.came / width,
        seen.answered / width,
        seen.good / width,
        seen.failed / width,
        seen.running / looks,
        seen.waiting / looks,
        seen.ready / looks,
        seen.starting / looks,
        _known(p50),
        _known(p95),
    )
