"""The hub's side of limits: settle what the workers used, lend them more, charge what a dead one left behind.

One `tick` is one transaction of the ledger, then the marks are raised in the lease file: in that order, so that a hub
that dies between the two has lent too little, never too much, and the next one believes the file. Rates and the number
of running requests are lent the same way, out of memory: they need not survive the hub, which then begins with nothing
saved up. In a ledger that is shared they are lent out of it, with the budgets.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from headway.errors import ResourceError
from headway.policy.admission import Ceiling, Rule, ceilings
from headway.policy.budget import BUDGETS, Limit
from headway.policy.period import start_of
from headway.store.leases import LeaseFile
from headway.store.ledger import Books, Ledger
from headway.store.neighbours import Neighbours, Situation
from headway.store.rates import Rates
from headway.store.settlement import Lendings, Seen, Settlement

__all__ = ["Standing", "Treasury", "Worker"]

AWAKE = 61.0
"""Seconds that a tenant is looked after when nothing happens: until the emptiest bucket is full."""
STIRRED = 1.0
"""Seconds that it is looked after when somebody elsewhere lacks something."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One that holds leases; `id` names this life of it in the ledger."""

    section: int
    incarnation: int
    pid: int
    id: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit of one tenant, as the workers were last told. `left`: what nobody holds or has promised."""

    tenant: str
    limit: Limit
    size: int
    left: int


class Treasury:
    """Made by the one hub of a host, by `open`."""

    def __init__(self, file: LeaseFile, ledger: Ledger, host: str) -> None:
        self.file, self._ledger, self._host = file, ledger, host
        self._neighbours = Neighbours(ledger, host) if ledger.shared else None
        self._is_unsure = False  # whether the ledger took the last settlement
        self._rules: dict[str, tuple[Ceiling, ...]] = {}
        self._slots = {name: slot for slot, name in enumerate(file.tenants())}
        self._settled: dict[tuple[int, int], tuple[int, tuple[int, ...]]] = {}  # what the ledger has: turn, returned
        self._awake: dict[str, float] = {}  # until when (monotonic) a tenant is looked after
        self._last: tuple[str, list[int]] = ("", [])
        self._rates = Rates(file, full=not self.workers())

    @classmethod
    def open(cls, path: Path, ledger: Ledger, now: float, *, host: str = "") -> Treasury:
        """Take over what an earlier hub left; `now` is Unix time. `host` names this gateway in the ledger.

        Workers that still live go on as they are; the caller ends those that do not with `bury`. If the file is gone,
        or from before the machine went down, all that was lent is charged: nobody knows what of it was used. In a
        ledger that is shared the file's own number is part of the name, so that no two are ever taken for one; there
        the others do that, once they have not heard of this place for a minute.
        """
        file = None
        with contextlib.suppress(ResourceError):
            file = LeaseFile(path)
        if file is not None and not (file.trusted and (file.place or not ledger.shared)):
            file.close()
            file = None
        file = file or LeaseFile.create(path)
        host = host or socket.gethostname()
        made = cls(file, ledger, f"{host}/{file.place:016x}" if ledger.shared else host)
        made._take_over(now)
        return made

    def workers(self) -> list[Worker]:
        return [Worker(*each, self._name(each[1])) for each in self.file.workers()]

    def hire(self, now: float, pid: int = 0) -> Worker:
        """A section for a new worker, which opens `Purse(LeaseFile(path), section)`; `name_pid` tells the pid later."""
        incarnation = secrets.randbits(62) or 1
        with self._ledger.books(now) as books:
            books.enlist(self._name(incarnation), self._host)
        return Worker(self.file.hire(incarnation, pid), incarnation, pid, self._name(incarnation))

    def bury(self, worker: Worker, now: float) -> None:
        """Its process has ended: charge what it used and had in flight, let the rest return."""
        left = {name: self.file.holding(worker.section, slot) for name, slot in self._slots.items()}
        with self._ledger.books(now) as books:
            books.recover(worker.id, {name: (each.used, each.in_flight) for name, each in left.items()})
        for name, each in left.items():
            self._rates.bury(name, worker.section, self._slots[name], each)
        self.file.free(worker.section)
        self._settled = {key: turn for key, turn in self._settled.items() if key[0] != worker.incarnation}

    def follow(self, rules: Iterable[Rule], monotonic: float) -> None:
        """The tenants of a new table."""
        self._rules = {rule.name: ceilings(rule) for rule in rules}
        for name in self._rules:
            if name not in self._slots:
                self._slots[name] = self.file.add_tenant(name)
            self._awake[name] = monotonic + AWAKE
        self._rates.follow(self._rules, monotonic)

    def tick(self, now: float, monotonic: float) -> bool:
        """Settle, then share out. Called every 100 ms or so, and at once when a worker says that somebody waits. True
        when workers should look at what was lent, or is asked back. After an error, call it again."""
        neighbours = self._neighbours
        try:
            self._hear(monotonic)
            seen = self._look(now, monotonic)
            if not seen and not (neighbours and neighbours.due(monotonic)):
                return False
            with self._ledger.books(now) as books:
                lendings = self._settle(books, seen) if neighbours is None else self._share(books, seen, monotonic)
        except BaseException:
            self._is_unsure = True
            if neighbours:
                neighbours.broken()
                self._settled = {}  # the database may come back as an older copy of itself
            raise
        self._is_unsure = False
        if neighbours is None:
            lendings |= Settlement(self.file, seen, self._rules).rates(self._rates, monotonic)
        for lending in lendings.values():
            for move in lending.lent:
                self.file.lend(*move)
        self._settled |= {
            (each.incarnation, each.slot): (each.turn, each.holding.returned)
            for holders in seen.values()
            for each in holders
        }
        return any(each.stirs for each in lendings.values())

    def standing(self) -> list[Standing]:
        """Empty while there is no worker to tell."""
        section = next((each.section for each in self.workers()), None)
        if section is None:
            return []
        return [
            Standing(
                name, each.limit, each.size, min(each.size, self.file.left(section, self._slots[name], each.limit))
            )
            for name, limits in self._rules.items()
            for each in limits
        ]

    def leave(self) -> None:
        """After the last worker was buried: this gateway ends."""
        if self._neighbours is not None and not self.workers():
            with self._ledger.pool(self._host) as pool:
                pool.leave()

    def close(self) -> None:
        self.file.close()

    def _hear(self, monotonic: float) -> None:
        """Who elsewhere lacks what may lie idle here is looked after, asleep or not."""
        for name in self._neighbours.wanting(monotonic) if self._neighbours else ():
            if name in self._slots:
                self._awake[name] = max(self._awake.get(name, 0.0), monotonic + STIRRED)

    def _look(self, now: float, monotonic: float) -> dict[str, list[Seen]]:
        """Of the tenants that something happened to within a minute: after that their buckets are full again."""
        workers, day = self.workers(), start_of("day", now)
        all_anew = (day, [each.incarnation for each in workers]) != self._last
        self._last = (day, [each.incarnation for each in workers])
        seen = {}
        for name, slot in self._slots.items():
            # The turn before the numbers, so that what comes between the two is seen again.
            turns = [self.file.turn(each.section, slot) for each in workers]
            moved = any(
                self._settled.get((each.incarnation, slot), (-1,))[0] != turn
                for each, turn in zip(workers, turns, strict=True)
            )
            if all_anew or moved:
                self._awake[name] = monotonic + AWAKE
            if self._awake.get(name, 0.0) >= monotonic:
                seen[name] = [
                    Seen(each.id, each.incarnation, each.section, slot, turn, self.file.holding(each.section, slot))
                    for each, turn in zip(workers, turns, strict=True)
                ]
        return seen

    def _settle(self, books: Books, seen: Mapping[str, list[Seen]]) -> Lendings:
        """Of a ledger that is this gateway's alone. Rates are not of the ledger."""
        settlement = Settlement(self.file, seen, self._rules)
        settlement.charge(books, self._settled)
        return settlement.budgets(books)

    def _share(self, books: Books, seen: Mapping[str, list[Seen]], monotonic: float) -> Lendings:
        """Of a ledger that several share. All is of one transaction."""
        neighbours, tenants = self._neighbours, seen.keys()
        if neighbours is None:
            return {}
        with self._ledger.pool(self._host) as pool:
            presence = neighbours.attend(books, pool, monotonic)
            if self._is_unsure or presence.was_lost:
                self._believe(books)
            if not seen:
                return {}
            needs = Settlement(self.file, seen, self._rules).needs()
            settlement = Settlement(
                self.file, seen, self._rules, Situation(presence, pool.elsewhere(tenants, presence, needs))
            )
            settlement.charge(books, self._settled)
            self._rates.load(neighbours.levels(pool, tenants), tenants, presence.now)
            lendings = settlement.budgets(books) | settlement.rates(self._rates, presence.now)
            neighbours.tell(pool, {key: each.share for key, each in lendings.items()}, self._rates.levels(tenants))
            neighbours.drop(pool, [(name, each.limit) for name, found in self._rules.items() for each in found])
        return lendings

    def _believe(self, books: Books) -> None:
        for worker in self.workers():
            holds = {}
            for name, slot in self._slots.items():
                holding = self.file.holding(worker.section, slot)
                marks = {each: (self.file.mark(worker.section, slot, each), holding.returned[each]) for each in BUDGETS}
                holds[name] = (holding.used, marks)
            books.believe(worker.id, self._host, holds)

    def _take_over(self, now: float) -> None:
        there = {worker.id: worker for worker in self.workers()}
        with self._ledger.books(now) as books:
            for gone in self._ledger.holders(self._host):
                if gone not in there:
                    books.recover(gone, None)
            enlisted = books.enlisted(there)
            for name, worker in there.items():
                if name not in enlisted:
                    self.file.free(worker.section)  # it was buried, and the hub died before it could say so
            self._believe(books)

    def _name(self, incarnation: int) -> str:
        return f"{self._host}:{incarnation}"
