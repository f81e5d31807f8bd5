"""What the ledger asks of a database, SQLite (`store.database`) or PostgreSQL (`store.postgres`).

Statements are written once, with `?` for values, in what both understand; rows are read by the names of their columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

__all__ = ["AnyDatabase", "Connection", "Found"]


class Found(Protocol):
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """Within a transaction."""

    def execute(self, query: str, values: Sequence[Any] = ..., /) -> Found: ...
    def executemany(self, query: str, values: Iterable[Sequence[Any]], /) -> object: ...


class AnyDatabase(Protocol):
    """`transaction` raises a HeadwayError when nothing was changed, or nobody knows."""

    @property
    def shared(self) -> bool:
        """Gateways of other hosts write to it too."""

    @property
    def clock(self) -> str:
        """An expression: Unix time by the one clock that all who share it go by."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """One at a time over all who write to it. All of it or nothing; kept for good when the block ends."""

    def rows(self, query: str, *values: Any) -> list[Any]: ...
    def close(self) -> None: ...
