"""What one worker is made of, in one place: every connection and exchange holds a reference to its
Gateway."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from headway.gateway.board import Board
from headway.gateway.catalog import Catalog
from headway.gateway.frames import Ejected, Sent
from headway.gateway.hubline import HubLine
from headway.gateway.journal import Journal
from headway.gateway.keeper import Keeper
from headway.gateway.keyring import Caller, Keyring
from headway.gateway.news import News
from headway.gateway.pace import Pace
from headway.gateway.prompt import Sessions
from headway.gateway.reader import Bodies
from headway.gateway.record import Record, Stats
from headway.gateway.settings import Settings, connection_limit
from headway.gateway.shadow import Shadows
from headway.gateway.table import RoutingTable
from headway.gateway.tally import Tally
from headway.gateway.tenancy import Tenancy
from headway.gateway.timers import Wheel
from headway.gateway.tracing import Tracer
from headway.gateway.trouble import Trouble
from headway.gateway.waiting import Lobby
from headway.policy.admission import allows
from headway.policy.prefix import PrefixIndex

if TYPE_CHECKING:
    from headway.gateway.asked import Asked
    from headway.gateway.client import ClientConnection
    from headway.gateway.frames import Keep

__all__ = ["Gateway", "log"]

log = logging.getLogger("headway.gateway")


class Gateway:
    def __init__(
        self, settings: Settings, loop: asyncio.AbstractEventLoop, board: Board, number: int, hub: HubLine
    ) -> None:
        self.settings, self._first_settings = settings, msgspec.structs.replace(settings)
        self.hub = hub
        self.loop = loop
        self.time = loop.time
        self.unix_time = time.time
        self.wheel = Wheel(loop, settings.tick_seconds)
        self.index = PrefixIndex(settings.index_blocks)
        self.sessions = Sessions(settings.sessions_max)
        self.catalog = Catalog(settings, self.wheel, board.sections, number, self.index)
        self.news = News(hub, loop, settings.news_seconds, shared=len(board.sections) > 1)
        self.lobby = Lobby(settings, self.wheel)
        self.trouble = Trouble(self)
        self.keyring = Keyring(RoutingTable(0), b"")
        self.objectives: Mapping[str, int] = {}  # name -> priority
        self.tenancy = Tenancy(hub)
        self.journal = Journal(settings.records_max)
        self.shadows = Shadows(self, number, len(board.sections))
        self.tally = Tally()
        self.bodies = Bodies(settings.bodies_bytes)
        self.connections: set[ClientConnection] = set()
        self.connections_max = connection_limit(settings)
        self.draining = False
        self.deserted = asyncio.Event()  # draining, and no connection is left
        self._started_at = time.time()
        self.draw = random.Random().random  # noqa: S311 (chance among equals)
        self.keeper = Keeper(hub, loop, self.draw)
        self.tracer: Tracer | None = None  # nobody wants traces
        self._look: asyncio.Handle | None = None

    def left(self, client: ClientConnection) -> None:
        self.connections.discard(client)
        if self.draining and not self.connections:
            self.deserted.set()

    def use(self, table: RoutingTable, slots: Mapping[str, int], salt: bytes) -> list[str]:
        """Swap to a new table; who waits looks again. Returns what is wrong with endpoints that were left
        out."""
        self.settings.tune(table.settings or self._first_settings)
        self.bodies.limit = self.settings.bodies_bytes
        self.keyring = Keyring(table, salt)
        self.objectives = {each.name: each.priority for each in table.objectives}
        problems = self.catalog.apply(table, slots)
        self.lobby.look()
        return problems

    def visible(self, caller: Caller | None) -> list[str]:
        """The models that a caller may know of."""
        names = [*self.catalog.routes, *self.catalog.publics]
        if caller is None:
            return names
        return [name for name in names if allows(caller.rule.models, name) and allows(caller.key.models, name)]

    def hear_of(self, news: Sent | Ejected) -> None:
        """What another worker did or found."""
        if isinstance(news, Sent):
            self.news.came(news, self.index)
        else:
            self.trouble.came(news)

    def look_soon(self) -> None:
        """An endpoint that had failed works again: who waits looks, once this event is over."""
        if self._look is None and len(self.lobby):
            self._look = self.loop.call_soon(self._look_now)

    def _look_now(self) -> None:
        self._look = None
        self.lobby.look()

    def observe(self, keep: Keep) -> None:
        """The hub says what to tell of requests."""
        self.keeper.use(keep)
        self.tracer = None if keep.traced is None else Tracer(keep.traced)

    def ended(self, record: Record, asked: Asked, pace: Pace | None) -> None:
        """It is counted in any case, and remembered if its tenant lets us."""
        if asked.gate.kept:
            self.journal.add(record)
            self.keeper.see(record, asked)
        self.tally.end(record, asked.operation.name, record.model in self.catalog.routes, pace)

    def stats(self) -> Stats:
        waiting = self.lobby.counts()
        return Stats(
            pid=os.getpid(),
            started_at=self._started_at,
            table_version=self.catalog.version,
            address="",
            running=self.tally.running,
            waiting=sum(waiting.values()),
            waiting_by_model=waiting,
            requests_total=self.tally.requests,
            failures_total=self.tally.failures,
            prompt_tokens_total=self.tally.prompt_tokens,
            completion_tokens_total=self.tally.completion_tokens,
            endpoints=self.catalog.stats(),
        )
