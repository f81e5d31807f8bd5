"""The request log: a part of the requests that ended, kept after the gateway's memory of them is gone.

It answers `headway explain REQUEST-ID`, and it can be played again: when a request came, for which model and tenant,
how many tokens it had, and which beginnings it shares with others. What was asked and answered is never in it:
beginnings and sessions are there as numbers, salted with a secret that is nowhere written, so that equal ones can be
told and none can be guessed.

It is a file of its own, so that nothing it does can hold up the ledger, and the one thing here that may lose a write:
samples are worth no fsync. Bounded by rows and by age; and it leaves a full disk to those who need it more.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from headway.errors import ResourceError
from headway.store.database import Database

__all__ = ["RequestLimits", "RequestLog", "RequestRow"]

SCHEMA = (
    """
    CREATE TABLE requests (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL,            -- x-request-id
        at REAL NOT NULL,            -- Unix time of its arrival
        kept TEXT NOT NULL,          -- why: sample, failed, refused, slow, quiet
        fraction REAL NOT NULL,      -- of all requests that were sampled then
        sampled INTEGER NOT NULL,    -- 1: by that chance, whatever became of it: these alone are like all traffic
        model TEXT NOT NULL,
        tenant TEXT NOT NULL,
        operation TEXT NOT NULL,
        revision TEXT NOT NULL,      -- that answered, empty when none did
        status INTEGER NOT NULL,
        ttft REAL,                   -- seconds
        duration REAL NOT NULL,
        prompt_tokens INTEGER,
        cached_tokens INTEGER,
        completion_tokens INTEGER,
        max_tokens INTEGER,          -- as the caller allowed
        prompt_bytes INTEGER NOT NULL,
        session BLOB NOT NULL,       -- 8 bytes, equal within one conversation, empty = none was named
        blocks BLOB NOT NULL,        -- 8 bytes a block of the prompt (policy.prefix), each stands for all before it too
        epoch BLOB NOT NULL,         -- which salt: session and blocks compare within one epoch
        record BLOB NOT NULL         -- gateway.record.Record as JSON
    ) STRICT;
    CREATE INDEX requests_by_id ON requests (id);
    CREATE INDEX requests_by_time ON requests (at);
    """,
)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    rows: int = 100_000
    """Kept at most, about 1.5 kB each: 150 MB."""
    days: float = 7.0
    """Kept at most."""
    free_bytes: int = 64 << 20
    """Of the disk, left to others: the ledger may be on it."""


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One line, as the table's columns say."""

    id: str
    at: float
    kept: str
    fraction: float
    sampled: bool
    model: str
    tenant: str
    operation: str
    revision: str
    status: int
    ttft: float | None
    duration: float
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    max_tokens: int | None
    prompt_bytes: int
    session: bytes
    blocks: bytes
    epoch: bytes
    record: bytes


_COLUMNS = tuple(each.name for each in fields(RequestRow))
_INSERT = f"INSERT INTO requests ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
_TRIM_EVERY = 60.0  # seconds


class RequestLog:
    """For one thread. Raises HeadwayError when the file cannot be opened."""

    def __init__(self, path: Path, limits: RequestLimits | None = None) -> None:
        self.path, self._limits = path, limits or RequestLimits()
        self._database = Database(path, SCHEMA, durable=False)
        self._trimmed_at = 0.0

    def add(self, rows: Sequence[RequestRow], now: float) -> None:
        """All or none. Raises ResourceError when there is no room, and then nothing was written. `now`: Unix time."""
        try:
            free = shutil.disk_usage(self.path.parent).free
            if free < self._limits.free_bytes:
                raise ResourceError(
                    f"{self.path.parent}: {free >> 20} MiB free: no requests are logged below"
                    f" {self._limits.free_bytes >> 20} MiB",
                    hint="free some of that disk, or choose another with --requests",
                )
            with self._database.transaction() as connection:
                connection.executemany(_INSERT, [[getattr(row, name) for name in _COLUMNS] for row in rows])
                self._trim(connection, now)
        except (sqlite3.Error, OSError) as error:  # an I/O error, a file that somebody removed or overwrote
            raise ResourceError(f"{self.path}: {error}", hint="see the disk it is on") from error

    def find(self, request_id: str) -> bytes | None:
        """The newest Record of that id, as JSON."""
        query = "SELECT record FROM requests WHERE id = ? ORDER BY seq DESC LIMIT 1"
        rows = self._database.rows(query, request_id)
        return bytes(rows[0]["record"]) if rows else None

    def close(self) -> None:
        self._database.close()

    def _trim(self, connection: sqlite3.Connection, now: float) -> None:
        limits = self._limits
        connection.execute("DELETE FROM requests WHERE seq <= (SELECT MAX(seq) FROM requests) - ?", (limits.rows,))
        if not 0 <= now - self._trimmed_at < _TRIM_EVERY:
            self._trimmed_at = now
            connection.execute("DELETE FROM requests WHERE at < ?", (now - 86400 * limits.days,))
