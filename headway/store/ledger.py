"""The ledger: what every tenant spent, and what is lent of its budgets. Whole numbers; one schema for SQLite and
PostgreSQL, of which every statement here keeps to the common part. On PostgreSQL the gateways of many hosts share it.

    spent + the sum of what leases hold open  <=  the budget          for each tenant, period and unit, at every commit

An account is one tenant's day or month. A lease lets one worker use more without asking; it belongs to no period: when
a new one begins, what is still held counts against the new one, and what is settled from then on is charged to it.
Counters of workers only grow, so each call may be repeated after a crash and changes nothing the second time. What is
charged beyond a lease (an answer longer than was reserved) is charged all the same, and lends nothing until it is made
up for. A budget that is lowered below what is lent is met as leases are used or given back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from headway.policy.budget import AXIS_OF, BUDGETS, Amounts, Axis, Limit, raised
from headway.policy.period import PERIODS, Period, start_of
from headway.store.connection import AnyDatabase, Connection
from headway.store.pool import Pool

__all__ = ["PERIOD_OF", "Account", "Ask", "Books", "Ledger", "Use"]

PERIOD_OF: Mapping[Limit, Period] = {
    Limit.DAY_TOKENS: "day",
    Limit.DAY_MICROS: "day",
    Limit.MONTH_TOKENS: "month",
    Limit.MONTH_MICROS: "month",
}
_COLUMN = {Axis.TOKENS: "tokens", Axis.MICROS: "micros"}
_LIMIT_COLUMN = {Axis.TOKENS: "token_limit", Axis.MICROS: "micro_limit"}


@dataclass(frozen=True, slots=True)
class Account:
    """What a tenant used in one period; `tokens` and `micros` count what was charged."""

    tenant: str
    period: Period
    start: str
    requests: int
    tokens: int
    micros: int
    token_limit: int | None = None
    micro_limit: int | None = None


class Ledger:
    def __init__(self, database: AnyDatabase) -> None:
        self._database = database

    @property
    def shared(self) -> bool:
        """By gateways of several hosts."""
        return self._database.shared

    @contextmanager
    def books(self, now: float) -> Iterator[Books]:
        """All that is done in the block, in one transaction. `now` is Unix time."""
        with self._database.transaction() as connection:
            yield Books(connection, now)

    @contextmanager
    def pool(self, host: str) -> Iterator[Pool]:
        """What the gateways of a shared ledger tell each other; within `books` it is of the same transaction."""
        with self._database.transaction() as connection:
            yield Pool(connection, self._database.clock, host)

    def accounts(self, now: float, tenant: str | None = None) -> list[Account]:
        """Those of the current day and month, by tenant."""
        starts = [start_of(period, now) for period in PERIODS]
        rows = self._database.rows(
            "SELECT * FROM accounts WHERE ((period = 'day' AND start = ?) OR (period = 'month' AND start = ?))"
            " AND (CAST(? AS TEXT) IS NULL OR tenant = ?) ORDER BY tenant, period",
            *starts,
            tenant,
            tenant,
        )
        return [Account(**dict(row)) for row in rows]

    def holders(self, host: str) -> list[str]:
        rows = self._database.rows("SELECT worker FROM holders WHERE host = ? ORDER BY worker", host)
        return [row["worker"] for row in rows]

    def wanted(self, host: str) -> list[str]:
        """Tenants of whom a gateway elsewhere lacks something, which this one may hold idle."""
        rows = self._database.rows("SELECT DISTINCT tenant FROM shares WHERE short > 0 AND host <> ?", host)
        return [row["tenant"] for row in rows]


@dataclass(frozen=True, slots=True)
class Use:
    """One worker's numbers of one tenant. `returned` by Limit; empty = as the last time."""

    tenant: str
    worker: str
    used: Amounts
    returned: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """A lease of at most `amount` of a budget of `ceiling`."""

    tenant: str
    worker: str
    budget: Limit
    ceiling: int
    amount: int


class Books:
    """The ledger within one transaction. Each call is a handful of statements, however many it is about: the database
    may be across a network."""

    def __init__(self, connection: Connection, now: float) -> None:
        self._connection = connection
        self._starts = {period: start_of(period, now) for period in PERIODS}

    def enlist(self, worker: str, host: str) -> None:
        """Before the worker may hold anything; who is not enlisted is not charged (it was recovered already)."""
        self._do("INSERT INTO holders (worker, host) VALUES (?, ?) ON CONFLICT (worker) DO NOTHING", worker, host)

    def enlisted(self, workers: Iterable[str]) -> set[str]:
        return {row["worker"] for row in self._of("holders", worker=workers)}

    def settle(self, uses: Sequence[Use]) -> None:
        """Charge what the workers used since the last time, and take back what they returned."""
        enlisted = self.enlisted({each.worker for each in uses})
        uses = [each for each in uses if each.worker in enlisted]
        before = self._settled({each.worker for each in uses}, {each.tenant for each in uses})
        deltas = {(e.worker, e.tenant): _since(before.get((e.worker, e.tenant), Amounts()), e.used) for e in uses}
        deltas = {key: delta for key, delta in deltas.items() if delta != Amounts()}
        charged: dict[str, Amounts] = {}
        for (_, tenant), delta in deltas.items():
            charged[tenant] = _sum(charged.get(tenant, Amounts()), delta)
        self._charge([(tenant, period, delta) for tenant, delta in charged.items() for period in PERIODS])
        self._all(
            "INSERT INTO settled (worker, tenant, requests, tokens, micros) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (worker, tenant) DO UPDATE SET requests = settled.requests + excluded.requests,"
            " tokens = settled.tokens + excluded.tokens, micros = settled.micros + excluded.micros",
            [(*key, delta.requests, delta.tokens, delta.micros) for key, delta in deltas.items()],
        )
        self._all(
            "UPDATE leases SET returned = ? WHERE worker = ? AND tenant = ? AND budget = ? AND returned < ?",
            [
                (each.returned[budget], each.worker, each.tenant, budget.name, each.returned[budget])
                for each in uses
                for budget in (BUDGETS if each.returned else ())
            ],
        )

    def spent(self, tenant: str, budget: Limit) -> int:
        return self.standing([tenant])[tenant, budget][0]

    def held(self, tenant: str, budget: Limit) -> int:
        """What all leases hold open."""
        return self.standing([tenant])[tenant, budget][1]

    def standing(self, tenants: Collection[str]) -> dict[tuple[str, Limit], tuple[int, int]]:
        """(spent, held) of each budget: what all leases hold open, of whatever host."""
        found = {(tenant, budget): (0, 0) for tenant in tenants for budget in BUDGETS}
        for row in self._of("accounts", tenant=tenants, start=set(self._starts.values())):
            for budget in BUDGETS:
                if row["period"] == PERIOD_OF[budget] and row["start"] == self._starts[PERIOD_OF[budget]]:
                    found[row["tenant"], budget] = (row[_COLUMN[AXIS_OF[budget]]], 0)
        names, values = _among("l.tenant", tenants)
        rows = self._connection.execute(
            f"SELECT l.tenant, l.budget, CAST(SUM({_OPEN}) AS BIGINT) AS held FROM leases l"  # noqa: S608
            f" LEFT JOIN settled s ON s.worker = l.worker AND s.tenant = l.tenant WHERE {names} AND {_OPEN} > 0"
            " GROUP BY l.tenant, l.budget",
            values,
        )
        for row in rows.fetchall():
            key = (row["tenant"], Limit[row["budget"]])
            found[key] = (found[key][0], row["held"])
        return found

    def lease(self, asks: Sequence[Ask]) -> list[tuple[int, int]]:
        """(granted, mark) of each: at most what is free; `mark` is how far the worker may count now."""
        if not asks:
            return []
        tenants, workers = {each.tenant for each in asks}, {each.worker for each in asks}
        enlisted, standing = self.enlisted(workers), self.standing(tenants)
        taken: dict[tuple[str, Limit], int] = {key: sum(parts) for key, parts in standing.items()}
        settled, leases = self._settled(workers, tenants), self._leases(workers, tenants)
        granted: list[tuple[int, int]] = []
        for each in asks:
            mark, returned = leases.get((each.worker, each.tenant, each.budget), (0, 0))
            key = (each.tenant, each.budget)
            amount = max(0, min(each.amount, each.ceiling - taken[key])) if each.worker in enlisted else 0
            if amount:
                used = settled.get((each.worker, each.tenant), Amounts()).on(AXIS_OF[each.budget])
                mark = raised(mark, used, returned, amount)
                leases[each.worker, each.tenant, each.budget] = (mark, returned)
                taken[key] += amount
            granted.append((amount, mark if each.worker in enlisted else 0))
        lent = [each for each, (amount, _) in zip(asks, granted, strict=True) if amount]
        self._put_leases({(e.worker, e.tenant, e.budget): leases[e.worker, e.tenant, e.budget] for e in lent})
        self._note_limits({(each.tenant, each.budget): each.ceiling for each in lent})
        return granted

    def believe(
        self, worker: str, host: str, holds: Mapping[str, tuple[Amounts, Mapping[Limit, tuple[int, int]]]]
    ) -> None:
        """What a living worker was told last is what it holds: a hub, or the database, may have died between ledger and
        file. `holds`: tenant -> (used, {budget: (mark, returned)}). One that the ledger has forgotten (it was away for
        long, or the database is an older copy) is enlisted anew, and charged for what it uses from here on."""
        if worker not in self.enlisted([worker]):
            self.enlist(worker, host)
            self._all(
                "INSERT INTO settled (worker, tenant, requests, tokens, micros) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (worker, tenant) DO NOTHING",
                [(worker, name, used.requests, used.tokens, used.micros) for name, (used, _) in holds.items()],
            )
        known = self._leases([worker])
        self._put_leases(
            {
                (worker, name, budget): lent
                for name, (_, marks) in holds.items()
                for budget, lent in marks.items()
                if lent[0] or (worker, name, budget) in known
            }
        )

    def recover(self, worker: str, left: Mapping[str, tuple[Amounts, Amounts]] | None) -> None:
        """A worker is gone. `left`: tenant -> (used, in flight), as it left them; None = nobody knows.

        Charged are what it used and what it had in flight, in full; the rest of its leases returns. When nobody knows,
        all that it held is charged.
        """
        if not self.enlisted([worker]):
            return
        if left is None:
            self.take_for_used([worker])
        else:
            self.settle(
                [
                    Use(name, worker, Amounts(used.requests, 0, used.tokens + more.tokens, used.micros + more.micros))
                    for name, (used, more) in left.items()
                ]
            )
        self.forget([worker])

    def take_for_used(self, workers: Collection[str]) -> None:
        """Nobody knows what they use: all that they hold is charged, so that they hold nothing any more. If one lives
        after all, it goes on with what it holds, which is paid for; what it uses beyond is charged as ever.

        Each budget is charged what was held of it. An account without a budget is charged what was used for certain at
        the most: the least of what was held of the others."""
        settled, leases = self._settled(workers), self._leases(workers)
        opens: dict[tuple[str, str], dict[Limit, int]] = {}
        for (worker, tenant, budget), (mark, returned) in leases.items():
            used = settled.get((worker, tenant), Amounts()).on(AXIS_OF[budget])
            opens.setdefault((worker, tenant), {})[budget] = max(0, mark - returned - used)
        charges: list[tuple[str, Period, Amounts]] = []
        prepaid: list[tuple[str, str, int, int]] = []
        for (worker, tenant), held in opens.items():
            least = {axis: min((n for b, n in held.items() if AXIS_OF[b] is axis), default=0) for axis in _COLUMN}
            prepaid.append((worker, tenant, least[Axis.TOKENS], least[Axis.MICROS]))
            for period in PERIODS:
                here = {AXIS_OF[budget]: amount for budget, amount in held.items() if PERIOD_OF[budget] == period}
                tokens, micros = (here.get(axis, least[axis]) for axis in (Axis.TOKENS, Axis.MICROS))
                charges.append((tenant, period, Amounts(0, 0, tokens, micros)))
        self._charge(charges)
        self._all(
            "INSERT INTO settled (worker, tenant, tokens, micros) VALUES (?, ?, ?, ?) ON CONFLICT (worker, tenant)"
            " DO UPDATE SET tokens = settled.tokens + excluded.tokens, micros = settled.micros + excluded.micros",
            prepaid,
        )
        self._put_leases({key: (0, returned) for key, (_, returned) in leases.items()})

    def forget(self, workers: Collection[str]) -> None:
        for table in ("leases", "settled", "holders"):
            names, values = _among("worker", workers)
            self._do(f"DELETE FROM {table} WHERE {names}", *values)  # noqa: S608

    def _charge(self, charges: Iterable[tuple[str, Period, Amounts]]) -> None:
        self._all(
            "INSERT INTO accounts (tenant, period, start, requests, tokens, micros) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (tenant, period, start) DO UPDATE SET requests = accounts.requests + excluded.requests,"
            " tokens = accounts.tokens + excluded.tokens, micros = accounts.micros + excluded.micros",
            [
                (tenant, period, self._starts[period], delta.requests, delta.tokens, delta.micros)
                for tenant, period, delta in charges
                if delta != Amounts()
            ],
        )

    def _note_limits(self, limits: Mapping[tuple[str, Limit], int]) -> None:
        for axis, column in _LIMIT_COLUMN.items():
            self._all(
                f"INSERT INTO accounts (tenant, period, start, {column}) VALUES (?, ?, ?, ?)"  # noqa: S608
                f" ON CONFLICT (tenant, period, start) DO UPDATE SET {column} = excluded.{column}",
                [
                    (tenant, PERIOD_OF[budget], self._starts[PERIOD_OF[budget]], ceiling)
                    for (tenant, budget), ceiling in limits.items()
                    if AXIS_OF[budget] is axis
                ],
            )

    def _put_leases(self, leases: Mapping[tuple[str, str, Limit], tuple[int, int]]) -> None:
        self._all(
            "INSERT INTO leases (worker, tenant, budget, mark, returned) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (worker, tenant, budget) DO UPDATE SET mark = excluded.mark",
            [(worker, name, budget.name, *lent) for (worker, name, budget), lent in leases.items()],
        )

    def _settled(
        self, workers: Collection[str], tenants: Collection[str] | None = None
    ) -> dict[tuple[str, str], Amounts]:
        rows = self._of("settled", worker=workers, **({} if tenants is None else {"tenant": tenants}))
        return {(r["worker"], r["tenant"]): Amounts(r["requests"], 0, r["tokens"], r["micros"]) for r in rows}

    def _leases(
        self, workers: Collection[str], tenants: Collection[str] | None = None
    ) -> dict[tuple[str, str, Limit], tuple[int, int]]:
        rows = self._of("leases", worker=workers, **({} if tenants is None else {"tenant": tenants}))
        return {(r["worker"], r["tenant"], Limit[r["budget"]]): (r["mark"], r["returned"]) for r in rows}

    def _of(self, table: str, **among: Iterable[str]) -> list[Any]:
        parts = [_among(column, list(values)) for column, values in among.items()]
        query = f"SELECT * FROM {table} WHERE {' AND '.join(names for names, _ in parts)}"  # noqa: S608
        return self._connection.execute(query, [value for _, values in parts for value in values]).fetchall()

    def _do(self, statement: str, *values: object) -> None:
        self._connection.execute(statement, values)

    def _all(self, statement: str, values: Sequence[Sequence[object]]) -> None:
        if values:
            self._connection.executemany(statement, values)


_OPEN = (
    "(l.mark - l.returned - COALESCE(CASE WHEN l.budget IN ('DAY_TOKENS', 'MONTH_TOKENS') THEN s.tokens"
    " ELSE s.micros END, 0))"
)


def _among(column: str, values: Collection[str]) -> tuple[str, list[str]]:
    """A condition, true for none when there are no values."""
    return (f"{column} IN ({', '.join('?' * len(values))})", list(values)) if values else ("1 = 0", [])


def _since(before: Amounts, now: Amounts) -> Amounts:
    return Amounts(
        max(0, now.requests - before.requests),
        0,
        max(0, now.tokens - before.tokens),
        max(0, now.micros - before.micros),
    )


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return Amounts(one.requests + other.requests, 0, one.tokens + other.tokens, one.micros + other.micros)
