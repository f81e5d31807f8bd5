"""One run: fresh engines, a fresh router, one schedule played; figures, and whether they mean anything."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.routing.engines import MODEL, Engines
from benchmarks.routing.figures import Figures, percentile, summed_up
from benchmarks.routing.overhead import overhead
from benchmarks.routing.play import Place, Played, play
from benchmarks.routing.processes import Child, answers, busy_seconds
from benchmarks.routing.schedule import Schedule
from benchmarks.routing.subjects import Subject, started
from benchmarks.routing.workloads import Workload

__all__ = ["Run", "Validity", "run"]

WARM_REQUESTS = 16

LAG = 0.010
REAL_LAG = 0.100
PROBE = 0.020
"""Seconds of the wall, at p99: at a time scale of 4 that is 40 and 80 ms of the engines' time."""
LATE = 0.1
"""Seconds of the wall that the engines' clocks may give up in a run, all eight together."""
BUSY = 0.90
"""Share of the machine, other jobs included."""


@dataclass(frozen=True, slots=True)
class Validity:
    """Seconds of the wall; shares of one core, but `busy` of the whole machine."""

    lag_p99: float
    probe_p99: float
    late: float
    busy: float
    generator: float
    router: float
    engines: float
    simulated: bool = True

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the run is invalid; empty when it is not."""
        lag = LAG if self.simulated else REAL_LAG
        told = (
            (self.lag_p99 > lag, f"generator late by {self.lag_p99 * 1e3:.0f} ms at p99"),
            (self.simulated and self.probe_p99 > PROBE, f"engines late by {self.probe_p99 * 1e3:.0f} ms at p99"),
            (self.late > LATE, f"engines' clocks gave up {self.late:.2f} s"),
            (self.simulated and self.busy > BUSY, f"machine {self.busy:.0%} busy"),
        )
        return tuple(text for wrong, text in told if wrong)


@dataclass(frozen=True, slots=True)
class Run:
    workload: str
    subject: str
    round: int
    figures: Figures
    validity: Validity
    asked: int
    own: float  # seconds of the wall that the router itself adds to a first token
    seconds: float


def run(
    workload: Workload, subject: Subject, number: int, schedule: Schedule, *, engines: Engines, folder: Path
) -> Run:
    with engines:
        router, url = started(subject, engines.urls, workload.fleet.adapters, folder)
        with router:
            _warm(url)
            own = overhead(url, engines.urls, MODEL, schedule.mean_tokens)
            place = Place(url, engines.urls[-1], MODEL, workload.time_scale, own)
            before, busy, began = _used(router, engines), busy_seconds(), time.monotonic()
            played = play(schedule, place)
            seconds = time.monotonic() - began
            after = _used(router, engines)
            share = [(end - start) / seconds for start, end in zip(before, after, strict=True)]
            validity = _validity(
                played, share, (busy_seconds() - busy) / seconds, engines.late_seconds(), workload.simulated
            )
    return Run(workload.name, subject.name, number, summed_up(played.samples), validity, played.asked, own, seconds)


def _warm(url: str) -> None:
    """Connections exist and code is warm when the first request comes."""

    def ask(number: int) -> bool:
        body = b'{"messages":[{"role":"user","content":"%d"}],"model":"%b","max_tokens":1}' % (number, MODEL.encode())
        return answers(f"{url}/v1/chat/completions", body=body)

    with ThreadPoolExecutor(WARM_REQUESTS) as pool:
        list(pool.map(ask, range(WARM_REQUESTS)))


def _used(router: Child, engines: Engines) -> tuple[float, float, float]:
    mine = psutil.Process().cpu_times()
    return mine.user + mine.system, router.cpu_seconds(), engines.cpu_seconds()


def _validity(played: Played, share: list[float], busy: float, late: float, simulated: bool) -> Validity:
    generator, router, engines = share
    return Validity(
        lag_p99=percentile(played.lag, 0.99),
        probe_p99=percentile(played.probe, 0.99),
        late=late,
        busy=busy / (os.cpu_count() or 1),
        generator=generator,
        router=router,
        engines=engines,
        simulated=simulated,
    )
