"""One run: look before it, hire the workers, start them at one moment, bring home what they saw.

Whatever ends it (its end, `watch`, Ctrl-C, a full disk, a worker's death), what was seen until then is in the sink, and
no process is left behind.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import IntEnum
from itertools import islice
from pathlib import Path
from typing import Final

from headway import __version__
from headway.bench.crew import Crew
from headway.bench.facts import Generator, RunFacts, StageFacts
from headway.bench.frames import Job
from headway.bench.gauge import Gauge
from headway.bench.interruption import Interruption
from headway.bench.plan import Progress, RunPlan
from headway.bench.preflight import Found, Preflight
from headway.bench.record import Record
from headway.bench.schedule import traffic_of
from headway.bench.scrape import Scraper
from headway.bench.share import workers_for
from headway.bench.target import Address, Heads, address_of, looked_up, trust_of
from headway.errors import UnreachableError
from headway.perf.traffic.planned import Traffic

__all__ = ["conduct"]

Watch = Callable[[Progress], bool | None]

LOOK_SECONDS: Final = 0.25
ASK_SECONDS: Final = 60.0
"""For one answer before the load: a server that must load its model first has so long."""
LEAD_SECONDS: Final = 0.15
CALLER_LEAD_SECONDS: Final = 0.0005
"""From the word to the start: the first requests are made and their connections opened in that time."""
HURRY_SECONDS: Final = 3.0
"""For what is in flight when somebody presses Ctrl-C; a second time ends it at once."""


async def conduct(plan: RunPlan, sink: Callable[[Record], None], *, watch: Watch | None = None) -> RunFacts:
    """`sink` gets every Record within half a second of its request's end; `watch` is asked four times a second, and
    True ends the sending. Raises UnreachableError or HeadwayError before any load, and whatever the two raise."""
    gauge = Gauge("collector")
    traffic = traffic_of(plan.workload, plan.trace, plan.seed)
    address = address_of(plan.target.url)
    trust = trust_of(plan.target, address)
    crew = Crew(plan.workers or workers_for(traffic), sink)
    try:
        with Interruption() as interruption:
            await crew.hire()  # they begin while we ask
            address = await looked_up(address, min(ASK_SECONDS, plan.timeout))
            found = Found("openai" if plan.target.dialect == "openai" else "engine")
            if plan.preflight:
                asked = Preflight(plan.target, address, trust, min(ASK_SECONDS, plan.timeout))
                found = await asked.fly(traffic.of(0))
            scraper = await _scraper(plan, address, traffic)
            await crew.brief(_jobs(plan, address, found, crew.size))
            run = _Run(plan, traffic, crew, scraper=scraper, gauge=gauge, interruption=interruption, watch=watch)
            return await run.go()
    finally:
        await crew.dismiss()


class _Level(IntEnum):
    """How a run is ended: each of these may follow on those before it."""

    GOES_ON = 0
    DRAINS = 1
    SOON = 2
    AT_ONCE = 3


class _Run:
    """From the moment when all are ready."""

    def __init__(
        self,
        plan: RunPlan,
        traffic: Traffic,
        crew: Crew,
        *,
        scraper: Scraper | None,
        gauge: Gauge,
        interruption: Interruption,
        watch: Watch | None,
    ) -> None:
        self._plan, self._traffic, self._crew, self._scraper = plan, traffic, crew, scraper
        self._gauge, self._interruption, self._watch = gauge, interruption, watch
        self._zero = 0.0
        self._stopped: float | None = None
        self._level = _Level.GOES_ON

    async def go(self) -> RunFacts:
        crew, plan = self._crew, self._plan
        callers = max((stage.concurrency or 0 for stage in self._traffic.stages), default=0)
        self._zero = time.monotonic() + LEAD_SECONDS + callers * CALLER_LEAD_SECONDS
        began = time.time() + self._zero - time.monotonic()
        self._interruption.begun = True
        crew.start(self._zero, plan.drain)
        self._gauge.start()
        if self._scraper is not None:
            self._scraper.start(self._zero)
        try:
            while not crew.over:
                await crew.wait(LOOK_SECONDS)
                await self._look()
            await crew.look()
        finally:
            collector = self._gauge.stop()
            if self._scraper is not None:
                await self._scraper.stop(self._zero)
        if crew.trouble is not None:
            raise crew.trouble
        return self._facts(began, collector)

    async def _look(self) -> None:
        """Whether it goes on."""
        crew, drain, now = self._crew, self._plan.drain, time.monotonic() - self._zero
        if crew.trouble is not None or self._interruption.count > 1:
            self._halt(_Level.AT_ONCE, 0.0, "interrupted", "the run was broken off", now)
        elif self._interruption.count:
            self._halt(_Level.SOON, min(drain, HURRY_SECONDS), "interrupted", "the run was broken off", now)
        elif not await crew.look():
            self._halt(_Level.DRAINS, drain, "interrupted", "the generator broke", now)
        elif self._watch is not None and now >= 0:
            try:
                enough = self._watch(self._progress(now))
            except BaseException as error:
                crew.trouble = error
                return
            if enough:
                said = f"no whole answer {drain:g} s after sending was stopped"
                self._halt(_Level.DRAINS, drain, "timeout", said, now)

    def _halt(self, level: _Level, drain: float, error: str, said: str, now: float) -> None:
        if level > self._level:
            self._level = level
            self._stopped = max(0.0, now) if self._stopped is None else self._stopped
            self._crew.halt(drain, error, said)

    def _progress(self, now: float) -> Progress:
        due, sent, ended, failed, running = self._crew.counts()
        return Progress(
            now=now,
            seconds=self._traffic.seconds,
            due=due,
            sent=sent,
            ended=ended,
            failed=failed,
            running=running,
        )

    def _facts(self, began: float, collector: Generator) -> RunFacts:
        plan, crew, traffic = self._plan, self._crew, self._traffic
        stages = [
            StageFacts(
                stage.name,
                stage.start,
                stage.end if math.isfinite(stage.end) else crew.last_sent,
                stage.rate,
                stage.concurrency,
                stage.cv,
                stage.ramp,
            )
            for stage in traffic.stages
        ]
        return RunFacts(
            target=plan.target.url,
            workload=plan.workload.name,
            seed=plan.workload.seed if plan.seed is None else plan.seed,
            started_at=began,
            ended=crew.ended,
            stages=stages,
            generators=[*crew.generators(), collector],
            server=self._scraper.samples if self._scraper is not None else [],
            drained=crew.drained,
            interrupted=self._interruption.count > 0,
            headway=__version__,
            warmup=plan.workload.warmup,
            stopped=self._stopped,
            faults=crew.faults,
        )


def _jobs(plan: RunPlan, address: Address, found: Found, of: int) -> Iterator[Job]:
    target = plan.target
    salt = int.from_bytes(os.urandom(4), "big") if plan.salt is None else plan.salt
    for number in range(of):
        yield Job(
            number=number,
            of=of,
            workload=plan.workload.model_dump_json().encode(),
            trace=str(Path(plan.trace).absolute()) if plan.trace is not None else None,
            seed=plan.seed,
            url=target.url,
            host=address.host,
            keys=dict(target.keys),
            headers=list(target.headers),
            ca=str(target.ca.absolute()) if target.ca is not None else None,
            verify=target.verify,
            dialect=found.dialect,
            plain_adapters=sorted(found.plain_adapters),
            timeout=plan.timeout,
            sockets=max(1, plan.sockets // of),
            salt=salt,
            keep_text=-(-plan.keep_text // of),
        )


async def _scraper(plan: RunPlan, address: Address, traffic: Traffic) -> Scraper | None:
    """None: there are no metrics, or none are wanted. Raises UnreachableError for a page that was named and is none."""
    if plan.scrape == "":
        return None
    where, path, target = address, "/metrics", plan.target
    if plan.scrape is not None:
        where = address_of(plan.scrape)
        path = where.prefix or path
        where = await looked_up(replace(where, prefix=""), ASK_SECONDS)
        target = replace(target, keys={})
    models = {one.model for one in islice(traffic.of(0), 500)}
    scraper = Scraper(where, Heads(target, where, "metrics"), path, trust_of(target, where), models)
    try:
        await scraper.look()
    except UnreachableError:
        if plan.scrape is not None:
            raise
        return None
    return scraper
