"""What `headway plan --json` writes: the fields below, in seconds, bytes, tokens and the Site's money."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import msgspec

from headway.cli.plan_asked import Plan
from headway.cli.plan_table import weights_there
from headway.perf.plan.choice import Choice, Refused
from headway.perf.plan.goal import Felt
from headway.perf.plan.nearest import Way
from headway.perf.plan.split import NEEDS, Pair
from headway.perf.plan.written import options, written
from headway.perf.prediction import Band

__all__ = ["PlanJson", "PlansJson", "to_json"]


class BandJson(msgspec.Struct):
    """90 % of what is measured lies between low and high. null: it has no bound."""

    low: float | None
    value: float | None
    high: float | None


class MissJson(msgspec.Struct):
    """`value` null: more requests come than it bears."""

    figure: str
    value: float | None
    limit: float


class FeltJson(msgspec.Struct):
    ttft_p50: BandJson
    ttft_p95: BandJson
    itl_p50: BandJson
    itl_p95: BandJson
    tpot: BandJson
    e2e_p95: BandJson
    running: float


class ReplicasJson(msgspec.Struct):
    all: int
    needed: int
    preempted: int
    spare: int


class MemoryJson(msgspec.Struct):
    """Bytes, of one accelerator; `kv_tokens` and `sequences` of one replica."""

    total: float
    weights: float
    kv: float
    engine: float
    left: float
    kv_tokens: int
    sequences: int


class ChoiceJson(msgspec.Struct):
    """`reckoned`: what the formulas say, where `felt` was counted on played requests."""

    gpu: str
    spot: bool
    weights: str
    quality: str
    kv: str
    tensor: int
    pipeline: int
    data: int
    expert: int
    replicas: ReplicasJson
    gpus: int
    per_hour: float
    per_million_tokens: float | None
    idle: float
    capacity: float
    felt: FeltJson
    memory: MemoryJson
    cold_start: float
    engine: str
    args: dict[str, Any]
    price: str
    constants: str
    missed: MissJson | None
    reckoned: FeltJson | None


class RefusedJson(msgspec.Struct):
    gpu: str
    split: str
    why: str
    least_per_hour: float
    miss: MissJson | None


class WayJson(msgspec.Struct):
    change: str
    limits: dict[str, float]
    choice: ChoiceJson


class PairJson(msgspec.Struct):
    gpu: str
    prefill: int
    decode: int
    per_hour: float
    ttft_p95: float
    itl_p95: float
    handover: float
    needs: str


class DemandJson(msgspec.Struct):
    """Requests a second, or callers where it is `closed`."""

    peak: float
    mean: float
    closed: bool
    window: float
    prompt: float
    prompt_p95: float
    output: float
    output_p95: float
    longest: int
    cached: float
    origin: str


class PlanJson(msgspec.Struct):
    """`kept`: the first of `choices` keeps the limits; `spec`: it as a document, null where nothing does; `weights`:
    how they reach the pods of a live cluster, and why so."""

    model: str
    source: str
    site: str
    currency: str
    kept: bool
    demand: DemandJson
    limits: dict[str, float]
    head_room: float
    n_plus_1: bool
    settings: int
    choices: list[ChoiceJson]
    others: list[ChoiceJson]
    refused: list[RefusedJson]
    would: list[WayJson]
    pairs: list[PairJson]
    weights: str
    spec: dict[str, Any] | None


class PlansJson(msgspec.Struct):
    plans: list[PlanJson]


def to_json(plans: Sequence[Plan]) -> str:
    found = PlansJson([_plan(each) for each in plans])
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def _plan(plan: Plan) -> PlanJson:
    demand, lengths, found = plan.demand, plan.demand.lengths, plan.found
    return PlanJson(
        model=plan.model.name,
        source=plan.model.source,
        site=plan.place.name,
        currency=plan.place.currency,
        kept=plan.is_kept,
        demand=DemandJson(
            demand.peak, demand.mean, demand.closed, demand.window, lengths.prompt, lengths.prompt_p95,
            lengths.output, lengths.output_p95, lengths.longest, lengths.cached, demand.origin,
        ),
        limits=plan.goal.limits,
        head_room=plan.terms.head_room,
        n_plus_1=plan.terms.n_plus_1,
        settings=found.settings,
        choices=[_choice(each) for each in found.choices],
        others=[_choice(each) for each in found.others],
        refused=[_refused(each) for each in found.refused],
        would=[_way(each) for each in plan.ways],
        pairs=[_pair(each) for each in plan.pairs],
        weights=weights_there(plan),
        spec=written(plan.model, plan.pick, plan.goal) if plan.pick is not None and plan.is_kept else None,
    )  # fmt: skip


def _choice(choice: Choice) -> ChoiceJson:
    replicas, memory, layout, miss = choice.replicas, choice.memory, choice.layout, choice.missed
    return ChoiceJson(
        gpu=choice.offer.accelerator.name,
        spot=choice.offer.preemptions is not None,
        weights=choice.checkpoint.label,
        quality=choice.quality,
        kv=choice.setting.kv,
        tensor=layout.tensor,
        pipeline=layout.pipeline,
        data=layout.data,
        expert=layout.expert,
        replicas=ReplicasJson(replicas.all, replicas.needed, replicas.preempted, replicas.spare),
        gpus=choice.gpus,
        per_hour=choice.per_hour,
        per_million_tokens=_finite(choice.per_million),
        idle=choice.idle,
        capacity=choice.capacity,
        felt=_felt(choice.felt),
        memory=MemoryJson(
            memory.total, memory.weights, memory.kv, memory.engine, memory.left, memory.kv_tokens, memory.sequences
        ),
        cold_start=choice.cold_start.seconds,
        engine=choice.setting.engine,
        args=options(choice),
        price=choice.offer.priced,
        constants=choice.fitted_on,
        missed=None if miss is None else MissJson(miss.figure, _finite(miss.value), miss.limit),
        reckoned=None if choice.reckoned is None else _felt(choice.reckoned),
    )


def _felt(felt: Felt) -> FeltJson:
    return FeltJson(
        ttft_p50=_band(felt.ttft_p50),
        ttft_p95=_band(felt.ttft_p95),
        itl_p50=_band(felt.itl_p50),
        itl_p95=_band(felt.itl_p95),
        tpot=_band(felt.tpot),
        e2e_p95=_band(felt.e2e_p95),
        running=felt.running,
    )


def _band(band: Band) -> BandJson:
    return BandJson(_finite(band.low), _finite(band.value), _finite(band.high))


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if isfinite(value) else None


def _refused(refused: Refused) -> RefusedJson:
    miss = refused.miss
    told = None if miss is None else MissJson(miss.figure, _finite(miss.value), miss.limit)
    split = "" if refused.layout is None else str(refused.layout)
    return RefusedJson(refused.offer.name, split, refused.why, refused.least, told)


def _way(way: Way) -> WayJson:
    return WayJson(way.change, way.goal.limits, _choice(way.choice))


def _pair(pair: Pair) -> PairJson:
    return PairJson(
        pair.choice.offer.name, pair.prefill, pair.decode, pair.per_hour, pair.ttft_p95, pair.itl_p95, pair.handover,
        NEEDS,
    )  # fmt: skip
