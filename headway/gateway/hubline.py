"""The worker's end of the line to its hub: tables come in, what this worker knows goes out on request."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from headway.gateway.counts import Counts
from headway.gateway.frames import (
    Applied,
    Channel,
    Ejected,
    Frame,
    Full,
    Heard,
    Hello,
    Join,
    Keep,
    Lease,
    Leave,
    Lent,
    Lined,
    Look,
    Looked,
    Metrics,
    Queueing,
    Said,
    Scrape,
    Sent,
    Shelve,
    Took,
    Turn,
    Use,
    Want,
)
from headway.store.leases import LeaseFile
from headway.store.purse import Purse

if TYPE_CHECKING:
    from headway.gateway.core import Gateway

__all__ = ["HubLine"]


BACKLOG_BYTES = 8 * 1024 * 1024


class Queued(Protocol):
    """A request that waits for a place."""

    def turn(self, full: Full | None) -> None:
        """It may go; or there is no room to wait, or its turn would come too late."""

    def lined(self, frame: Lined) -> None:
        """It waits, and how many others do."""


class Looker(Protocol):
    """A request that asks whether its answer is kept."""

    def looked(self, said: Looked | None) -> None:
        """None: the hub is gone."""


class HubLine:
    def __init__(self, gone: Callable[[], None]) -> None:
        self._then = gone
        self._gateway: Gateway | None = None
        self._channel = Channel(self._heard, self._gone)
        self._numbers = itertools.count(1)
        self._scrapes: dict[int, Callable[[bytes | None], None]] = {}
        self._lined: dict[int, Queued] = {}
        self._looks: dict[int, Looker] = {}
        self.queueing: frozenset[str] = frozenset()

    async def join(self, gateway: Gateway, channel: socket.socket) -> None:
        self._gateway = gateway
        await asyncio.get_running_loop().create_connection(lambda: self._channel, sock=channel)
        self._channel.say(Hello())

    def scrape(self, then: Callable[[bytes | None], None], names: str = "") -> int:
        """Ask for the metrics of all workers; `then` gets them, or None when the hub is gone. `names`: also under
        those of others (llm-d)."""
        number = next(self._numbers)
        if self._channel.open:
            self._scrapes[number] = then
            self._channel.say(Scrape(number, names))
        else:
            then(None)
        return number

    @property
    def there(self) -> bool:
        """The hub lives."""
        return self._channel.open

    def line_up(self, waiter: Queued, **what: Any) -> int:
        """Wait for a place; returns the number under which to leave."""
        number = next(self._numbers)
        self._lined[number] = waiter
        self._channel.say(Join(number, **what))
        return number

    def leave(self, number: int, *, took: bool = False) -> None:
        """Wait no more, or the turn was made use of."""
        self._lined.pop(number, None)
        self._channel.say(Took(number) if took else Leave(number))

    def look(self, looker: Looker, look: Look) -> int:
        """Ask for what is kept; returns the number under which to bring what was not."""
        look.number = next(self._numbers)
        self._looks[look.number] = looker
        self._channel.say(look)
        return look.number

    def shelve(self, shelve: Shelve) -> None:
        """A Look is over. What it brought is dropped when the hub is far behind: memory is bounded here too."""
        self._looks.pop(shelve.number, None)
        if self._channel.backlog > BACKLOG_BYTES:
            shelve.brought = []
        self._channel.say(shelve)

    def say(self, frame: Frame) -> None:
        """Without an answer; nobody hears it when the hub is gone."""
        self._channel.say(frame)

    def forget(self, number: int) -> None:
        """Who asked is gone."""
        self._scrapes.pop(number, None)

    def close(self) -> None:
        self._channel.close()

    def _heard(self, frame: Frame) -> None:
        gateway = self._gateway
        if gateway is None:
            return
        if isinstance(frame, Use):
            self._channel.say(Applied(frame.table.version, gateway.use(frame.table, frame.slots, frame.salt)))
        elif isinstance(frame, Sent | Ejected):
            gateway.hear_of(frame)
        elif isinstance(frame, Queueing):
            self.queueing = frozenset(frame.models)
            gateway.shadows.make_room(queueing=bool(frame.models))
        elif isinstance(frame, Lent):
            gateway.tenancy.lent()
        elif isinstance(frame, Lease):
            gateway.tenancy.lend(Purse(LeaseFile(Path(frame.path)), frame.section))
        elif isinstance(frame, Heard):
            gateway.catalog.hear(frame.signals, gateway.time())
        elif isinstance(frame, Want):
            self._channel.say(_answer(gateway, frame))
        else:
            self._answered(gateway, frame)

    def _answered(self, gateway: Gateway, frame: Frame) -> None:
        """What somebody here waits for; and what changes nothing for a request, but what is told of it."""
        if isinstance(frame, Turn | Full):
            if waiter := self._lined.pop(frame.number, None):
                waiter.turn(frame if isinstance(frame, Full) else None)
        elif isinstance(frame, Looked):
            if looker := self._looks.get(frame.number):
                if frame.role != "wait":
                    del self._looks[frame.number]
                looker.looked(frame)
        elif isinstance(frame, Metrics) and (then := self._scrapes.pop(frame.number, None)):
            then(frame.text)
        elif isinstance(frame, Keep):
            gateway.observe(frame)
        elif isinstance(frame, Lined) and (waiter := self._lined.get(frame.number)):
            waiter.lined(frame)

    def _gone(self) -> None:
        for then in list(self._scrapes.values()):
            then(None)
        self._scrapes.clear()
        self.queueing = frozenset()
        looking, self._looks = list(self._looks.values()), {}
        for looker in looking:
            looker.looked(None)
        waiting, self._lined = list(self._lined.values()), {}
        for waiter in waiting:
            waiter.turn(None)  # nobody knows of places any more: the engines' own queues have to do
        self._then()


def _answer(gateway: Gateway, want: Want) -> Said:
    if want.what == "stats":
        return Said(want.number, stats=gateway.stats())
    if want.what == "records":
        records = gateway.journal.since(want.since)
        return Said(want.number, records=records.records, next=records.next, lost=records.lost)
    if want.what == "record":
        record = gateway.journal.find(want.id)
        return Said(want.number, records=[record] if record else [])
    return Said(want.number, counts=_counts(gateway))


def _counts(gateway: Gateway) -> Counts:
    tally, catalog = gateway.tally, gateway.catalog
    running: dict[str, int] = {}
    avoided: dict[str, int] = {}
    now = gateway.time()
    failures = dict(catalog.failures_of_the_gone)
    for upstream in catalog.upstreams():
        running[upstream.replica] = running.get(upstream.replica, 0) + upstream.own_running
        failures[upstream.replica] = failures.get(upstream.replica, 0) + upstream.failures
        avoided[upstream.replica] = avoided.get(upstream.replica, 0) + (upstream.cooling_until > now)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return Counts(
        series=list(tally.series.values()),
        used=list(tally.used.values()),
        errors=tally.errors,
        lag=tally.lag,
        requests=tally.requests,
        failures=tally.failures,
        prompt_tokens=tally.prompt_tokens,
        completion_tokens=tally.completion_tokens,
        lost_by_reason=tally.lost_by_reason,
        refused_heads=tally.refused_heads,
        shadows=tally.shadows,
        endpoint_failures=failures,
        endpoint_ejections=tally.ejections,
        cpu_seconds=used.ru_utime + used.ru_stime,
        connections=len(gateway.connections),
        running=tally.running,
        bodies_bytes=gateway.bodies.held,
        resident_bytes=_resident_bytes(),
        table_version=catalog.version,
        caches=list(tally.caches.values()),
        waiting=dict.fromkeys(catalog.routes, 0) | gateway.lobby.counts(),
        endpoint_running=running,
        endpoint_avoided=avoided,
        index_blocks=gateway.index.stats().blocks,
    )


def _resident_bytes() -> int:
    """Zero where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
