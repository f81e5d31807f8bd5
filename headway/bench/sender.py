"""All that one worker does: its share of the schedule, from the start to the last Record."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Final

import msgspec

from headway.bench.callers import Callers, Phase
from headway.bench.desk import Desk
from headway.bench.frames import Done, Halt, Job, Start, Tell, Told
from headway.bench.gauge import Gauge
from headway.bench.pace import Pace
from headway.bench.plan import Target
from headway.bench.pool import Pool
from headway.bench.prompts import Prompts
from headway.bench.record import Record
from headway.bench.requests import Requests
from headway.bench.schedule import share_of, traffic_of
from headway.bench.target import Heads, address_of, trust_of
from headway.errors import HeadwayError
from headway.perf.traffic.planned import Traffic
from headway.spec.workload import Workload

__all__ = ["Sender"]

TICK: Final = 0.2
OTHER_FILES: Final = 64
CONNECT_SECONDS: Final = 10.0
MOST_UNTAKEN: Final = 64 << 20
"""Bytes of Records that the collector has not taken. More than that and they would pile up here without a bound."""


class Sender:
    """`say` tells the collector; `backlog` is what it has not taken of that, in bytes. Raises HeadwayError for a job
    that cannot be done."""

    def __init__(self, job: Job, say: Callable[[Tell], None], backlog: Callable[[], int]) -> None:
        workload = Workload.model_validate_json(job.workload)
        self._job, self._say, self._backlog = job, say, backlog
        self._traffic = traffic_of(workload, Path(job.trace) if job.trace else None, job.seed)
        self._seconds = self._traffic.seconds
        target = Target(
            url=job.url,
            keys=job.keys,
            headers=tuple(job.headers),
            ca=Path(job.ca) if job.ca else None,
            verify=job.verify,
        )
        address = replace(address_of(job.url), host=job.host)
        heads = Heads(target, address, f"{job.salt & 0xFFFFFFFF:08x}")
        self._requests = Requests(heads, Prompts(job.salt), job.dialect, job.plain_adapters)
        self._pool = Pool(address, trust_of(target, address), _sockets(job.sockets), min(CONNECT_SECONDS, job.timeout))
        self._encode = msgspec.msgpack.Encoder().encode
        self._records: list[msgspec.Raw] = []
        self._gauge = Gauge("sender")
        self._sent_all = asyncio.Event()
        self._error, self._said = "timeout", ""
        self._deadline = math.inf
        self._desk: Desk | None = None
        self._driver: Pace | Callers | None = None
        self._ticking: asyncio.TimerHandle | None = None
        gc.collect()
        gc.freeze()  # imports, schedule and texts live as long as the process: never look at them again
        gc.set_threshold(50_000, 20, 50)

    async def send(self, start: Start) -> None:
        """Until everything has ended or the drain's deadline has come."""
        desk = self._desk = Desk(self._pool, start.at, self._job.timeout, self._keep, self._job.keep_text)
        driver = self._driver = self._make_driver(desk, self._traffic)
        self._said = f"no whole answer {start.drain:g} s after the last was sent"
        driver.prepare()
        loop = asyncio.get_running_loop()
        loop.call_later(max(0.0, start.at - monotonic()), self._gauge.start)
        self._ticking = loop.call_later(TICK, self._tick)
        driver.start()
        await self._sent_all.wait()
        self._deadline = min(self._deadline, monotonic() + start.drain)
        while desk.flying and monotonic() < self._deadline:
            await asyncio.sleep(0.01)
            desk.look(desk.clock())
        drained = not desk.flying
        desk.end_all(self._error, self._said)
        ended = max(0.0, desk.clock())
        if self._ticking is not None:
            self._ticking.cancel()
        self._tell(desk)
        self._say(Done(self._gauge.stop(), drained, ended))

    def halt(self, halt: Halt) -> None:
        """Send no more."""
        self._deadline = min(self._deadline, monotonic() + halt.drain)
        self._error, self._said = halt.error, halt.said
        if self._driver is not None:
            self._driver.stop()

    def leave(self) -> None:
        """It cannot go on: what is known is told."""
        if self._desk is not None and self._driver is not None:
            self._driver.stop()
            self._desk.end_all("interrupted", "the generator broke")
            self._tell(self._desk)

    def close(self) -> None:
        self._pool.close()

    def _make_driver(self, desk: Desk, traffic: Traffic) -> Pace | Callers:
        number, of = self._job.number, self._job.of
        if all(stage.concurrency is None for stage in traffic.stages):
            planned = share_of(iter(traffic), number, of)
            return Pace(planned, self._requests, desk, self._seconds, self._sent_all.set)
        phases = [
            Phase(
                stage.start,
                stage.end,
                ((stage.concurrency or 0) + of - 1 - number) // of,
                share_of(traffic.of(index), number, of),
            )
            for index, stage in enumerate(traffic.stages)
        ]
        return Callers(phases, self._requests, desk, self._sent_all.set)

    def _keep(self, record: Record) -> None:
        self._records.append(msgspec.Raw(self._encode(record)))

    def _tick(self) -> None:
        desk = self._desk
        assert desk is not None  # noqa: S101
        self._ticking = asyncio.get_running_loop().call_later(TICK, self._tick)
        desk.look(desk.clock())
        self._tell(desk)
        if self._backlog() > MOST_UNTAKEN:
            raise HeadwayError(
                f"records wait to be written: {MOST_UNTAKEN >> 20} MB of them", hint="write them to a faster disk"
            )

    def _tell(self, desk: Desk) -> None:
        records, self._records = self._records, []
        self._say(Told(records, desk.due, desk.sent, desk.ended, desk.failed, len(desk.flying), desk.last_sent))


def _sockets(wanted: int) -> int:
    """As many of them as the system lets a process have, all that it may ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, max(1, hard - OTHER_FILES))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + OTHER_FILES), hard))
    return wanted
