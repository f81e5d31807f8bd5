"""A ledger on PostgreSQL, shared by the gateways of many hosts: `store.connection.AnyDatabase` over psycopg.

Whoever changes it first takes one lock of the database (`LOCK`, given back by the server when the transaction ends, or
when its client is gone), as SQLite does it: so READ COMMITTED is enough, nothing is ever serialized in vain, and the
retry of what failed is the gateway's next settlement. Each transaction is five to fifteen short statements.

Nothing waits for ever: the server gives up on a lock or a statement, and on a client that stopped in mid-transaction;
a server that says nothing at all is hung up on by a watchdog here. A lost connection is made again with growing pauses.
"""

from __future__ import annotations

import functools
import os
import random
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from headway.errors import HeadwayError, ResourceError, UnreachableError, UsageError
from headway.store.connection import Connection, Found
from headway.store.ledger_schema import ACCOUNTS, SHARING

if TYPE_CHECKING:
    import psycopg

__all__ = ["MIGRATIONS", "Postgres"]

CONNECT_SECONDS = 3
LOCK_SECONDS, STATEMENT_SECONDS = 2, 3
"""The server's: for the lock, and for one statement. A settlement takes milliseconds."""
STOPPED_SECONDS = 4
"""The server's: a gateway that was stopped in mid-transaction loses it, and with it the lock."""
SILENT_SECONDS = 5.0
"""Ours, for a whole transaction: beyond all of the server's, so that it speaks first if it still can."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Between attempts to connect, doubled each time."""
LOCK = 0x6865_6164_7761_7901
"""Of those that a database has for programs to choose; other programs should not share this one."""

MIGRATIONS = (ACCOUNTS, SHARING)
"""Each moves the schema one version up."""

_BEGIN = f"""
    BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
    SET LOCAL lock_timeout = '{LOCK_SECONDS}s';
    SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s';
    SET LOCAL idle_in_transaction_session_timeout = '{STOPPED_SECONDS}s';
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';
    SELECT pg_advisory_xact_lock({LOCK});
"""


class Postgres:
    """For one thread. `address` is a URL or words as libpq reads them; what it leaves out comes from libpq's own
    places (PGPASSFILE, PGSERVICE, …). Connects when it is first used; raises UsageError when it cannot be read."""

    shared = True
    clock = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"

    def __init__(self, address: str, migrations: tuple[str, ...] = MIGRATIONS) -> None:
        self._words = _words(address)
        self._migrations = migrations
        self._connection: psycopg.Connection[dict[str, Any]] | None = None
        self._pause, self._again_at = 0.0, 0.0
        self._why: HeadwayError | None = None

    @property
    def name(self) -> str:
        """For people; without a password."""
        words = self._words
        user = f"{words['user']}@" if "user" in words else ""
        where = str(words.get("host", words.get("service", "")))
        port = f":{words['port']}" if "port" in words else ""
        return f"postgresql://{user}{where}{port}/{words.get('dbname', '')}"

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """As AnyDatabase says. One within another is part of it."""
        connection = self._live()
        session = _Session(connection)
        if session.in_transaction:
            yield session
            return
        import psycopg  # noqa: PLC0415 (an extra)

        try:
            with _Watchdog(connection):
                try:
                    connection.execute(_BEGIN)
                    yield session
                    if connection.execute("COMMIT").statusmessage != "COMMIT":  # of a failed one it makes a ROLLBACK
                        raise psycopg.OperationalError("the transaction was rolled back")
                except BaseException:
                    if not connection.broken:
                        with suppress(psycopg.Error):
                            connection.execute("ROLLBACK")
                    raise
        except psycopg.Error as error:
            if connection.info.transaction_status.name != "IDLE":
                self._hang_up()
            raise self._failed(error) from error

    def rows(self, query: str, *values: Any) -> list[Any]:
        connection = self._live()
        import psycopg  # noqa: PLC0415

        try:
            with _Watchdog(connection):
                return _Session(connection).execute(query, values).fetchall()
        except psycopg.Error as error:
            self._hang_up()
            raise self._failed(error) from error

    def close(self) -> None:
        self._hang_up()

    def _live(self) -> psycopg.Connection[dict[str, Any]]:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        if self._why is not None and time.monotonic() < self._again_at:
            raise self._why
        try:
            self._connection = self._connect()
        except HeadwayError as error:
            self._pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * self._pause))
            self._again_at = time.monotonic() + self._pause * (0.5 + random.random() / 2)  # noqa: S311 (not all at once)
            self._why = error
            raise
        self._pause, self._why = 0.0, None
        return self._connection

    def _connect(self) -> psycopg.Connection[dict[str, Any]]:
        import psycopg  # noqa: PLC0415
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415
        from psycopg.rows import dict_row  # noqa: PLC0415

        usual: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "headway",
            "target_session_attrs": "read-write",
        }
        usual |= {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
        try:
            words = make_conninfo(**(usual | self._words))
            made = psycopg.connect(words, autocommit=True, prepare_threshold=None, row_factory=dict_row)
        except psycopg.Error as error:
            raise self._failed(error) from error
        self._connection = made
        try:
            self._migrate()
        except BaseException:
            self._hang_up()
            raise
        return made

    def _migrate(self) -> None:
        with self.transaction() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS ledger_version (version INTEGER NOT NULL)")
            found = connection.execute("SELECT COALESCE(MAX(version), 0) AS version FROM ledger_version").fetchone()
            version, known = found["version"], len(self._migrations)
            if version > known:
                raise HeadwayError(
                    f"{self.name}: written by a newer Headway (schema {version}, this one knows {known})",
                    hint="upgrade Headway here too",
                )
            for script in self._migrations[version:]:
                connection.execute(script)
            if version < known:
                connection.execute("DELETE FROM ledger_version")
                connection.execute("INSERT INTO ledger_version (version) VALUES (?)", (known,))

    def _hang_up(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
        self._connection = None

    def _failed(self, error: psycopg.Error) -> HeadwayError:
        """libpq's words name host, port, user and database, never the password."""
        said = " ".join(str(error).split()) or type(error).__name__
        if error.sqlstate in ("53100", "53200", "53400"):
            return ResourceError(f"{self.name}: {said}", hint="give the database room")
        if error.sqlstate == "55P03":
            return UnreachableError(f"{self.name}: held by another gateway for {LOCK_SECONDS} s", hint="see its server")
        return UnreachableError(f"{self.name}: {said}", hint="see the PostgreSQL server, and the way to it")


class _Session:
    """Our statements in psycopg's words."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self._connection = connection

    @property
    def in_transaction(self) -> bool:
        return self._connection.info.transaction_status.name in ("INTRANS", "ACTIVE")

    def execute(self, query: str, values: Sequence[Any] = (), /) -> Found:
        return self._connection.execute(_in_its_words(query), values or None)

    def executemany(self, query: str, values: Iterable[Sequence[Any]], /) -> object:
        cursor = self._connection.cursor()
        cursor.executemany(_in_its_words(query), values)
        return cursor


class _Watchdog:
    """Hangs up on a server that says nothing: whoever waits for it then gets an error."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._over = False
        self._timer = threading.Timer(SILENT_SECONDS, self._bark)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True

    def _bark(self) -> None:
        with self._lock:
            if not self._over and not self._connection.closed:
                with suppress(OSError), socket.socket(fileno=os.dup(self._connection.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)


@functools.lru_cache(512)
def _in_its_words(query: str) -> Any:
    return query.replace("%", "%%").replace("?", "%s") if "?" in query else query


def _words(address: str) -> dict[str, Any]:
    try:
        import psycopg  # noqa: PLC0415
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "a ledger on PostgreSQL: its client is not installed", hint="pip install 'headway[postgres]'"
        ) from error
    try:
        return dict(conninfo_to_dict(address))
    except psycopg.Error:  # its text may have the password in it
        hint = "write postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full"
        raise UsageError("the ledger's address cannot be read", hint=hint) from None
