"""Callers that wait: so many at once, each asks again when it has its answer and has thought.

Nobody can say when such requests come; what they are, in which order, is the schedule. A stage's requests are endless
unless the workload has a number of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, count, islice

from headway.perf.traffic.mix import ROOM, Mix
from headway.perf.traffic.planned import Planned, Stage
from headway.spec.workload import DEFAULT_SECONDS, Arrivals, Workload

__all__ = ["ClosedLoop"]


class ClosedLoop:
    """A Traffic."""

    def __init__(self, workload: Workload, arrivals: Arrivals, seed: int) -> None:
        self._workload, self._seed = workload, seed
        self.stages = _stages(workload, arrivals)

    @property
    def seconds(self) -> float:
        return self.stages[-1].end

    def __iter__(self) -> Iterator[Planned]:
        return chain.from_iterable(self.of(stage) for stage in range(len(self.stages)))

    def of(self, stage: int) -> Iterator[Planned]:
        return islice(self._requests(stage), self._workload.requests)

    def _requests(self, stage: int) -> Iterator[Planned]:
        mix, start, numbers = Mix(self._workload, self._seed, stage), self.stages[stage].start, count(stage * ROOM)
        while True:
            talker = mix.talker()
            if not talker.has_turns:
                yield talker.alone(next(numbers), start, stage)
            elif (talk := mix.session(talker)) is not None:
                for turn in range(len(talk)):
                    yield talk.planned(turn, next(numbers), start, stage)


def _stages(workload: Workload, arrivals: Arrivals) -> tuple[Stage, ...]:
    if not arrivals.stages:
        lasts = math.inf if workload.requests else workload.lasts or DEFAULT_SECONDS
        return (Stage(workload.name, 0.0, lasts, concurrency=arrivals.concurrency),)
    stages, start = [], 0.0
    for number, stage in enumerate(arrivals.stages, 1):
        end = start + stage.lasts
        stages.append(Stage(stage.name or str(number), start, end, concurrency=stage.concurrency))
        start = end
    return tuple(stages)
