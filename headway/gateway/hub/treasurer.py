"""The hub's part in tenants' limits: opens the treasury when there are tenants, lends to the workers, buries the dead.

Until the first table with tenants there is no ledger and no lease file.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from headway.errors import HeadwayError
from headway.gateway.frames import Lease, Lent
from headway.gateway.hub.member import Member
from headway.gateway.table import TenantRule
from headway.store.database import Database
from headway.store.ledger import Ledger
from headway.store.treasury import Standing, Treasury, Worker

__all__ = ["Treasurer"]

log = logging.getLogger("headway.gateway")

TICK_SECONDS = 0.1
"""Between settlements; a worker that is short is helped at once."""
LEAST_PAUSE = 0.005
"""Between two of those: a transaction is a write to the disk."""


class Treasurer:
    def __init__(self, ledger: Path, leases: Path) -> None:
        self._ledger_path, self._leases_path = ledger, leases
        self._treasury: Treasury | None = None
        self._database: Database | None = None
        self._hired: dict[Member, Worker] = {}
        self._short = asyncio.Event()
        self._said = ""

    def follow(self, rules: tuple[TenantRule, ...], members: list[Member]) -> None:
        """The tenants of a new table. Raises HeadwayError when the ledger cannot be opened."""
        if self._treasury is None:
            if not rules:
                return
            self._database = Database(self._ledger_path)
            self._treasury = Treasury.open(self._leases_path, Ledger(self._database), time.time())
            for worker in self._treasury.workers():
                if not _alive(worker.pid):
                    self._treasury.bury(worker, time.time())
            for member in members:
                self.hire(member)
        self._treasury.follow(rules, time.monotonic())
        self._short.set()

    def hire(self, member: Member) -> None:
        """A worker has started."""
        if self._treasury is not None:
            pid = member.child.pid if member.child else 0
            worker = self._hired[member] = self._treasury.hire(time.time(), pid)
            member.tell(Lease(str(self._leases_path), worker.section))
            self._short.set()

    def bury(self, member: Member) -> None:
        """A worker is dead: what it had sent is charged, the rest of what it held returns."""
        if self._treasury is not None and (worker := self._hired.pop(member, None)):
            self._treasury.bury(worker, time.time())
            self._short.set()

    def standing(self) -> list[Standing]:
        """Of each tenant, each limit it has and what is left of it; by tenant."""
        return self._treasury.standing() if self._treasury is not None else []

    def short(self) -> None:
        """Somebody waits for more."""
        self._short.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            urgent = await self._until_due()
            if self._treasury is None:
                continue
            try:
                self._treasury.tick(time.time(), time.monotonic())
            except HeadwayError as error:  # a full disk: nothing more is lent until there is room
                if str(error) != self._said:
                    log.error("limits cannot be settled: %s", error)
                self._said = str(error)
                await asyncio.sleep(TICK_SECONDS)
                continue
            self._said = ""
            if urgent:
                for member in self._hired:
                    member.tell(Lent())
            await asyncio.sleep(LEAST_PAUSE)

    def close(self) -> None:
        """After the last worker has ended."""
        for member in list(self._hired):
            self.bury(member)
        if self._treasury is not None:
            self._treasury.close()
        if self._database is not None:
            self._database.close()

    async def _until_due(self) -> bool:
        """True when somebody asked."""
        try:
            async with asyncio.timeout(TICK_SECONDS if self._treasury else None):
                await self._short.wait()
        except TimeoutError:
            return False
        self._short.clear()
        return True


def _alive(pid: int) -> bool:
    return pid > 0 and Path(f"/proc/{pid}").exists()
