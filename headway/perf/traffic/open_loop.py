"""Requests that come whatever the server does: at a rate, through stages, by themselves or in sessions.

Sessions begin often enough for their requests, all turns counted, to come at the rate that was asked for, and the
schedule opens in the middle of things: talks that began before second 0 are there, with what was said as history.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from functools import cached_property
from itertools import islice

from headway.perf.traffic.arrivals import Stretch, arrivals, points
from headway.perf.traffic.draws import stream
from headway.perf.traffic.mix import Mix
from headway.perf.traffic.planned import Planned, Stage
from headway.perf.traffic.talks import Talk
from headway.spec.rate import Rate
from headway.spec.workload import DEFAULT_SECONDS, Arrivals, Workload

__all__ = ["OpenLoop"]


class OpenLoop:
    """A Traffic."""

    def __init__(self, workload: Workload, arrivals: Arrivals, seed: int) -> None:
        self._workload, self._arrivals, self._seed = workload, arrivals, seed
        self._laws = _laws(workload, arrivals)

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        has_turns = any(part.sessions is not None for part in self._workload.parts)
        variation = None if has_turns else self._arrivals.variation
        stages, start = [], 0.0
        for name, rate, lasts in self._laws:
            end = start + lasts if math.isfinite(lasts) else self._time_of_the_last()
            stages.append(Stage(name, start, end, rate.mean, None, variation, rate.is_ramp))
            start = end
        return tuple(stages)

    @property
    def seconds(self) -> float:
        return self.stages[-1].end

    def __iter__(self) -> Iterator[Planned]:
        return islice(self._requests(), self._workload.requests)

    def of(self, stage: int) -> Iterator[Planned]:
        for planned in self:
            if planned.stage > stage:
                return
            if planned.stage == stage:
                yield planned

    def _time_of_the_last(self) -> float:
        """Where the first request comes that is one too many: of N gaps the last belongs to the time."""
        wanted = self._workload.requests or 0
        return next(islice(self._requests(), wanted, None)).at

    def _requests(self) -> Iterator[Planned]:
        """Without the bound on their number."""
        ends, start = [], 0.0
        for _, _, lasts in self._laws:
            start += lasts
            ends.append(start)
        stage = number = 0
        for at, turn, talk in _in_order(self._talks()):
            if at >= ends[-1]:
                return
            while at >= ends[stage]:
                stage += 1
            yield talk.planned(turn, number, at, stage)
            number += 1

    def _talks(self) -> Iterator[tuple[float, Talk]]:
        """Each with the time of its beginning, from before the start on."""
        mix = Mix(self._workload, self._seed)
        share, back = mix.talks_per_request, mix.look_back
        stretches, start = [], 0.0
        if back:
            first = self._laws[0][1].first * share
            stretches.append(Stretch(-back, 0.0, first, first))
        for _, rate, lasts in self._laws:
            stretches.append(Stretch(start, start + lasts, rate.first * share, rate.last * share))
            start += lasts
        unit = points(self._arrivals.variation, stream(self._seed, "arrivals"))
        for begins in arrivals(stretches, unit):
            talk = mix.talk(max(-begins, 0.0))
            if talk is not None:
                yield begins, talk


def _laws(workload: Workload, arrivals: Arrivals) -> list[tuple[str, Rate, float]]:
    """Of each stage: name, rate, seconds; infinite when a number of requests ends it."""
    if not arrivals.stages:
        rate = arrivals.rate or Rate(0.0, 0.0)
        return [(workload.name, rate, math.inf if workload.requests else workload.lasts or DEFAULT_SECONDS)]
    return [
        (stage.name or str(number), stage.rate or Rate(0.0, 0.0), stage.lasts)
        for number, stage in enumerate(arrivals.stages, 1)
    ]


def _in_order(talks: Iterator[tuple[float, Talk]]) -> Iterator[tuple[float, int, Talk]]:
    """Every turn at its time: (at, turn, talk). `talks` come in the order of their beginnings."""
    waiting: list[tuple[float, int, int, Talk]] = []
    for order, (begins, talk) in enumerate(talks):
        while waiting and waiting[0][0] <= begins:
            yield _next(waiting)
        if len(talk) == 1 and begins >= 0:
            yield begins, 0, talk
        else:
            heapq.heappush(waiting, (begins + talk.offsets[talk.first], order, talk.first, talk))
    while waiting:
        yield _next(waiting)


def _next(waiting: list[tuple[float, int, int, Talk]]) -> tuple[float, int, Talk]:
    at, order, turn, talk = waiting[0]
    if turn + 1 < len(talk):
        after = at + talk.offsets[turn + 1] - talk.offsets[turn]
        heapq.heapreplace(waiting, (after, order, turn + 1, talk))
    else:
        heapq.heappop(waiting)
    return at, turn, talk
