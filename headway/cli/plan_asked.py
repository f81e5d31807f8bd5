"""What `headway plan` was asked -> plans: the file's Models, where they may run, what is asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import cast, get_args

from headway.cli.bench_asked import Asked, limits_asked, workload_asked
from headway.cli.plan_facts import Facts, facts_of
from headway.cli.plan_site import Place, place_of
from headway.cli.target import read
from headway.engines.calibrations import fits
from headway.engines.calibrations import place as calibrations
from headway.errors import SpecError, UsageError
from headway.paths import StateDir
from headway.perf.catalog.accelerators import accelerator, accelerators
from headway.perf.catalog.models import architectures
from headway.perf.constants import constants
from headway.perf.live.fitted import Performance
from headway.perf.plan.asked import asked_of
from headway.perf.plan.checkpoint import Quality, checkpoints
from headway.perf.plan.choice import Choice, Search
from headway.perf.plan.demand import Demand, of_recorded, of_workload
from headway.perf.plan.goal import Goal
from headway.perf.plan.nearest import Way, ways_out
from headway.perf.plan.offer import Offer, of_catalogue
from headway.perf.plan.question import Question, Terms
from headway.perf.plan.search import search
from headway.perf.plan.settled import REQUESTS, settled
from headway.perf.plan.split import Pair, pair_of
from headway.perf.traffic.planned import Planned
from headway.perf.traffic.schedule import traffic
from headway.spec.fault import Fault, nearest
from headway.spec.kinds import SpecObject
from headway.spec.model import Model
from headway.spec.rate import Rate
from headway.spec.units import parse_duration
from headway.spec.workload import Arrivals, Workload
from headway.wire.traces import trace_of

__all__ = ["Plan", "Wanted", "planned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options as they were given; shares and seconds are read."""

    target: str | None = None
    site: str | None = None
    workload: str | None = None
    trace: Path | None = None
    window: float = 60.0
    speed: str | None = None
    rate: str | None = None
    concurrency: int | None = None
    slo: str | None = None
    model: str | None = None
    head_room: float = 0.2
    n_plus_1: bool = False
    no_spot: bool = False
    quality: str = "8bit"
    config: Path | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Of one Model. `variant`: by choice, which of the Model's variants it is of; `pairs`: what splitting prompts from
    answers would cost where that is less; `ways`: what would help where nothing keeps the limits."""

    model: Model
    facts: Facts
    place: Place
    demand: Demand
    goal: Goal
    terms: Terms
    found: Search
    pairs: Sequence[Pair]
    ways: Sequence[Way]

    @property
    def pick(self) -> Choice | None:
        return self.found.pick

    @property
    def is_kept(self) -> bool:
        return self.pick is not None and self.pick.missed is None


def planned(wanted: Wanted) -> list[Plan]:
    """In the order of the file; each Model has what those before it left of the inventory. Raises HeadwayError."""
    if wanted.quality not in get_args(Quality):
        raise UsageError(f"--quality: found {wanted.quality!r}", hint=f"write one of {', '.join(get_args(Quality))}")
    terms = Terms(wanted.head_room, wanted.n_plus_1, cast("Quality", wanted.quality))
    objects, origin, lines = read(wanted.target)
    models = _models(objects, wanted.model, origin)
    workloads = [each for each in objects if isinstance(each, Workload)]
    plans: list[Plan] = []
    used: dict[str, int] = {}
    for model in models:
        facts = facts_of(model, wanted.config)
        place = place_of(wanted.site, objects, lines, facts)
        asked_model = model.on(place.name, place.kind)
        if asked_model.source != model.source or asked_model.engine != model.engine:
            facts = facts_of(asked_model, wanted.config)
        try:
            asked_for = _asked_for(wanted, workloads, asked_model)
            found = _plan(asked_model, facts, place, terms, asked_for, wanted, used)
        except Fault as fault:
            file, _, line = lines.get(model.name, origin).rpartition(":")
            raise SpecError(
                fault.message, hint=fault.hint, file=file or origin, line=int(line or 0) if line.isdigit() else 0,
                field=".".join(fault.path),
            ) from None  # fmt: skip
        plans.append(found)
        if found.pick is not None:
            used[found.pick.offer.pool] = used.get(found.pick.offer.pool, 0) + found.pick.gpus
    return plans


def _plan(
    model: Model, facts: Facts, place: Place, terms: Terms, asked_for: AskedFor, wanted: Wanted,
    used: dict[str, int],
) -> Plan:  # fmt: skip
    if model.variants:
        raise Fault(
            "a plan chooses one way to serve a Model", "leave variants out, or plan a file of each", ("variants",)
        )
    demand, goal = asked_for.demand, asked_for.goal
    asked = asked_of(model, accelerator, place.currency)
    share = constants().engines[facts.engine].memory_share
    performance = Performance(place.name, fits(calibrations(StateDir.default())))
    question = Question(asked, demand, goal, terms, facts.engine, share, performance, performance.by)
    forms = list(
        checkpoints(
            facts.architecture, architectures().values(), online=facts.engine == "vllm", native=facts.native,
            asked=facts.name,
        )
    )  # fmt: skip
    offers = [each.without(used) for each in place.offers if each.preemptions is None or not wanted.no_spot]
    found = search(question, forms, offers)
    settle = partial(_settled, asked_for.workload)
    found = settle(question, found)
    pairs = [pair for each in found.choices[:3] if (pair := pair_of(question, each)) is not None]
    elsewhere: list[Offer] = of_catalogue(accelerators().values()) if facts.engine != "llamacpp" else []
    is_kept = found.pick is not None and found.pick.missed is None
    ways = [] if is_kept else list(ways_out(question, forms, offers, elsewhere, settle))
    return Plan(model, facts, place, demand, goal, terms, found, _worth(pairs, found.pick), ways)


def _worth(pairs: Sequence[Pair], pick: Choice | None) -> list[Pair]:
    """The cheapest pair, where it costs less than the pick."""
    best = min(pairs, key=lambda each: each.per_hour, default=None)
    return [best] if best is not None and pick is not None and best.per_hour < pick.per_hour else []


def _models(objects: Sequence[SpecObject], name: str | None, origin: str) -> list[Model]:
    models = [each for each in objects if isinstance(each, Model)]
    if name is None:
        if not models:
            raise SpecError("holds no Model", hint="write kind: Model, name: chat, source: hf://org/name", file=origin)
        return models
    found = [each for each in models if each.name == name]
    if not found:
        names = [each.name for each in models]
        meant = nearest(name, names)
        there = f"there are {', '.join(names)}" if names else "write kind: Model"
        raise UsageError(f"--model: {origin} has no Model {name!r}", hint=f"did you mean {meant}?" if meant else there)
    return found


@dataclass(frozen=True, slots=True)
class AskedFor:
    """`workload`: where requests can be made of it (a law of arrivals that wait for nobody), to be played."""

    demand: Demand
    goal: Goal
    workload: Workload | None


def _asked_for(wanted: Wanted, workloads: Sequence[Workload], model: Model) -> AskedFor:
    own = _own_workload(workloads, model)
    options = Asked(
        workload=wanted.workload,
        rate=wanted.rate,
        concurrency=wanted.concurrency,
        trace=wanted.trace,
        speed=wanted.speed,
    )
    workload = workload_asked(options, own)
    if workload.trace is None:
        demand = of_workload(workload, model.name)
    else:
        demand = of_recorded(workload.name, traffic(workload, trace_of(workload)), wanted.window)
    goal = Goal.of(model.slo, workload.slo or (own.slo if own is not None else None))
    goal = replace(goal, **_limits(wanted.slo)) if wanted.slo else goal
    return AskedFor(demand, goal, None if workload.trace is not None or demand.closed else workload)


def _settled(workload: Workload | None, question: Question, found: Search) -> Search:
    return found if workload is None else settled(question, found, partial(sample, workload))


def sample(workload: Workload, rate: float) -> Iterator[Planned]:
    """Requests of the workload's lengths and sessions at this rate."""
    at_rate = {"arrivals": Arrivals.model_construct(rate=Rate(rate, rate)), "requests": REQUESTS, "lasts": None}
    return islice(iter(traffic(workload.model_copy(update=at_rate))), REQUESTS)


def _limits(text: str) -> dict[str, float]:
    """Those that --slo names stand in place of the file's; the others stay."""
    found = {}
    for name, value in limits_asked(text).items():
        try:
            found[name] = parse_duration(value)
        except Fault as fault:
            raise UsageError(f"--slo {name}: {fault.message}", hint=fault.hint) from None
    return found


def _own_workload(workloads: Sequence[Workload], model: Model) -> Workload | None:
    """The file's: one that names the Model, else the only one that names none."""
    named = [each for each in workloads if any(part.model == model.name for part in each.parts)]
    nameless = [each for each in workloads if all(part.model is None for part in each.parts)]
    found = named or nameless
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise UsageError(
            f"{model.name} has several Workloads: {names}", hint="write model: in each, or give --workload"
        )
    return found[0] if found else None
