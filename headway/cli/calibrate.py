"""`headway perf calibrate SOURCE...`: the engine's constants fitted on what was measured on this hardware."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import expm1
from pathlib import Path

import msgspec

from headway.cli.calibrate_sources import Read, read_sources
from headway.cli.cores import on_cores
from headway.cli.plan_facts import Facts, facts_of
from headway.cli.plan_site import LOCAL
from headway.cli.simulate_fleet import Ways, setting_of
from headway.cli.target import FILES, read
from headway.engines.calibrations import keep_fit, place
from headway.errors import SpecError, UsageError
from headway.paths import StateDir
from headway.perf.catalog.accelerators import accelerator
from headway.perf.constants import Constants, Spread, constants
from headway.perf.limits import limits
from headway.perf.live.fit import fitted
from headway.perf.live.fitted import Fit
from headway.perf.live.seen import Seen
from headway.perf.plan.asked import asked_of
from headway.perf.setting import Setting
from headway.spec.fault import Fault
from headway.spec.model import Model

__all__ = ["calibrated"]

HOLES = 0.05
"""Share of requests from which on it is told that they are missing."""


@dataclass(frozen=True, slots=True)
class _Served:
    """`seats` and `budget`: sequences at once, and tokens of a step; `cores`: of the machine, 0: on others."""

    model: Model
    facts: Facts
    setting: Setting
    seats: int
    budget: int
    cores: int = 0


def calibrated(
    sources: Sequence[Path], *, target: str | None, name: str, site: str, gpu: str, out: Path | None, as_json: bool
) -> None:
    """Raises HeadwayError."""
    found = read_sources(sources)
    served = _served(target, name, found, gpu)
    seen = _of_model(found, served.model.name, is_file=_is_file(target))
    base = constants()
    fit = fitted(
        seen, served.setting, base, seats=served.seats, budget=served.budget, site=site or LOCAL,
        measured=found.day, sources=[path.name for path in sources], cores=served.cores,
    )  # fmt: skip
    path = out or place(StateDir.default().create())
    keep_fit(path, fit)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(fit), indent=2).decode())
        return
    for line in _lines(fit, served, found, seen, base):
        print(line)
    used = "headway plan and headway simulate use it from now on" if out is None else "written there, and not used"
    print(f"kept       {path}: {used}")


def _is_file(target: str | None) -> bool:
    return target is None or Path(target).suffix in FILES


def _served(target: str | None, name: str, found: Read, gpu: str) -> _Served:
    objects, origin, _ = read(target)
    models = [each for each in objects if isinstance(each, Model) and (not name or each.name == name)]
    if len(models) != 1:
        there = ", ".join(each.name for each in objects if isinstance(each, Model))
        if not name and len(models) > 1:
            models = [each for each in models if each.name in found.seen]
        if len(models) != 1:
            raise UsageError(f"{origin} has the Models: {there or 'none'}", hint="say which was measured: --model NAME")
    model = models[0]
    try:
        facts = facts_of(model)
        asked = asked_of(model, accelerator)
        if facts.engine == "llamacpp" and not gpu and asked.gpu is None:
            cores = on_cores(model, facts, asked, max(1, model.replicas.high))
            return _Served(
                model, facts, cores.setting, cores.limits.most_sequences, cores.limits.token_budget, cores.count
            )
        setting = setting_of(model, facts, asked, Ways(gpus=(gpu, 0) if gpu else None))
    except Fault as fault:
        raise SpecError(fault.message, hint=fault.hint, file=origin, field=".".join(fault.path)) from None
    room = limits(setting)
    return _Served(model, facts, setting, room.most_sequences, room.token_budget)


def _of_model(found: Read, name: str, *, is_file: bool) -> list[Seen]:
    if name in found.seen:
        return found.seen[name]
    if len(found.seen) == 1 and not is_file:  # a model by its source: how it was called there is not known
        return next(iter(found.seen.values()))
    if not found.seen:
        why = ", ".join(f"{count} {kind}" for kind, count in found.left_out.items())
        raise UsageError(
            f"no request in it can be used{f': {why}' if why else ''}", hint="headway bench FILE --for 3m --out run"
        )
    raise UsageError(
        f"no request is for {name!r}, only for {', '.join(sorted(found.seen))}", hint="say which: --model NAME"
    )


def _lines(fit: Fit, served: _Served, read: Read, seen: Sequence[Seen], base: Constants) -> Iterator[str]:
    by_source = Counter(each.partition("/")[0] for each in {each.replica for each in seen})
    replicas = max(by_source.values())
    setting = served.setting
    many = f", {replicas} replicas" if replicas > 1 else ""
    where = f"{setting.engine} on {setting.accelerator.name}{many}"
    yield f"{served.model.name}: {served.facts.name}, {setting.weights} in {where}"
    left = [f"{count} {why}" for why, count in read.left_out.items()]
    yield f"used       {'; '.join([f'{fit.requests:,} requests', *left])}; measured {fit.measured}"
    if read.cpu:
        yield f"generator  {read.cpu:.0%} of a core beside the engines"
    yield ""
    yield f"{'constant':<28} {'shipped':>10} {'fitted':>10}"
    whole = msgspec.to_builtins(base)
    for path, value in fit.values.items():
        was = whole
        for each in path.split("."):
            was = was[each]
        yield f"{path:<28} {was:>10.3g} {value:>10.3g}"
    yield ""
    yield f"error      of requests left out in turn: TTFT {_was(fit, 'ttft')}, TPOT {_was(fit, 'tpot')}"
    yield f"band       90 % of means: TTFT {_band(fit.ttft)}, TPOT {_band(fit.tpot)}"
    for note in (*read.notes, *_holes(read, len(seen))):
        print(f"note: {note}", file=sys.stderr)


def _holes(read: Read, used: int) -> Iterator[str]:
    left = sum(read.left_out.values())
    if left > HOLES * (used + left):
        yield (
            f"{left} of {used + left} requests could not be used, and what the engine did for them is not reckoned "
            "with: measure again at a lower rate"
        )


def _was(fit: Fit, figure: str) -> str:
    return f"{fit.errors[figure]:.1%} (shipped constants: {fit.errors[f'{figure}_shipped']:.0%})"


def _band(spread: Spread) -> str:
    return f"{expm1(spread.low):+.0%} to {expm1(spread.high):+.0%} of what is predicted"
