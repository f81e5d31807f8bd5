"""The one SQLite database of a local Headway: WAL, fsync at every commit, schema migrated on open.

An acknowledged write survives kill -9 and a power cut (`synchronous=FULL`). Two write, each its
own tables: the control process, and the gateway's hub, which keeps the ledger; who comes second waits for the other.
A ledger that several hosts share is a `store.postgres.Postgres` instead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headway.errors import HeadwayError, ResourceError
from headway.store.ledger_schema import ACCOUNTS, SHARING

__all__ = ["Database"]

BUSY_SECONDS = 5.0
"""That one process waits for another's transaction; each takes milliseconds."""

# Each entry moves the schema one version up and is never edited once released. Semicolons only end statements.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE models (
        name TEXT PRIMARY KEY,
        spec TEXT NOT NULL,        -- spec.model.Model as JSON
        revision TEXT NOT NULL,    -- spec.revision.Revision as JSON
        derived TEXT NOT NULL,     -- {value: why}
        origin TEXT NOT NULL,      -- the file it came from
        generation INTEGER NOT NULL,
        created REAL NOT NULL,
        changed REAL NOT NULL
    ) STRICT;
    CREATE TABLE decisions (
        seq INTEGER PRIMARY KEY,
        at REAL NOT NULL,
        object TEXT NOT NULL,
        action TEXT NOT NULL,
        reason TEXT NOT NULL,
        message TEXT NOT NULL,
        numbers TEXT NOT NULL,
        look_again REAL
    ) STRICT;
    CREATE INDEX decisions_by_object ON decisions (object, seq);
    CREATE TABLE requests (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        at REAL NOT NULL,
        record BLOB NOT NULL       -- gateway.record.Record as JSON
    ) STRICT;
    CREATE INDEX requests_by_id ON requests (id);
    """,
    """
    CREATE TABLE tenants (
        name TEXT PRIMARY KEY,
        spec TEXT NOT NULL,        -- spec.tenant.Tenant as JSON
        origin TEXT NOT NULL,
        generation INTEGER NOT NULL,
        created REAL NOT NULL,
        changed REAL NOT NULL
    ) STRICT;
    CREATE TABLE keys (
        id TEXT PRIMARY KEY,       -- the part of a key that may be shown
        sha256 TEXT NOT NULL UNIQUE,
        tenant TEXT NOT NULL,
        name TEXT NOT NULL,
        models TEXT,               -- JSON list of names and patterns, NULL = all that the tenant may use
        created REAL NOT NULL,
        expires REAL,
        revoked REAL,
        successor TEXT             -- id of the key that replaced it
    ) STRICT;
    CREATE INDEX keys_by_tenant ON keys (tenant);
    """
    + ACCOUNTS,
    "DROP TABLE requests",  # the request log is a file of its own: store.request_log
    """
    ALTER TABLE models ADD COLUMN variants TEXT NOT NULL DEFAULT '[]';  -- [[Revision, derived], …] after the first
    CREATE TABLE routes (
        name TEXT PRIMARY KEY,
        spec TEXT NOT NULL,        -- spec.route.Route as JSON
        origin TEXT NOT NULL,      -- file:line
        generation INTEGER NOT NULL,
        created REAL NOT NULL,
        changed REAL NOT NULL
    ) STRICT;
    """,
    SHARING,
    """
    CREATE TABLE apps (
        name TEXT PRIMARY KEY,
        spec TEXT NOT NULL,        -- spec.app.App as JSON, as it runs on this Site
        revision TEXT NOT NULL,    -- spec.revision.Revision as JSON
        awake INTEGER NOT NULL,    -- 0 after it was idle
        origin TEXT NOT NULL,      -- file:line
        generation INTEGER NOT NULL,
        created REAL NOT NULL,
        changed REAL NOT NULL
    ) STRICT;
    """,
)


class Database:
    """Opens or creates the file; raises HeadwayError when it was written by a newer Headway or is not a database.

    `durable`: a commit is on the disk; else it survives the process alone, which is much quicker."""

    shared = False
    clock = "(julianday('now') - 2440587.5) * 86400.0"

    def __init__(self, path: Path, migrations: tuple[str, ...] = MIGRATIONS, *, durable: bool = True) -> None:
        self.path = path
        self._migrations = migrations
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
        except sqlite3.OperationalError as error:
            raise ResourceError(f"{path}: {error}", hint="is its folder there, and may you write to it?") from error
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._migrate()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise HeadwayError(
                f"{path}: cannot be used as Headway's database: {error}",
                hint="move it away, or set HEADWAY_STATE_DIR to another folder",
            ) from error
        path.chmod(0o600)

    def _migrate(self) -> None:
        version: int = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(self._migrations):
            self._connection.close()
            raise HeadwayError(
                f"{self.path}: written by a newer Headway (schema {version}, this one knows {len(self._migrations)})",
                hint="upgrade Headway, or set HEADWAY_STATE_DIR to another folder",
            )
        if version < len(self._migrations):
            with self.transaction() as connection:  # another process may have done it while we waited for the lock
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                for script in self._migrations[version:]:
                    for statement in script.split(";"):
                        connection.execute(statement)
                connection.execute(f"PRAGMA user_version={len(self._migrations)}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; on disk when the block ends. Raises ResourceError when the disk is full or
        another process does not let go.

        One within another is part of it.
        """
        is_within = self._connection.in_transaction
        if is_within:
            yield self._connection
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                hint = "who writes to it for so long? see the logs in the state directory"
                message = f"{self.path}: held by another process for {BUSY_SECONDS:g} s: nothing was changed"
                raise ResourceError(message, hint=hint) from error
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                hint = "free some of it, or set HEADWAY_STATE_DIR to another disk"
                raise ResourceError(f"disk full under {self.path.parent}: nothing was changed", hint=hint) from error
            raise

    def rows(self, query: str, *values: Any) -> list[Any]:
        return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        self._connection.close()
