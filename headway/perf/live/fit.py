"""Fits the constants of one engine on requests that it answered: few of them, each held near what is shipped by how far
it may be from that.

Of logarithms, as in `headway.perf.fit`; what the measurements do not tell stays as it was. The residuals that make the
bands are of requests that were left out: every fifth block of requests in turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import exp, expm1, log, sqrt
from statistics import fmean, median, stdev
from typing import Any

import msgspec

from headway.errors import UsageError
from headway.perf.bands import shape
from headway.perf.constants import Constants, Spread
from headway.perf.dtypes import arithmetic
from headway.perf.fit.parameters import Parameter, changed
from headway.perf.live.descent import descended
from headway.perf.live.fitted import Fit, key_of
from headway.perf.live.seen import Seen
from headway.perf.live.spells import Spell, spells
from headway.perf.live.timed import alone, timed
from headway.perf.setting import Setting
from headway.perf.step.step import step_of

__all__ = ["FEWEST", "MOST", "fitted", "parameters"]

FEWEST = 30
"""Requests: fewer tell too little, and nothing of the band."""
MOST = 1500
"""Spells that are fitted on; of more, every so-manieth."""
NOISE = {True: 0.25, False: 0.08}
"""Standard deviations of log(measured / predicted) of waiting for a first token, and of writing."""
PASSES = 2
ROUNDS, FEWER_ROUNDS = 25, 6
FOLDS = 5
BLOCK = 15
"""Requests whose mean is compared for the band."""
ONE_SIDE = 1.645


@dataclass(frozen=True, slots=True)
class _Case:
    """`seats`: sequences that run at once; `budget`: tokens of a step; `part`: of the machine's cores, what a replica's
    threads are."""

    setting: Setting
    base: Constants
    seats: int
    budget: int
    part: float
    parameters: tuple[Parameter, ...]

    @property
    def start(self) -> list[float]:
        return [log(each.start) for each in self.parameters]

    def at(self, logs: Sequence[float]) -> Constants:
        return changed(self.base, self.parameters, logs)

    def misses(self, found: Sequence[Spell], logs: Sequence[float]) -> list[float]:
        """log(measured / predicted)."""
        by = self.at(logs)
        step, engine = step_of(self.setting, by), by.engines[self.setting.engine]
        return [log(each.seconds / timed(each, step, engine, self.budget, self.part)) for each in found]


def parameters(setting: Setting, base: Constants) -> Iterator[Parameter]:
    """What is fitted, from the shipped value on. The spreads of an engine on cores are wide: its shipped constants
    are guesses, and processors differ more than GPUs of one product do."""
    engine, cores = f"engines.{setting.engine}", setting.engine == "llamacpp"
    wide = 3.0 if cores else 1.0
    math = arithmetic(setting.weights, setting.accelerator)
    whole = msgspec.to_builtins(base)
    for path, spread, least in (
        ("kernels.stream", 0.25, 0.0),
        (f"kernels.flops.{math}", 0.25, 0.0),
        ("kernels.cache_stream", 0.3, 0.0),
        ("kernels.attend", 0.3, 0.0),
        (f"{engine}.step", 0.4, 1e-5),
        (f"{engine}.sequence", 0.4, 1e-6),
        (f"{engine}.token", 0.5, 1e-7),
        (f"{engine}.request", 0.5, 1e-4),
        *(((f"{engine}.shared", 0.25, 0.1),) if cores else ()),
    ):
        value: Any = whole
        for name in path.split("."):
            value = value[name]
        yield Parameter(tuple(path.split(".")), max(value, least), spread * wide)


def fitted(
    seen: Sequence[Seen], setting: Setting, base: Constants, *, seats: int, budget: int, site: str, measured: str,
    sources: Sequence[str], cores: int = 0,
) -> Fit:  # fmt: skip
    """`cores`: of the machine, where the replicas are on them. Raises UsageError where the requests are too few."""
    part = (setting.threads or 0) / cores if cores else 0.0
    case = _Case(setting, base, seats, budget, part, tuple(parameters(setting, base)))
    if len(seen) < FEWEST:
        raise UsageError(
            f"{len(seen)} requests can be used, and {FEWEST} are needed", hint="headway bench FILE --for 3m --out run"
        )
    logs = case.start
    for _ in range(PASSES):  # where prompts' steps begin is reckoned with the constants of the pass before
        step = step_of(setting, case.at(logs))
        found = _thinned(spells(seen, lambda each, step=step: alone(each, step), seats))  # type: ignore[misc]
        logs = _descended(case, found, ROUNDS)
    left = _left_out(case, found, logs)
    key = key_of(setting, site)
    return Fit(
        site=site,
        accelerator=key[1],
        engine=setting.engine,
        model=setting.model.name,
        shape=shape(setting.model),
        weights=setting.weights,
        threads=int(key[-1]),
        bandwidth=setting.accelerator.bandwidth,
        flops=setting.accelerator.flops["bf16"],
        measured=measured,
        requests=len(seen),
        sources=tuple(sources),
        values={each.name: exp(value) for each, value in zip(case.parameters, logs, strict=True)},
        ttft=_spread([miss for spell, miss in left if spell.waits]),
        tpot=_spread([miss for spell, miss in left if not spell.waits]),
        errors=_errors(left, "") | _errors(zip(found, case.misses(found, case.start), strict=True), "_shipped"),
        wrap=median([each.prompt - each.planned for each in seen if each.planned] or [0.0]),
    )


def _descended(case: _Case, found: Sequence[Spell], rounds: int, start: Sequence[float] | None = None) -> list[float]:
    noise = [NOISE[each.waits] for each in found]

    def residuals(at: Sequence[float]) -> list[float]:
        return [miss / each for miss, each in zip(case.misses(found, at), noise, strict=True)]

    return descended(
        residuals, case.start, [each.spread for each in case.parameters], rounds, case.start if start is None else start
    )


def _left_out(case: _Case, found: Sequence[Spell], logs: Sequence[float]) -> list[tuple[Spell, float]]:
    """Each with its miss by constants that it had no part in, in order of time."""
    left: list[tuple[Spell, float]] = []
    fold_of = [at // BLOCK % FOLDS for at in range(len(found))]
    for fold in range(FOLDS):
        learned = [each for each, of in zip(found, fold_of, strict=True) if of != fold]
        asked = [each for each, of in zip(found, fold_of, strict=True) if of == fold]
        if learned and asked:
            by = _descended(case, learned, FEWER_ROUNDS, logs)
            left += zip(asked, case.misses(asked, by), strict=True)
    return sorted(left, key=lambda each: each[0].at)


def _errors(misses: Iterable[tuple[Spell, float]], suffix: str) -> dict[str, float]:
    """Means of |predicted - measured| / measured."""
    by: dict[str, list[float]] = {"ttft": [], "tpot": []}
    for spell, miss in misses:
        by["ttft" if spell.waits else "tpot"].append(abs(expm1(-miss)))
    return {f"{name}{suffix}": round(fmean(each), 4) if each else 0.0 for name, each in by.items()}


def _thinned(found: Sequence[Spell]) -> list[Spell]:
    each = -(-len(found) // MOST)
    return list(found[::each])


def _spread(misses: Sequence[float]) -> Spread:
    """Where the mean of one more block is in 9 of 10 cases: Student's interval of the blocks' means, as predictions
    are of means over requests."""
    means = [fmean(misses[at : at + BLOCK]) for at in range(0, len(misses) - BLOCK + 1, BLOCK)]
    if len(means) < 3:
        return Spread(-0.5, 0.5, len(misses))
    middle, half = fmean(means), _student(len(means) - 1) * stdev(means) * sqrt(1 + 1 / len(means))
    return Spread(round(middle - half, 4), round(middle + half, 4), len(misses))


def _student(freedom: int) -> float:
    """The quantile 0.95 of Student's t, by its expansion about the normal's (Abramowitz and Stegun 26.7.5)."""
    z = ONE_SIDE
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
