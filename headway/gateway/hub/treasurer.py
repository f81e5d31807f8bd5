"""The hub's part in tenants' limits: opens the treasury when there are tenants, lends to the workers, buries the dead.

Until the first table with tenants there is no ledger and no lease file. The ledger may be a database across a network:
all that touches it is done by a thread of its own, pass by pass. A pass that fails changes nothing, and the next one
does what is to be done then; meanwhile the workers go on with what they hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from headway.errors import HeadwayError
from headway.gateway.frames import Lease, Lent
from headway.gateway.hub.member import Member
from headway.gateway.table import TenantRule
from headway.store.connection import AnyDatabase
from headway.store.ledger import Ledger
from headway.store.ledger_place import claim_of, open_place
from headway.store.treasury import Standing, Treasury, Worker

__all__ = ["Treasurer"]

log = logging.getLogger("headway.gateway")

TICK_SECONDS = 0.1
"""Between settlements; a worker that is short is helped at once."""
LEAST_PAUSE, LEAST_PAUSE_SHARED = 0.005, 0.02
"""Between two of those: a transaction is a write to the disk, and others may want the ledger too."""
CLOSE_SECONDS = 10.0
"""For the last pass, beyond all deadlines of a database."""


class Treasurer:
    """`ledger`: as `store.ledger_place` reads it."""

    def __init__(self, ledger: str, leases: Path) -> None:
        self._place, self._leases_path = ledger, leases
        self._claim = claim_of(ledger)
        self._thread = ThreadPoolExecutor(1, "ledger")
        self._rules: tuple[TenantRule, ...] = ()
        self._is_new = False  # the rules are
        self._members: list[Member] = []
        self._due = asyncio.Event()
        self._said = ""
        self._settled_at = time.monotonic()
        # the thread's
        self._database: AnyDatabase | None = None
        self._treasury: Treasury | None = None
        self._hired: dict[Member, Worker] = {}
        self._untold: list[tuple[Member, Lease]] = []  # taken between passes

    def follow(self, rules: tuple[TenantRule, ...]) -> None:
        """The tenants of a new table. Raises HeadwayError when the ledger is none: a wrong address, a broken file."""
        if self._database is None:
            if not rules:
                return
            self._thread.submit(self._open).result()
            self._settled_at = time.monotonic()
        self._rules, self._is_new = rules, True
        self._due.set()

    def hire(self, member: Member) -> None:
        """A worker has started."""
        self._members.append(member)
        self._due.set()

    def bury(self, member: Member) -> None:
        """A worker is dead: what it had sent is charged, the rest of what it held returns."""
        if member in self._members:
            self._members.remove(member)
            self._due.set()

    def standing(self) -> list[Standing]:
        """Of each tenant, each limit it has and what is left of it; by tenant."""
        return self._treasury.standing() if self._treasury is not None else []

    @property
    def behind(self) -> float:
        """Seconds since the ledger was last reached."""
        return time.monotonic() - self._settled_at if self._database is not None else 0.0

    def short(self) -> None:
        """Somebody waits for more."""
        self._due.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            urgent = await self._until_due()
            if self._database is None:
                continue
            members, self._is_new, rules = list(self._members), False, self._rules if self._is_new else None
            stirs = False
            try:
                stirs = await loop.run_in_executor(self._thread, self._pass, members, rules)
            except Exception as error:  # a full disk, a database that is away: nothing more is lent until it is there
                self._is_new = self._is_new or rules is not None
                self._complain(error)
                self._tell_leases()
                await asyncio.sleep(TICK_SECONDS)
                continue
            self._settled_at = time.monotonic()
            if self._said:
                log.info("limits are settled again")
            self._said = ""
            self._tell_leases()
            for member in members if urgent or stirs else ():
                member.tell(Lent())
            await asyncio.sleep(LEAST_PAUSE_SHARED if self._database.shared else LEAST_PAUSE)

    async def close(self) -> None:
        """After the last worker has ended."""
        last = asyncio.get_running_loop().run_in_executor(self._thread, self._end)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await last
        self._thread.shutdown(wait=False)

    async def _until_due(self) -> bool:
        """True when somebody asked."""
        try:
            async with asyncio.timeout(TICK_SECONDS if self._database else None):
                await self._due.wait()
        except TimeoutError:
            return False
        self._due.clear()
        return True

    def _tell_leases(self) -> None:
        """Whatever became of the rest of the pass: it is told once."""
        untold, self._untold = self._untold, []
        for member, lease in untold:
            member.tell(lease)

    def _complain(self, error: Exception) -> None:
        if not isinstance(error, HeadwayError):
            log.error("limits cannot be settled", exc_info=error)
        elif str(error) != self._said:
            log.error("limits cannot be settled: %s", error)
        self._said = str(error)

    # in the thread

    def _open(self) -> None:
        self._database = open_place(self._place)

    def _pass(self, members: list[Member], rules: tuple[TenantRule, ...] | None) -> bool:
        """All that is to be done. True when workers should look at what they hold."""
        if self._database is None:
            return False
        if self._treasury is None:
            if self._claim is not None:
                self._claim.take()
            self._treasury = Treasury.open(self._leases_path, Ledger(self._database), time.time())
        treasury = self._treasury
        self._bury_the_dead(treasury, members)
        for member in members:
            if member not in self._hired:
                worker = self._hired[member] = treasury.hire(time.time(), _pid(member))
                self._untold.append((member, Lease(str(self._leases_path), worker.section)))
        if rules is not None:
            treasury.follow(rules, time.monotonic())
        return treasury.tick(time.time(), time.monotonic())

    def _bury_the_dead(self, treasury: Treasury, members: list[Member]) -> None:
        """Ours that were buried, and those of an earlier hub that have ended since."""
        for member in [each for each in self._hired if each not in members]:
            treasury.bury(self._hired[member], time.time())
            del self._hired[member]
        ours, pids = {each.section for each in self._hired.values()}, {_pid(each) for each in members}
        for worker in treasury.workers():
            if worker.section not in ours and (worker.pid in pids or not _alive(worker.pid)):
                treasury.bury(worker, time.time())

    def _end(self) -> None:
        try:
            if self._treasury is not None:
                self._bury_the_dead(self._treasury, [])
                self._treasury.leave()
        except HeadwayError as error:
            log.error("the last of what was used is settled by the next gateway here: %s", error)
        finally:
            for part in (self._treasury, self._database, self._claim):
                if part is not None:
                    part.close()


def _pid(member: Member) -> int:
    return member.child.pid if member.child else 0


def _alive(pid: int) -> bool:
    """A zombie, which nobody has waited for yet, does nothing any more."""
    try:
        return pid > 0 and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
