"""The hub's side of limits: settle what the workers used, lend them more, charge what a dead one left behind.

One `tick` is one transaction of the ledger, then the marks are raised in the lease file: in that order, so that a hub
that dies between the two has lent too little, never too much, and the next one believes the file. Rates and the number
of running requests are lent the same way, out of memory: they need not survive the hub, which then begins with nothing
saved up.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headway.errors import ResourceError
from headway.policy.admission import Ceiling, Rule, ceilings
from headway.policy.budget import AXIS_OF, BUDGETS, Limit, Position, headroom, share_out
from headway.policy.period import start_of
from headway.store.leases import Holding, LeaseFile
from headway.store.ledger import Books, Ledger
from headway.store.rates import Rates

__all__ = ["Standing", "Treasury", "Worker"]

AWAKE = 61.0
"""Seconds that a tenant is looked after when nothing happens: until the emptiest bucket is full."""


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


@dataclass(frozen=True, slots=True)
class Seen:
    """One worker's numbers of one tenant at a tick."""

    worker: Worker
    slot: int
    turn: int
    holding: Holding


class Treasury:
    """Made by the one hub of a host, by `open`."""

    def __init__(self, file: LeaseFile, ledger: Ledger, host: str) -> None:
        self.file, self._ledger, self._host = file, ledger, host
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
        or from before the machine went down, all that was lent is charged: nobody knows what of it was used.
        """
        file = None
        with contextlib.suppress(ResourceError):
            file = LeaseFile(path)
        if file is not None and not file.trusted:
            file.close()
            file = None
        made = cls(file or LeaseFile.create(path), ledger, host or socket.gethostname())
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

    def tick(self, now: float, monotonic: float) -> None:
        """Settle, then share out. Called every 100 ms or so, and at once when a worker says that somebody waits."""
        seen = self._look(now, monotonic)
        limits = [(name, ceiling) for name in seen for ceiling in self._rules.get(name, ())]
        lent: list[tuple[int, int, Limit, int]] = []
        with self._ledger.books(now) if seen else contextlib.nullcontext() as books:
            if books is None:
                return
            for name, holders in seen.items():
                for each in holders:
                    turn, returned = self._settled.get((each.worker.incarnation, each.slot), (-1, ()))
                    if turn != each.turn:
                        moved = each.holding.returned if each.holding.returned != returned else ()
                        books.settle(name, each.worker.id, each.holding.used, moved)
            for name, ceiling in limits:
                if ceiling.limit in BUDGETS:
                    lent += self._lend(books, name, ceiling, seen[name])
        for move in lent:
            self.file.lend(*move)
        self._settled |= {
            (each.worker.incarnation, each.slot): (each.turn, each.holding.returned)
            for holders in seen.values()
            for each in holders
        }
        for name, ceiling in limits:
            if ceiling.limit not in BUDGETS:
                holdings = {each.worker.section: each.holding for each in seen[name]}
                self._rates.lend(name, self._slots[name], ceiling, holdings, monotonic)

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

    def close(self) -> None:
        self.file.close()

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
                    Seen(each, slot, turn, self.file.holding(each.section, slot))
                    for each, turn in zip(workers, turns, strict=True)
                ]
        return seen

    def _lend(
        self, books: Books, name: str, ceiling: Ceiling, seen: list[Seen]
    ) -> Iterator[tuple[int, int, Limit, int]]:
        """Of one budget: what to write to the file once the ledger has it. Asks and tells at once."""
        limit, axis = ceiling.limit, AXIS_OF[ceiling.limit]
        of_section = {each.worker.section: each for each in seen}
        for move in share_out(books.free(name, limit, ceiling.size), [self._position(e, limit) for e in seen]):
            each = of_section[move.worker]
            granted, mark = books.lease(name, each.worker.id, limit, ceiling.size, move.grant)
            if granted:
                yield move.worker, each.slot, limit, mark
            self.file.ask_back(move.worker, each.slot, limit, each.holding.returned[limit] + move.ask)
        unspent = ceiling.size - books.spent(name, limit)
        left = unspent - sum(each.holding.in_flight.on(axis) for each in seen)
        for each in seen:
            self.file.tell(each.worker.section, each.slot, limit, left, unspent)

    def _position(self, seen: Seen, limit: Limit) -> Position:
        axis, holding = AXIS_OF[limit], seen.holding
        mark = self.file.mark(seen.worker.section, seen.slot, limit)
        room = headroom(mark, holding.used.on(axis), holding.returned[limit], holding.in_flight.on(axis))
        return Position(seen.worker.section, room, holding.wanted[limit])

    def _take_over(self, now: float) -> None:
        there = {worker.id: worker for worker in self.workers()}
        with self._ledger.books(now) as books:
            for gone in self._ledger.holders(self._host):
                if gone not in there:
                    books.recover(gone, None)
            for worker in there.values():
                if not books.is_enlisted(worker.id):
                    self.file.free(worker.section)  # it was buried, and the hub died before it could say so
                    continue
                for name, slot in self._slots.items():
                    marks = {budget: self.file.mark(worker.section, slot, budget) for budget in BUDGETS}
                    books.believe(name, worker.id, marks)

    def _name(self, incarnation: int) -> str:
        return f"{self._host}:{incarnation}"
