"""The hub's life: take the port, start the workers, follow the table file, answer the control loop, end politely.

SIGHUP reads the table at once. SIGTERM and SIGINT let running requests end up to a deadline; a second one ends at
once. When the hub is killed its workers serve on; the next hub with the same socket takes over from them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec

from headway.gateway.board import Board
from headway.gateway.compiled import COMPILED
from headway.gateway.frames import Keep, Use
from headway.gateway.hub.admin import Admin, Query, bind_private
from headway.gateway.hub.archive import Archive
from headway.gateway.hub.crew import Crew, Starter
from headway.gateway.hub.ear import Ear
from headway.gateway.hub.exporter import Exporter
from headway.gateway.hub.facts import Facts
from headway.gateway.hub.member import spawn
from headway.gateway.hub.otlp import Collector
from headway.gateway.hub.ports import address_of, listeners
from headway.gateway.hub.saltkey import SaltKey
from headway.gateway.hub.slots import Slots
from headway.gateway.hub.takeover import end_politely, left_behind
from headway.gateway.hub.treasurer import Treasurer
from headway.gateway.hub.vault import shelf_rules
from headway.gateway.hub.watch import FileWatch
from headway.gateway.record import EndpointStats, Records, Stats
from headway.gateway.settings import Settings, Tunable
from headway.gateway.story import Found, story
from headway.gateway.table import ModelRoute, RoutingTable, read_table
from headway.gateway.tls import Certificate

__all__ = ["Hub", "Listen", "run"]

log = logging.getLogger("headway.gateway")


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a gateway is found, and how many workers it has."""

    table: Path
    host: str
    port: int
    socket: Path
    workers: int = 1
    certificate: Certificate | None = None
    ledger: str = ""  # what tenants spent (store.ledger_place); left out, a file beside the socket
    requests: Path | None = None  # the request log; None = none is kept
    sample: float = 0.01  # of the requests that are neither few nor odd, how many are logged
    collector: Collector | None = None  # of traces
    trace_sample: float = 0.1  # of the requests whose callers do not say, how many are traced
    tuning: Path | None = None  # settings that are to differ from their defaults, where the table has none
    heard: Path | None = None  # a file whose time of change says when whoever writes the table last heard its source

    @property
    def board(self) -> Path:
        return self.socket.with_suffix(".board")


class Hub:
    """Takes the port and its files at once. Raises ResourceError when one cannot be had."""

    def __init__(self, listen: Listen, settings: Settings, start: Starter | None = None) -> None:
        self._listen, self._settings = listen, settings
        self._first_settings = msgspec.structs.replace(settings)
        self._started_at = time.time()
        self._version = 0
        self._ending = asyncio.Event()
        self._table: RoutingTable | None = None
        self._tuned: Tunable | None = None
        self._watch = FileWatch(listen.table, read_table, self._use, "a routing table")
        self._tuning = _tuning(listen, self._tune)
        if listen.certificate:
            listen.certificate.check()
        self._before = left_behind(listen.board)
        taken = listeners(listen.host, listen.port, listen.workers, shared=bool(self._before))
        self._address = address_of(taken[0], tls=listen.certificate is not None)
        self._private = bind_private(listen.socket)
        board = Board.create(listen.board, listen.workers)
        self._slots = Slots(board.running)
        self._treasurer = Treasurer(
            listen.ledger or str(listen.socket.with_suffix(".ledger")), listen.socket.with_suffix(".leases")
        )
        self._salt_key = SaltKey(listen.socket.with_suffix(".salt"))
        start = start or partial(spawn, more=_pair(listen))
        self._exporter = Exporter(listen.collector) if listen.collector else None
        traced = listen.trace_sample if listen.collector else None
        self._archive = Archive(listen.requests, Keep(listen.sample, settings.slow_seconds, traced))
        self._crew = Crew(
            taken, board, self._treasurer, settings, start, archive=self._archive, exporter=self._exporter
        )
        self._ear = Ear(self._crew.tell)
        self._models: tuple[ModelRoute, ...] = ()
        self._crew.facts = self._facts

    async def run(self) -> None:
        """From the first worker to the last."""
        await self._crew.start()
        self._look()
        await self._crew.until_ready()
        admin = Admin({"/stats": self._stats, "/records": self._records, "/explain": self._explain})
        server = await asyncio.start_unix_server(admin.serve, sock=self._private)
        workers = self._listen.workers
        log.info(
            "listening on %s (%d worker%s%s)", self._address, workers, "s" * (workers != 1), ", compiled" * COMPILED
        )
        handing_over = asyncio.create_task(end_politely(self._before, self._settings.drain_seconds + 5))
        parts = (self._ear, self._treasurer, self._crew.lines, self._crew.vault, self._archive)
        beside = [asyncio.create_task(part.run()) for part in parts]
        if self._exporter is not None:
            beside.append(asyncio.create_task(self._exporter.run()))
        try:
            await self._keep()
        finally:
            await handing_over
            await self._stop(server)
            for task in beside:
                task.cancel()
            await self._archive.close()
            if self._exporter is not None:
                await self._exporter.close()
            await self._treasurer.close()

    def hang_up(self) -> None:
        """SIGHUP: read the files now."""
        self._look(force=True)

    def terminate(self) -> None:
        """SIGTERM: end; the second time at once."""
        self._ending.set()
        self._crew.signal(signal.SIGTERM)

    async def _keep(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.table_poll_seconds):
                    await self._ending.wait()
                return
            self._watch.again = bool(self._crew.problems)
            self._look()
            await self._crew.counts()  # so that the dead are remembered

    async def _stop(self, server: asyncio.Server) -> None:
        await self._crew.until_gone(self._settings.drain_seconds + 3)
        server.close()
        self._listen.socket.unlink(missing_ok=True)
        self._listen.board.unlink(missing_ok=True)

    def _look(self, *, force: bool = False) -> None:
        if self._tuning is not None:
            self._tuning.look(force)
        self._watch.look(force)

    def _tune(self, settings: Tunable) -> None:
        self._tuned = settings
        if self._table is not None:
            self._use(self._table)

    def _use(self, table: RoutingTable) -> None:
        self._table = table
        if table.settings is None and self._tuned is not None:
            table = msgspec.structs.replace(table, settings=self._tuned)
        slots = self._slots.assign(endpoint.id for model in table.models for endpoint in model.endpoints)
        self._version, self._models = table.version, table.models
        self._settings.tune(table.settings or self._first_settings)
        self._treasurer.follow(table.accounts)
        salt = self._salt_key.find(table.salt) if table.tenants else b""
        self._crew.use(Use(table, slots, salt))
        self._crew.lines.use(table.models, slots)
        self._crew.vault.use(shelf_rules(table.caches))
        self._archive.use(table.models)
        if self._exporter is not None:
            self._exporter.use(table.models)
        self._ear.use((endpoint for model in table.models for endpoint in model.endpoints), slots)

    # what it tells

    async def _stats(self, query: Query) -> Stats:
        return _sum(await self._crew.stats(), os.getpid(), self._started_at, self._version, self._address)

    async def _records(self, query: Query) -> Records:
        return await self._crew.records(int(query.get("since", "0")))

    def _facts(self) -> Facts:
        return Facts(
            models=self._models,
            engines=self._ear.said(),
            lines=self._crew.lines.lengths(),
            standing=tuple(self._treasurer.standing()),
            ledger_behind=self._treasurer.behind,
            logged=self._archive.written,
            unlogged=self._archive.dropped,
            shelves=tuple(self._crew.vault.figures()),
            spans=self._exporter.counts if self._exporter else {},
            unheard=_age(self._listen.heard),
        )

    async def _explain(self, query: Query) -> Found:
        """The story of the request `id`."""
        wanted, deadline = query.get("id", ""), self._settings.deadline_seconds
        if record := await self._crew.find(wanted):
            return Found(story(record, "worker", deadline))
        if record := await self._archive.find(wanted):
            return Found(story(record, "log", deadline))
        return Found(None)


def _sum(parts: list[Stats], pid: int, started_at: float, version: int, address: str) -> Stats:
    """The workers' Stats as the gateway's."""
    waiting: dict[str, int] = {}
    endpoints: dict[str, EndpointStats] = {}
    for part in parts:
        for model, count in part.waiting_by_model.items():
            waiting[model] = waiting.get(model, 0) + count
        for each in part.endpoints:
            found = endpoints.setdefault(each.id, EndpointStats(each.id, 0, 0, 0))
            found.running += each.running
            found.total += each.total
            found.failures += each.failures
    return Stats(
        pid=pid,
        started_at=started_at,
        table_version=min((part.table_version for part in parts), default=version),
        address=address,
        running=sum(part.running for part in parts),
        waiting=sum(part.waiting for part in parts),
        waiting_by_model=waiting,
        requests_total=sum(part.requests_total for part in parts),
        failures_total=sum(part.failures_total for part in parts),
        prompt_tokens_total=sum(part.prompt_tokens_total for part in parts),
        completion_tokens_total=sum(part.completion_tokens_total for part in parts),
        endpoints=list(endpoints.values()),
    )


def _tuning(listen: Listen, use: Callable[[Tunable], None]) -> FileWatch[Tunable] | None:
    if listen.tuning is None:
        return None
    from headway.gateway.tuning import read_settings  # noqa: PLC0415 (YAML is on nobody's cold start who needs it not)

    return FileWatch(listen.tuning, read_settings, use, "settings")


def _age(file: Path | None) -> float:
    """Seconds since it was changed; 0 where there is none."""
    with contextlib.suppress(OSError):
        return max(0.0, time.time() - file.stat().st_mtime) if file else 0.0
    return 0.0


def _pair(listen: Listen) -> list[str]:
    return [str(listen.certificate.chain), str(listen.certificate.key)] if listen.certificate else []


async def run(listen: Listen, settings: Settings, start: Starter | None = None) -> None:
    """The whole life of a hub process. `start`: of its workers, if they are not the gateway's own."""
    loop = asyncio.get_running_loop()
    hub = Hub(listen, settings, start)
    loop.add_signal_handler(signal.SIGHUP, hub.hang_up)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, hub.terminate)
    await hub.run()
