"""What the gateways that share a ledger tell each other: who is there, what each holds, and who lacks something.

A gateway writes that it is there with each settlement, and every second. One of which nothing was heard for
`LOST_SECONDS` is taken for lost: what it held is charged (`Books.take_for_used`). If it lives after all, it goes on
with what it held, which is paid for. All times are by the clock of the database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway.policy.budget import Limit
from headway.store.connection import Connection

__all__ = ["ALONE", "BEAT_SECONDS", "LOST_SECONDS", "Elsewhere", "Level", "Pool", "Presence", "Share"]

BEAT_SECONDS = 1.0
SILENT_SECONDS = 3.0
"""Nobody waits for what a gateway holds that was silent for so long."""
LOST_SECONDS = 60.0
"""Longer than a gateway takes to start again, and than most databases take to fail over."""
FORGOTTEN_SECONDS = 86_400.0
"""A lost gateway's numbers are kept so long: until then it can come back as if nothing had been."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """One limit of one tenant at the other gateways. `ahead`: what requests lack there that come before those here."""

    held: int = 0
    promised: int = 0
    ahead: int = 0


ALONE = Elsewhere()


@dataclass(frozen=True, slots=True)
class Share:
    """One limit of one tenant at one gateway."""

    held: int
    promised: int
    short: int


@dataclass(frozen=True, slots=True)
class Level:
    """A bucket, as policy.bucket has it. `full`: time makes no difference to it."""

    level: float
    held: int
    at: float
    full: bool = False


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is there. `now` by the database; `gateways`: how many, this one included; `was_lost`: the others had given
    this one up."""

    now: float
    gateways: int
    silent: frozenset[str]
    was_lost: bool


class Pool:
    """Within one transaction of the ledger."""

    def __init__(self, connection: Connection, clock: str, host: str) -> None:
        self._connection, self._clock, self._host = connection, clock, host

    def beat(self) -> Presence:
        """This gateway is there. Who else?"""
        mine = self._connection.execute(
            f"INSERT INTO gateways (host, seen) VALUES (?, {self._clock})"  # noqa: S608
            " ON CONFLICT (host) DO UPDATE SET seen = excluded.seen RETURNING seen, expired",
            (self._host,),
        ).fetchall()[0]
        if was_lost := mine["expired"] is not None:
            self._connection.execute("UPDATE gateways SET expired = NULL WHERE host = ?", (self._host,))
        now, others = mine["seen"], self._rows("SELECT * FROM gateways WHERE host <> ?", self._host)
        silent = frozenset(row["host"] for row in others if row["seen"] < now - SILENT_SECONDS)
        alive = [row for row in others if row["expired"] is None]
        return Presence(now, 1 + len(alive), silent, was_lost)

    def lost(self, now: float) -> list[str]:
        """Workers of gateways that are now taken for lost. What these wanted and held of rates is void."""
        query = "SELECT host FROM gateways WHERE expired IS NULL AND seen < ? ORDER BY host"
        hosts = [row["host"] for row in self._rows(query, now - LOST_SECONDS)]
        for host in hosts:
            self._connection.execute("UPDATE gateways SET expired = ? WHERE host = ?", (now, host))
            self._connection.execute("DELETE FROM shares WHERE host = ?", (host,))
        return self._workers(hosts)

    def forgotten(self, now: float) -> list[str]:
        """Workers of gateways that were lost long ago; the gateways themselves are forgotten here."""
        query = "SELECT host FROM gateways WHERE expired < ? ORDER BY host"
        hosts = [row["host"] for row in self._rows(query, now - FORGOTTEN_SECONDS)]
        workers = self._workers(hosts)
        for host in hosts:
            self._connection.execute("DELETE FROM gateways WHERE host = ?", (host,))
        return workers

    def elsewhere(
        self, tenants: Collection[str], presence: Presence, mine: Mapping[tuple[str, Limit], int]
    ) -> dict[tuple[str, Limit], Elsewhere]:
        """`mine`: what the least request lacks that waits here. The least need of all comes first, over all gateways.

        Of what a silent gateway holds, nobody can get anything: it counts as promised."""
        found: dict[tuple[str, Limit], Elsewhere] = {}
        names = ", ".join("?" * len(tenants))
        for row in self._rows(f"SELECT * FROM shares WHERE host <> ? AND tenant IN ({names})", self._host, *tenants):  # noqa: S608
            key, is_silent = (row["tenant"], Limit[row["budget"]]), row["host"] in presence.silent
            before, need = found.get(key, ALONE), mine.get(key, 0)
            is_ahead = row["short"] and not is_silent and (not need or (row["short"], row["host"]) < (need, self._host))
            found[key] = Elsewhere(
                before.held + row["held"],
                before.promised + (row["held"] if is_silent else row["promised"]),
                before.ahead + (row["short"] if is_ahead else 0),
            )
        return found

    def tell(self, shares: Mapping[tuple[str, Limit], Share]) -> None:
        if shares:
            self._connection.executemany(
                "INSERT INTO shares (host, tenant, budget, held, promised, short) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (host, tenant, budget) DO UPDATE"
                " SET held = excluded.held, promised = excluded.promised, short = excluded.short",
                [
                    (self._host, tenant, limit.name, each.held, each.promised, each.short)
                    for (tenant, limit), each in shares.items()
                ],
            )

    def levels(self, tenants: Collection[str]) -> dict[tuple[str, Limit], Level]:
        names = ", ".join("?" * len(tenants))
        rows = self._rows(f"SELECT * FROM buckets WHERE tenant IN ({names})", *tenants)  # noqa: S608
        return {(row["tenant"], Limit[row["budget"]]): Level(row["level"], row["held"], row["at"]) for row in rows}

    def keep(self, levels: Mapping[tuple[str, Limit], Level]) -> None:
        if levels:
            self._connection.executemany(
                "INSERT INTO buckets (tenant, budget, level, held, at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (tenant, budget) DO UPDATE"
                " SET level = excluded.level, held = excluded.held, at = excluded.at",
                [(tenant, limit.name, each.level, each.held, each.at) for (tenant, limit), each in levels.items()],
            )

    def leave(self) -> None:
        """This gateway ends, and holds nothing any more."""
        for table in ("shares", "gateways"):
            self._connection.execute(f"DELETE FROM {table} WHERE host = ?", (self._host,))  # noqa: S608

    def _workers(self, hosts: Sequence[str]) -> list[str]:
        return [
            row["worker"] for host in hosts for row in self._rows("SELECT worker FROM holders WHERE host = ?", host)
        ]

    def _rows(self, query: str, *values: Any) -> list[Any]:
        return self._connection.execute(query, values).fetchall()
