"""Requests and tokens a minute, and requests at once, lent to the workers of one host: kept in memory by the hub, or by
the ledger when gateways of several hosts share it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from headway.policy.admission import Ceiling
from headway.policy.bucket import Bucket
from headway.policy.budget import AXIS_OF, Limit, Position, headroom, raised, share_out
from headway.store.leases import Holding, LeaseFile
from headway.store.lending import Lending
from headway.store.pool import ALONE, Elsewhere, Level

__all__ = ["Rates"]

BUCKETS = (Limit.RPM, Limit.TPM)


class Rates:
    """`full`: nothing was lent before, so each bucket begins full; else what was used of it is not known."""

    def __init__(self, file: LeaseFile, *, full: bool) -> None:
        self._file, self._full = file, full
        self._buckets: dict[tuple[str, Limit], Bucket] = {}
        self._returned: dict[tuple[str, Limit, int], int] = {}

    def follow(self, rules: Mapping[str, tuple[Ceiling, ...]], monotonic: float) -> None:
        wanted = {(name, each.limit): each.size for name, found in rules.items() for each in found}
        wanted = {key: size for key, size in wanted.items() if key[1] in BUCKETS}
        self._buckets = {key: bucket for key, bucket in self._buckets.items() if key in wanted}
        for key, size in wanted.items():
            if key in self._buckets:
                self._buckets[key].resize(size)
            else:
                self._buckets[key] = Bucket(size, float(size) if self._full else 0.0, monotonic)

    def load(self, levels: Mapping[tuple[str, Limit], Level], tenants: Collection[str], now: float) -> None:
        """As the ledger has them, when it is shared; a bucket that nobody has used yet is full. `now` by its clock."""
        for key, bucket in self._buckets.items():
            if key[0] in tenants:
                level = levels.get(key)
                found = (float(bucket.per_minute), now, 0) if level is None else (level.level, level.at, level.held)
                self._buckets[key] = Bucket(bucket.per_minute, min(found[0], float(bucket.per_minute)), *found[1:])

    def levels(self, tenants: Collection[str]) -> dict[tuple[str, Limit], Level]:
        found = {key: bucket for key, bucket in self._buckets.items() if key[0] in tenants}
        return {
            key: Level(bucket.level, bucket.held, bucket.at, bucket.level + bucket.held >= bucket.per_minute)
            for key, bucket in found.items()
        }

    def lend(
        self,
        name: str,
        slot: int,
        ceiling: Ceiling,
        holdings: Mapping[int, Holding],
        now: float,
        *,
        elsewhere: Elsewhere = ALONE,
        gateways: int = 1,
    ) -> Lending:
        """`holdings` by section. Asks back and tells how the limit stands; what is lent, the caller writes."""
        limit = ceiling.limit
        rooms = {section: self._headroom(section, slot, limit, each) for section, each in holdings.items()}
        promised = {section: each.in_flight.on(AXIS_OF[limit]) for section, each in holdings.items()}
        held = sum(max(0, rooms[section] + promised[section]) for section in holdings)
        free = self._free(name, ceiling, holdings, held + elsewhere.held, now)
        positions = [Position(section, rooms[section], each.wanted[limit]) for section, each in holdings.items()]
        moves = share_out(free, positions, ahead=elsewhere.ahead, gateways=gateways)
        lent = []
        for move in moves:
            each = holdings[move.worker]
            if move.grant:
                mark, used = self._file.mark(move.worker, slot, limit), each.used.on(AXIS_OF[limit])
                lent.append((move.worker, slot, limit, raised(mark, used, each.returned[limit], move.grant)))
                if bucket := self._buckets.get((name, limit)):
                    bucket.move(-move.grant)
            self._file.ask_back(move.worker, slot, limit, each.returned[limit] + move.ask)
        left = max(0, free) + sum(max(0, room) for room in rooms.values()) + elsewhere.held - elsewhere.promised
        for section in holdings:
            self._file.tell(section, slot, limit, left, left + sum(promised.values()) + elsewhere.promised)
        return Lending(lent, moves, positions, held, sum(promised.values()))

    def bury(self, name: str, section: int, slot: int, holding: Holding) -> None:
        """What a dead worker held unused may be lent again; what it had in flight is taken for used."""
        for limit in BUCKETS:
            self._returned.pop((name, limit, section), None)
            if bucket := self._buckets.get((name, limit)):
                bucket.move(max(0, self._headroom(section, slot, limit, holding)))

    def _free(self, name: str, ceiling: Ceiling, holdings: Mapping[int, Holding], held: int, now: float) -> int:
        bucket = self._buckets.get((name, ceiling.limit))
        if bucket is None:
            return ceiling.size - held
        for section, each in holdings.items():
            key, returned = (name, ceiling.limit, section), each.returned[ceiling.limit]
            bucket.move(returned - self._returned.get(key, returned if not self._full else 0))
            self._returned[key] = returned
        return bucket.refill(now, held)

    def _headroom(self, section: int, slot: int, limit: Limit, holding: Holding) -> int:
        axis = AXIS_OF[limit]
        mark = self._file.mark(section, slot, limit)
        return headroom(mark, holding.used.on(axis), holding.returned[limit], holding.in_flight.on(axis))
