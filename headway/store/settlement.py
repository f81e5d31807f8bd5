"""One settlement's sharing out: of each limit of each tenant, what the workers of this host are lent, asked and told.

Budgets are lent by the ledger, rates out of buckets. What is lent is written to the lease file by the caller, once the
ledger has it; what is asked and told may be written at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from headway.policy.admission import Ceiling
from headway.policy.budget import AXIS_OF, BUDGETS, Limit, Position, headroom, share_out
from headway.store.leases import Holding, LeaseFile
from headway.store.ledger import Ask, Books, Use
from headway.store.lending import Lending
from headway.store.neighbours import Situation
from headway.store.pool import ALONE
from headway.store.rates import Rates

__all__ = ["IDLE_SHARE", "Lendings", "Seen", "Settlement"]

IDLE_SHARE = 20
"""A gateway of several keeps at most the twentieth part of a budget as its cushion: so much can be lost with it."""

Lendings = dict[tuple[str, Limit], Lending]


@dataclass(frozen=True, slots=True)
class Seen:
    """One worker's numbers of one tenant at a tick. `worker`: its name in the ledger."""

    worker: str
    incarnation: int
    section: int
    slot: int
    turn: int
    holding: Holding


class Settlement:
    """`seen` by tenant, `rules` too. `situation`: of the other gateways; None = the ledger is this one's alone."""

    def __init__(
        self,
        file: LeaseFile,
        seen: Mapping[str, list[Seen]],
        rules: Mapping[str, tuple[Ceiling, ...]],
        situation: Situation | None = None,
    ) -> None:
        self._file, self._seen, self._situation = file, seen, situation
        self._limits = [(name, ceiling) for name in seen for ceiling in rules.get(name, ())]

    def charge(self, books: Books, settled: Mapping[tuple[int, int], tuple[int, tuple[int, ...]]]) -> None:
        """What was used since `settled`: (turn, returned) by incarnation and slot."""
        uses = []
        for name, holders in self._seen.items():
            for each in holders:
                turn, returned = settled.get((each.incarnation, each.slot), (-1, ()))
                if turn != each.turn:
                    moved = each.holding.returned if each.holding.returned != returned else ()
                    uses.append(Use(name, each.worker, each.holding.used, moved))
        books.settle(uses)

    def budgets(self, books: Books) -> Lendings:
        budgets = [(name, each) for name, each in self._limits if each.limit in BUDGETS]
        standing = books.standing({name for name, _ in budgets})
        found: Lendings = {}
        asks: list[Ask] = []
        for name, ceiling in budgets:
            lending = found[name, ceiling.limit] = self._budget(name, ceiling, *standing[name, ceiling.limit])
            asks += self._asks(name, ceiling, lending)
        marks = {
            (ask.tenant, ask.budget, ask.worker): mark
            for ask, (granted, mark) in zip(asks, books.lease(asks), strict=True)
            if granted
        }
        for (name, limit), lending in found.items():
            for each in self._seen[name]:
                if mark := marks.get((name, limit, each.worker)):
                    lending.lent.append((each.section, each.slot, limit, mark))
        return found

    def rates(self, rates: Rates, now: float) -> Lendings:
        found: Lendings = {}
        for name, ceiling in self._limits:
            if ceiling.limit not in BUDGETS and (seen := self._seen[name]):
                holdings = {each.section: each.holding for each in seen}
                other = self._situation.of(name, ceiling.limit) if self._situation else ALONE
                slot, gateways = seen[0].slot, self._gateways
                found[name, ceiling.limit] = rates.lend(
                    name, slot, ceiling, holdings, now, elsewhere=other, gateways=gateways
                )
        return found

    def needs(self) -> dict[tuple[str, Limit], int]:
        """What the least request lacks that waits here."""
        return {
            (name, ceiling.limit): min(short)
            for name, ceiling in self._limits
            if (short := [each.short for each in self._positions(name, ceiling.limit) if each.short])
        }

    def _budget(self, name: str, ceiling: Ceiling, spent: int, held: int) -> Lending:
        """What to lend of it, unless the ledger has less. Asks and tells at once."""
        limit, seen, situation = ceiling.limit, self._seen[name], self._situation
        positions = list(self._positions(name, limit))
        free, unspent = ceiling.size - spent - held, ceiling.size - spent
        promised = sum(each.holding.in_flight.on(AXIS_OF[limit]) for each in seen)
        left = unspent - promised
        if situation is None:
            moves = share_out(free, positions)
        else:
            other, idle = situation.of(name, limit), ceiling.size // IDLE_SHARE
            moves = share_out(free, positions, ahead=other.ahead, gateways=self._gateways, idle=idle)
            left -= other.promised
        of_section = {each.section: each for each in seen}
        for move in moves:
            each = of_section[move.worker]
            self._file.ask_back(each.section, each.slot, limit, each.holding.returned[limit] + move.ask)
        for each in seen:
            self._file.tell(each.section, each.slot, limit, left, unspent)
        return Lending([], moves, positions, sum(max(0, p.headroom) for p in positions) + promised, promised)

    def _asks(self, name: str, ceiling: Ceiling, lending: Lending) -> Iterator[Ask]:
        worker = {each.section: each.worker for each in self._seen[name]}
        for move in lending.moves:
            if move.grant:
                yield Ask(name, worker[move.worker], ceiling.limit, ceiling.size, move.grant)

    def _positions(self, name: str, limit: Limit) -> Iterator[Position]:
        for each in self._seen[name]:
            axis, holding = AXIS_OF[limit], each.holding
            mark = self._file.mark(each.section, each.slot, limit)
            room = headroom(mark, holding.used.on(axis), holding.returned[limit], holding.in_flight.on(axis))
            yield Position(each.section, room, holding.wanted[limit])

    @property
    def _gateways(self) -> int:
        return self._situation.presence.gateways if self._situation else 1
