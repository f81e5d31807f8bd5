"""The one SQLite database of a local Headway: WAL, fsync at every commit, schema migrated on open.

An acknowledged write survives kill -9 and a power cut (`synchronous=FULL`). One writer: the control process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headway.errors import HeadwayError, ResourceError

__all__ = ["Database"]

# Each entry moves the schema one version up and is never edited once released.
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
)


class Database:
    """Opens or creates the file; raises HeadwayError when it was written by a newer Headway or is not a database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
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
        if version > len(MIGRATIONS):
            self._connection.close()
            raise HeadwayError(
                f"{self.path}: written by a newer Headway (schema {version}, this one knows {len(MIGRATIONS)})",
                hint="upgrade Headway, or set HEADWAY_STATE_DIR to another folder",
            )
        for number, script in enumerate(MIGRATIONS[version:], version + 1):
            self._connection.executescript(f"BEGIN; {script} PRAGMA user_version={number}; COMMIT;")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; on disk when the block ends. Raises ResourceError when the disk is full."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                hint = "free some of it, or set HEADWAY_STATE_DIR to another disk"
                raise ResourceError(f"disk full under {self.path.parent}: nothing was changed", hint=hint) from error
            raise

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        self._connection.close()
