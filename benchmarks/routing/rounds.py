"""The whole: rounds of workloads of subjects, interleaved; a run that means nothing is done once more.

In each round every subject gets the same schedule of every workload. Who is first moves on by one with each round,
so that what drifts in the machine falls on all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.routing.engines import Engines, MockEngines
from benchmarks.routing.run import Run, run
from benchmarks.routing.subjects import Subject
from benchmarks.routing.workloads import SEED, Workload, schedule

__all__ = ["Plan", "played", "turned"]

TRIES = 2
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Plan:
    workloads: Sequence[Workload]
    subjects: Sequence[Subject]
    rounds: int
    load: float = 1.0
    seed: int = SEED

    @property
    def runs(self) -> int:
        return len(self.workloads) * len(self.subjects) * self.rounds


def mock_engines(workload: Workload, folder: Path) -> Engines:
    return MockEngines(workload.fleet, workload.time_scale, folder)


def played(plan: Plan, engines: Callable[[Workload, Path], Engines] = mock_engines) -> Iterator[Run]:
    """Each run that counts, as it ends."""
    for number in range(plan.rounds):
        for workload in plan.workloads:
            asked = schedule(workload, number, plan.load, plan.seed)
            for subject in turned(plan.subjects, number):
                for _ in range(TRIES):
                    with tempfile.TemporaryDirectory(prefix="headway-routing-") as name:
                        folder = Path(name)
                        done = run(workload, subject, number, asked, engines=engines(workload, folder), folder=folder)
                    if not done.validity.faults:
                        break
                yield done


def turned(items: Sequence[Item], by: int) -> list[Item]:
    at = by % len(items)
    return [*items[at:], *items[:at]]
