"""A hub and its workers over a ledger of its own, in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.store.connection import AnyDatabase
from headway.store.database import Database
from headway.store.postgres import Postgres
from tests.support.host import Host


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> AnyDatabase:
    """The same cases over both."""
    if request.param == "sqlite":
        return Database(tmp_path / "db")
    return Postgres(request.getfixturevalue("postgres").create())


@pytest.fixture
def host(tmp_path: Path, database: AnyDatabase) -> Iterator[Host]:
    made = Host(tmp_path, database)
    yield made
    made.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Host]:
    """With a ledger that is this gateway's alone."""
    made = Host(tmp_path, Database(tmp_path / "db"))
    yield made
    made.close()
