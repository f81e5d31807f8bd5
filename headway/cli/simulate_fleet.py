"""What `headway simulate` was pointed at -> a Fleet: each Model on the accelerators that its file, `--fleet` or the
planner says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from headway.cli.cores import Cores, on_cores
from headway.cli.plan_facts import Facts, facts_of
from headway.cli.plan_site import LOCAL
from headway.errors import ResourceError, SpecError, UsageError
from headway.perf.catalog.accelerator import Accelerator
from headway.perf.catalog.accelerators import accelerator
from headway.perf.constants import Constants
from headway.perf.limits import weight_bytes
from headway.perf.live.fitted import Fit, Performance
from headway.perf.plan.asked import Asked, asked_of
from headway.perf.plan.checkpoint import form_of
from headway.perf.plan.cold_start import cold_start
from headway.perf.plan.offer import Offer, of_catalogue, of_site
from headway.perf.predict import limits, step_time
from headway.perf.setting import Setting
from headway.policy.route import Slo
from headway.policy.routing import PolicyName
from headway.policy.scaling.demand import Demand
from headway.policy.scaling.hpa import Hpa
from headway.policy.scaling.keda import Keda
from headway.policy.scaling.kpa import Kpa
from headway.policy.scaling.scaler import Scaler
from headway.sim.capacity import capacity_of
from headway.sim.fleet import DEADLINE, ColdStart, Faults, Fleet, Served, Shared
from headway.spec.fault import Fault, nearest
from headway.spec.kinds import SpecObject
from headway.spec.model import Model
from headway.spec.route import Route
from headway.spec.site import Site
from headway.spec.tenant import Tenant

if TYPE_CHECKING:
    from headway.policy.routing.choose import PolicyName as Policy

__all__ = ["FIXED", "ROUTING", "SCALERS", "Ways", "fleet_of", "parse_fleet", "setting_of"]

FIXED = "fixed"
SCALERS: Mapping[str, type[Scaler]] = {"headway": Demand, "hpa": Hpa, "keda": Keda, "kpa": Kpa}
ROUTING: tuple[str, ...] = get_args(PolicyName)
NONE = Faults()
IDLE = 600.0
"""Seconds without a request before zero, where `replicas` begins at 0."""
_TENSORS = (1, 2, 4, 8)
Lengths = Callable[[], tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Ways:
    """How it is to be simulated, beside what the file says; None or empty: as the file has it. `gpus`: (product, how
    many in all, 0 = as many as replicas need)."""

    gpus: tuple[str, int] | None = None
    replicas: int | None = None
    policy: str = ""
    scaler: str = ""
    cold: bool = False
    cold_seconds: float | None = None
    config: Path | None = None
    slo: Mapping[str, float] = field(default_factory=dict)
    faults: Faults = NONE
    fits: Sequence[Fit] = ()


def parse_fleet(text: str) -> tuple[str, int]:
    """H100-SXM:8, or H100-SXM. Raises UsageError."""
    product, colon, count = text.rpartition(":")
    if not colon:
        return text, 0
    if not count.isdigit() or not 1 <= int(count) <= 100_000:
        raise UsageError(f"--fleet: found {text!r}", hint="write a product and how many, like H100-SXM:8")
    return product, int(count)


def fleet_of(
    objects: Sequence[SpecObject], lines: Mapping[str, str], ways: Ways, lengths: Lengths, model: str
) -> Fleet:
    """`lengths`: of the traffic, asked for where a scaler needs them; `model`: which it asks for, where it says no
    name. Raises HeadwayError."""
    models = [each for each in objects if isinstance(each, Model)]
    if not models:
        raise UsageError("the file has no Model", hint="write kind: Model, name: chat, source: hf://Qwen/Qwen3-32B")
    routes = [each for each in objects if isinstance(each, Route)]
    tenants = [each for each in objects if isinstance(each, Tenant)]
    sites = [each for each in objects if isinstance(each, Site)]
    served = []
    for each in models:
        try:
            served.append(_served(each, sites, ways, lengths))
        except Fault as fault:
            file, _, line = lines.get(each.name, "").rpartition(":")
            place = int(line) if line.isdigit() else 0
            raise SpecError(fault.message, hint=fault.hint, file=file, line=place, field=".".join(fault.path)) from None
    default = model or (routes[0].name if routes else models[0].name)
    if not (routes or tenants):
        return Fleet(tuple(served), aliases={"": default})
    from headway.control.routes import route_rules, tenant_rules  # noqa: PLC0415 (it takes the store)
    from headway.store.routes import DesiredRoute  # noqa: PLC0415

    return Fleet(
        tuple(served), route_rules([DesiredRoute(each) for each in routes]), tenant_rules(tenants), {"": default}
    )


def _served(model: Model, sites: Sequence[Site], ways: Ways, lengths: Lengths) -> Served:
    facts = facts_of(model, ways.config)
    if model.variants:
        raise Fault(
            "a simulation has one way to serve a Model", "leave variants out, or give a file of each", ("variants",)
        )
    asked = asked_of(model, accelerator)
    cores = _cores(model, facts, asked, ways)
    setting = cores.setting if cores else setting_of(model, facts, asked, ways)
    performance = Performance(LOCAL if cores or not sites else sites[0].name, ways.fits)
    by, fit = performance.by(setting), performance.fit(setting)
    step, bounds = step_time(setting, by), cores.limits if cores else limits(setting, by)
    slo = Slo(
        ways.slo.get("ttft", model.slo.ttft if model.slo else None),
        ways.slo.get("itl", model.slo.itl if model.slo else None),
    )
    starts = cold_start(weight_bytes(setting) * setting.accelerators, setting.engine)
    cold = ColdStart(load=starts.load, warm=starts.start)
    if ways.cold_seconds is not None:
        cold = ColdStart(load=ways.cold_seconds)
    low, high, count = _replicas(model, setting, ways)
    scaler = _scaler(ways.scaler or ("headway" if low < high and ways.replicas is None else FIXED))
    price = _price(setting.accelerator, sites)
    policy = ways.policy or model.routing.policy
    return Served(
        model.name,
        step,
        bounds,
        replicas=count,
        low=low,
        high=high,
        scaler=scaler,
        capacity=None if scaler is None else capacity_of(step, bounds, slo, lengths()),
        cold=cold,
        warm=not ways.cold,
        policy=cast("Policy", policy),
        places=bounds.most_sequences if cores else asked.sequences or 0,
        slo=slo,
        price=0.0 if price is None else price * setting.accelerators,
        before=by.engines[setting.engine].request,
        idle_after=IDLE if low == 0 else None,
        adapter_slots=0,
        faults=ways.faults,
        deadline=(model.deadlines.whole if model.deadlines else None) or DEADLINE,
        hardware=_told(setting),
        source=by.told,
        wrap=round(fit.wrap) if fit else 0,
        shared=_shared(cores, by) if cores else None,
    )


def _cores(model: Model, facts: Facts, asked: Asked, ways: Ways) -> Cores | None:
    """On this machine's, where the engine is llama.cpp and nobody names a GPU."""
    if facts.engine != "llamacpp" or asked.product or ways.gpus is not None or asked.gpu is not None:
        return None
    return on_cores(model, facts, asked, ways.replicas or model.replicas.high)


def _shared(cores: Cores, by: Constants) -> Shared:
    return Shared(by.engines["llamacpp"].shared, cores.count, cores.setting.threads or 1)


def _replicas(model: Model, setting: Setting, ways: Ways) -> tuple[int, int, int]:
    """The least, the most, and at the beginning."""
    if ways.replicas is not None:
        return (ways.replicas,) * 3 if not ways.scaler else (min(1, ways.replicas), ways.replicas, ways.replicas)
    if ways.gpus is not None and ways.gpus[1]:
        count = ways.gpus[1] // setting.accelerators
        if not count:
            message = (
                f"{ways.gpus[1]} x {setting.accelerator.name} are fewer than the {setting.accelerators} of one replica"
            )
            raise UsageError(message, hint="give --fleet more of them")
        return (count,) * 3 if not ways.scaler else (1, count, count)
    low, high = model.replicas.low, model.replicas.high
    return low, high, max(low, min(1, high)) if low < high else high


def _scaler(name: str) -> Scaler | None:
    if name == FIXED:
        return None
    if name not in SCALERS:
        known = [FIXED, *SCALERS]
        meant = nearest(name, known)
        raise UsageError(
            f"--scaler: found {name!r}", hint=f"did you mean {meant}?" if meant else f"one of {', '.join(known)}"
        )
    return SCALERS[name]()


def setting_of(model: Model, facts: Facts, asked: Asked, ways: Ways) -> Setting:
    product = ways.gpus[0] if ways.gpus is not None else asked.product
    wish = asked.gpu
    if not product and wish is not None and wish.mig_profile:
        raise Fault(
            f"found {model.gpu}, of no product",
            "give --fleet H100-SXM/" + wish.mig_profile.removeprefix("mig-"),
            ("gpu",),
        )
    if not product:
        hint = "write gpu: H100, give --fleet H100-SXM:8, or let headway plan FILE -o PLANNED choose"
        raise Fault("no accelerator is named", hint, ("gpu",), of_key=False)
    form = form_of(facts.architecture, facts.native)
    setting = Setting(
        facts.architecture,
        accelerator(product),
        facts.engine,
        weights=asked.quantization or form.weights,
        expert_weights="" if asked.quantization else form.expert_weights,
        kv=asked.kv or "bf16",
        tensor=asked.tensor or 1,
        pipeline=asked.pipeline or 1,
        data=asked.data or 1,
        memory_share=asked.memory_share,
        most_sequences=asked.sequences,
        token_budget=asked.token_budget,
    )
    degree = asked.tensor or (wish.count if wish is not None and wish.product and ways.gpus is None else None)
    if degree is not None:
        return replace(setting, tensor=degree, expert=degree * setting.data if asked.is_expert else 1)
    return _smallest(setting)


def _smallest(setting: Setting) -> Setting:
    """The fewest accelerators that it fits on, split by tensor parallelism. Raises ResourceError."""
    most = setting.accelerator.node if not setting.accelerator.cut_from else 1
    for tensor in _TENSORS:
        wider = replace(setting, tensor=tensor)
        try:
            limits(wider)
        except ResourceError:
            if tensor * 2 > most or tensor == _TENSORS[-1]:
                raise
        else:
            return wider
    return setting


def _price(of: Accelerator, sites: Sequence[Site]) -> float | None:
    """An hour of one: the Site's of the file, else the list price."""
    offers: list[Offer] = [offer for site in sites for offer in of_site(site, accelerator)] or of_catalogue([of])
    return next((each.price for each in offers if each.accelerator.name == of.name and each.preemptions is None), None)


def _told(setting: Setting) -> str:
    many = f"{setting.accelerators} x " if setting.accelerators > 1 else ""
    return f"{many}{setting.accelerator.name}, {setting.engine}, {setting.expert_weights or setting.weights}"
