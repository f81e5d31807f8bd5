"""Requests that come whatever the server does: at a rate, through stages, by themselves or in sessions.

Sessions begin often enough for their requests, all turns counted, to come at the rate that was asked for, and the
schedule opens in the middle of things: talks that began before second 0 are there, with what was said as history.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate, chain, islice

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
        mix = Mix(self._workload, self._seed)
        ends, stage, number = self._ends(), 0, 0
        waiting = _Waiting()
        for begins in chain(self._beginnings(mix), (math.inf,)):
            for at, turn, talk in waiting.until(min(begins, ends[-1])):
                while at >= ends[stage]:
                    stage += 1
                yield talk.planned(turn, number, at, stage)
                number += 1
            if begins >= ends[-1]:
                return
            talker = mix.talker()
            if talker.has_turns:
                if (session := mix.session(talker, max(-begins, 0.0))) is not None:
                    waiting.add(begins, session)
            elif begins >= 0:
                while begins >= ends[stage]:
                    stage += 1
                yield talker.alone(number, begins, stage)
                number += 1

    def _ends(self) -> list[float]:
        """Of the stages."""
        return list(accumulate(lasts for _, _, lasts in self._laws))

    def _beginnings(self, mix: Mix) -> Iterator[float]:
        """When talks begin, from before the start on."""
        share, back = mix.talks_per_request, mix.look_back
        stretches, start = [], 0.0
        if back:
            first = self._laws[0][1].first * share
            stretches.append(Stretch(-back, 0.0, first, first))
        for _, rate, lasts in self._laws:
            stretches.append(Stretch(start, start + lasts, rate.first * share, rate.last * share))
            start += lasts
        return arrivals(stretches, points(self._arrivals.variation, stream(self._seed, "arrivals")))


def _laws(workload: Workload, arrivals: Arrivals) -> list[tuple[str, Rate, float]]:
    """Of each stage: name, rate, seconds; infinite when a number of requests ends it."""
    if not arrivals.stages:
        rate = arrivals.rate or Rate(0.0, 0.0)
        return [(workload.name, rate, math.inf if workload.requests else workload.lasts or DEFAULT_SECONDS)]
    return [
        (stage.name or str(number), stage.rate or Rate(0.0, 0.0), stage.lasts)
        for number, stage in enumerate(arrivals.stages, 1)
    ]


class _Waiting:
    """Turns whose time has not come, of sessions that have begun."""

    def __init__(self) -> None:
        self._turns: list[tuple[float, int, int, Talk]] = []

    def add(self, begins: float, talk: Talk) -> None:
        heapq.heappush(self._turns, (begins + talk.offsets[talk.first], talk.session, talk.first, talk))

    def until(self, end: float) -> Iterator[tuple[float, int, Talk]]:
        """Those before `end`, in order: (at, turn, talk)."""
        turns = self._turns
        while turns and turns[0][0] < end:
            at, session, turn, talk = turns[0]
            if turn + 1 < len(talk):
                after = at + talk.offsets[turn + 1] - talk.offsets[turn]
                heapq.heapreplace(turns, (after, session, turn + 1, talk))
            else:
                heapq.heappop(turns)
            yield at, turn, talk
