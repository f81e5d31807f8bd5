"""One trial: a trace, a Model, the policies that are judged, and what is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headway.errors import UsageError
from headway.perf.traffic.trace import Trace
from headway.sim.court.court import judge
from headway.sim.court.finding import Finding
from headway.sim.court.prepare import PEAK, Prepared, Window, prepare
from headway.sim.court.subjects import Subject, ablations, subjects
from headway.sim.fleet import Served

__all__ = ["Trial", "tried"]


@dataclass(frozen=True, slots=True)
class Trial:
    """`policies`: those alone (empty: all); `ablate`: ours without each of its parts as well."""

    served: Served
    trace: Trace
    window: Window
    cold_start: float
    copies: float | None = None
    peak: int = PEAK
    policies: Sequence[str] = ()
    ablate: bool = False
    seed: int = 0


def tried(trial: Trial, told: Callable[[str], None]) -> Finding:
    """`told`: what is being done, for who waits. Raises UsageError."""
    ready = prepare(
        trial.served,
        trial.trace,
        trial.window,
        told,
        cold_start=trial.cold_start,
        copies=trial.copies,
        peak=trial.peak,
        seed=trial.seed,
    )
    judged = [judge(ready.case, each, ready.bounds, told) for each in _subjects(trial, ready)]
    served, capacity = ready.case.served, ready.capacity
    return Finding(
        trial.trace.name,
        trial.window.start,
        trial.window.seconds,
        len(ready.case.asks.requests),
        ready.copies,
        served.hardware,
        served.name,
        served.slo.ttft,
        served.slo.itl,
        trial.cold_start,
        capacity.prefill,
        capacity.decode,
        capacity.sequences,
        ready.hits,
        ready.factor,
        ready.case.ready,
        trial.seed,
        ready.bounds,
        judged,
    )


def _subjects(trial: Trial, ready: Prepared) -> list[Subject]:
    found = [*subjects(ready.case.peak), *(ablations() if trial.ablate else [])]
    names = [each.name for each in found]
    for name in trial.policies:
        if name not in names:
            raise UsageError(f"found the policy {name!r}", hint=f"one of {', '.join(names)}")
    return [each for each in found if not trial.policies or each.name in trial.policies]
