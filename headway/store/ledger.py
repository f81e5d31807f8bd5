"""The ledger: what every tenant spent, and what is lent of its budgets. Whole numbers; one schema for SQLite and later
PostgreSQL, of which every statement here keeps to the common part.

    spent + the sum of what leases hold open  <=  the budget          for each tenant, period and unit, at every commit

An account is one tenant's day or month. A lease lets one worker use more without asking; it belongs to no period: when
a new one begins, what is still held counts against the new one, and what is settled from then on is charged to it.
Counters of workers only grow, so each call may be repeated after a crash and changes nothing the second time. What is
charged beyond a lease (an answer longer than was reserved) is charged all the same, and lends nothing until it is made
up for. A budget that is lowered below what is lent is met as leases are used or given back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from headway.policy.budget import AXIS_OF, BUDGETS, Amounts, Axis, Limit, raised
from headway.policy.period import PERIODS, Period, start_of
from headway.store.database import Database

__all__ = ["PERIOD_OF", "Account", "Books", "Ledger"]

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
    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def books(self, now: float) -> Iterator[Books]:
        """All that is done in the block, in one transaction. `now` is Unix time."""
        with self._database.transaction() as connection:
            yield Books(connection, now)

    def accounts(self, now: float, tenant: str | None = None) -> list[Account]:
        """Those of the current day and month, by tenant."""
        starts = [start_of(period, now) for period in PERIODS]
        rows = self._database.rows(
            "SELECT * FROM accounts WHERE ((period = 'day' AND start = ?) OR (period = 'month' AND start = ?))"
            " AND (? IS NULL OR tenant = ?) ORDER BY tenant, period",
            *starts,
            tenant,
            tenant,
        )
        return [Account(**dict(row)) for row in rows]

    def holders(self, host: str) -> list[str]:
        rows = self._database.rows("SELECT worker FROM holders WHERE host = ? ORDER BY worker", host)
        return [row["worker"] for row in rows]


class Books:
    """The ledger within one transaction."""

    def __init__(self, connection: sqlite3.Connection, now: float) -> None:
        self._connection = connection
        self._starts = {period: start_of(period, now) for period in PERIODS}

    def enlist(self, worker: str, host: str) -> None:
        """Before the worker may hold anything; who is not enlisted is not charged (it was recovered already)."""
        self._do("INSERT INTO holders (worker, host) VALUES (?, ?) ON CONFLICT (worker) DO NOTHING", worker, host)

    def is_enlisted(self, worker: str) -> bool:
        return self._one("SELECT COUNT(*) FROM holders WHERE worker = ?", worker) > 0

    def settle(self, tenant: str, worker: str, used: Amounts, returned: Sequence[int] = ()) -> None:
        """Charge what the worker used since the last time, and take back what it returned (by Limit)."""
        before = self._settled(worker, tenant)
        delta = Amounts(
            max(0, used.requests - before.requests),
            0,
            max(0, used.tokens - before.tokens),
            max(0, used.micros - before.micros),
        )
        if delta != Amounts():
            self._charge(tenant, delta)
            self._do(
                "INSERT INTO settled (worker, tenant, requests, tokens, micros) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (worker, tenant) DO UPDATE SET requests = settled.requests + excluded.requests,"
                " tokens = settled.tokens + excluded.tokens, micros = settled.micros + excluded.micros",
                worker,
                tenant,
                delta.requests,
                delta.tokens,
                delta.micros,
            )
        for budget in BUDGETS if returned else ():
            self._do(
                "UPDATE leases SET returned = ? WHERE worker = ? AND tenant = ? AND budget = ? AND returned < ?",
                *(returned[budget], worker, tenant, budget.name, returned[budget]),
            )

    def free(self, tenant: str, budget: Limit, ceiling: int) -> int:
        """What could be lent; below 0 when more is spent or held than a lowered budget allows."""
        return ceiling - self.spent(tenant, budget) - self.held(tenant, budget)

    def spent(self, tenant: str, budget: Limit) -> int:
        column = _COLUMN[AXIS_OF[budget]]
        period = PERIOD_OF[budget]
        query = f"SELECT {column} FROM accounts WHERE tenant = ? AND period = ? AND start = ?"  # noqa: S608
        return self._one(query, tenant, period, self._starts[period])

    def held(self, tenant: str, budget: Limit) -> int:
        """What all leases hold open."""
        column = _COLUMN[AXIS_OF[budget]]
        open_now = f"l.mark - l.returned - COALESCE(s.{column}, 0)"
        return self._one(
            f"SELECT COALESCE(SUM(CASE WHEN {open_now} > 0 THEN {open_now} ELSE 0 END), 0) FROM leases l"  # noqa: S608
            " LEFT JOIN settled s ON s.worker = l.worker AND s.tenant = l.tenant"
            " WHERE l.tenant = ? AND l.budget = ?",
            tenant,
            budget.name,
        )

    def lease(self, tenant: str, worker: str, budget: Limit, ceiling: int, amount: int) -> tuple[int, int]:
        """(granted, mark): at most `amount`, at most what is free; `mark` is how far the worker may count now."""
        if not self.is_enlisted(worker):
            return 0, 0
        granted = max(0, min(amount, self.free(tenant, budget, ceiling)))
        axis = AXIS_OF[budget]
        used = self._settled(worker, tenant).on(axis)
        mark, returned = self._lease(worker, tenant, budget)
        if granted:
            mark = raised(mark, used, returned, granted)
            self._do(
                "INSERT INTO leases (worker, tenant, budget, mark, returned) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (worker, tenant, budget) DO UPDATE SET mark = excluded.mark",
                *(worker, tenant, budget.name, mark, returned),
            )
            self._note_limit(tenant, budget, ceiling)
        return granted, mark

    def believe(self, tenant: str, worker: str, marks: Mapping[Limit, int]) -> None:
        """What a living worker was told last is what it holds: a hub may have died between ledger and file."""
        for budget, mark in marks.items():
            self._do(
                "UPDATE leases SET mark = ? WHERE worker = ? AND tenant = ? AND budget = ?",
                *(mark, worker, tenant, budget.name),
            )

    def recover(self, worker: str, left: Mapping[str, tuple[Amounts, Amounts]] | None) -> None:
        """A worker is gone. `left`: tenant -> (used, in flight), as it left them; None = nobody knows.

        Charged are what it used and what it had in flight, in full; the rest of its leases returns. When nobody knows,
        all that it held is charged.
        """
        if not self.is_enlisted(worker):
            return
        for tenant, (used, in_flight) in (self._worst(worker) if left is None else left).items():
            gone = Amounts(used.requests, 0, used.tokens + in_flight.tokens, used.micros + in_flight.micros)
            self.settle(tenant, worker, gone)
        for table in ("leases", "settled", "holders"):
            self._do(f"DELETE FROM {table} WHERE worker = ?", worker)  # noqa: S608

    def _worst(self, worker: str) -> dict[str, tuple[Amounts, Amounts]]:
        rows = self._connection.execute("SELECT * FROM leases WHERE worker = ?", (worker,)).fetchall()
        reached: dict[str, dict[Axis, int]] = {}
        for row in rows:
            axes, axis = reached.setdefault(row["tenant"], {}), AXIS_OF[Limit[row["budget"]]]
            axes[axis] = max(axes.get(axis, 0), row["mark"] - row["returned"])
        return {
            tenant: (Amounts(tokens=axes.get(Axis.TOKENS, 0), micros=axes.get(Axis.MICROS, 0)), Amounts())
            for tenant, axes in reached.items()
        }

    def _charge(self, tenant: str, delta: Amounts) -> None:
        for period, start in self._starts.items():
            self._do(
                "INSERT INTO accounts (tenant, period, start, requests, tokens, micros) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (tenant, period, start) DO UPDATE SET requests = accounts.requests + excluded.requests,"
                " tokens = accounts.tokens + excluded.tokens, micros = accounts.micros + excluded.micros",
                *(tenant, period, start, delta.requests, delta.tokens, delta.micros),
            )

    def _note_limit(self, tenant: str, budget: Limit, ceiling: int) -> None:
        period, column = PERIOD_OF[budget], _LIMIT_COLUMN[AXIS_OF[budget]]
        self._do(
            f"INSERT INTO accounts (tenant, period, start, {column}) VALUES (?, ?, ?, ?)"  # noqa: S608
            f" ON CONFLICT (tenant, period, start) DO UPDATE SET {column} = excluded.{column}",
            *(tenant, period, self._starts[period], ceiling),
        )

    def _settled(self, worker: str, tenant: str) -> Amounts:
        query = "SELECT requests, tokens, micros FROM settled WHERE worker = ? AND tenant = ?"
        row = self._connection.execute(query, (worker, tenant)).fetchone()
        return Amounts(row[0], 0, row[1], row[2]) if row else Amounts()

    def _lease(self, worker: str, tenant: str, budget: Limit) -> tuple[int, int]:
        query = "SELECT mark, returned FROM leases WHERE worker = ? AND tenant = ? AND budget = ?"
        row = self._connection.execute(query, (worker, tenant, budget.name)).fetchone()
        return (row[0], row[1]) if row else (0, 0)

    def _one(self, query: str, *values: object) -> int:
        row = self._connection.execute(query, values).fetchone()
        return int(row[0]) if row else 0

    def _do(self, statement: str, *values: object) -> None:
        self._connection.execute(statement, values)
