"""A hub and its workers in one process, without a gateway around them."""

from __future__ import annotations

import os
from pathlib import Path

from headway.errors import UnreachableError
from headway.store.connection import AnyDatabase
from headway.store.leases import LeaseFile
from headway.store.ledger import Ledger
from headway.store.purse import Purse, TenantPurse
from headway.store.treasury import Treasury
from tests.support.tenants import ARule

__all__ = ["NOW", "Host", "set_clock"]

NOW = 1_795_255_200.0  # 2026-11-21 10:00 UTC


class Host:
    """Time stands still unless a test moves it."""

    def __init__(self, folder: Path, database: AnyDatabase, name: str = "h") -> None:
        self.folder, self.now, self.monotonic, self.name = folder, NOW, 0.0, name
        self.database = database
        self.ledger = Ledger(self.database)
        self.rules: list[ARule] = []
        self.treasury = self.open()
        self.files: list[LeaseFile] = []

    def open(self) -> Treasury:
        return Treasury.open(self.folder / "leases", self.ledger, self.now, host=self.name)

    def restart_hub(self) -> None:
        self.treasury.close()
        self.treasury = self.open()
        self.treasury.follow(self.rules, self.monotonic)

    def limit(self, *rules: ARule) -> None:
        self.rules = list(rules)
        self.treasury.follow(rules, self.monotonic)

    def worker(self, tenant: str = "team") -> TenantPurse:
        worker = self.treasury.hire(self.now, os.getpid())
        self.files.append(LeaseFile(self.folder / "leases"))
        purse = Purse(self.files[-1], worker.section).tenant(tenant)
        assert purse
        return purse

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            if self.database.shared:  # then time is the database's
                set_clock(self.database, self.now + self.monotonic)
            try:
                self.treasury.tick(self.now, self.monotonic)
            except UnreachableError:
                if not self.database.shared:
                    raise
                self.treasury.tick(self.now, self.monotonic)  # a machine that stood still was hung up on: as a hub does

    def tokens(self, tenant: str = "team", period: str = "day") -> int:
        return sum(each.tokens for each in self.ledger.accounts(self.now, tenant) if each.period == period)

    def close(self) -> None:
        for file in self.files:
            file.close()
        self.treasury.close()
        self.database.close()


def set_clock(database: AnyDatabase, now: float) -> None:
    """What gateways that share it take for the time."""
    database.clock = f"CAST({now!r} AS DOUBLE PRECISION)"  # type: ignore[misc]
