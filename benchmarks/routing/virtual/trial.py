"""One run in virtual time, and many of them side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import get_args

from benchmarks.routing.figures import Figures, summed_up
from benchmarks.routing.subjects import Policy
from benchmarks.routing.virtual.clock import Clock
from benchmarks.routing.virtual.engine import fleet_of
from benchmarks.routing.virtual.ours import Ours
from benchmarks.routing.virtual.peers import CacheAware
from benchmarks.routing.virtual.stage import Router, Stage
from benchmarks.routing.workloads import WORKLOADS, Workload, schedule

__all__ = ["SUBJECTS", "Trial", "tried"]

MODEL_OF_A_PEER = "sglang-router (model)"
SUBJECTS = (*get_args(Policy), MODEL_OF_A_PEER)


@dataclass(frozen=True, slots=True)
class Trial:
    workload: str
    subject: str
    round: int
    load: float
    seed: int
    figures: Figures | None = None


def tried(trials: Sequence[Trial], jobs: int) -> Iterator[Trial]:
    if jobs == 1:
        yield from map(_tried, trials)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_tried, trials)


def _tried(trial: Trial) -> Trial:
    workload = WORKLOADS[trial.workload]
    return replace(trial, figures=summed_up(stage(workload, trial).play()))


def stage(workload: Workload, trial: Trial) -> Stage:
    clock, fleet, scale = Clock(), workload.fleet, workload.time_scale
    engines = fleet_of(clock, fleet, scale)
    router: Router
    if trial.subject == MODEL_OF_A_PEER:
        router = CacheAware(len(engines))
    else:
        policy: Policy = trial.subject  # type: ignore[assignment]
        router = Ours(clock, len(engines), fleet.adapters, policy, trial.round)
    return Stage(clock, schedule(workload, trial.round, trial.load, trial.seed), scale, router, engines)
