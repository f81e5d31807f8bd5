"""A hub and its workers in one process, on a clock that stands still."""

from __future__ import annotations

import os
from pathlib import Path

from headway.policy.budget import Amounts
from headway.store.database import Database
from headway.store.leases import LeaseFile
from headway.store.ledger import Ledger
from headway.store.purse import Purse, TenantPurse
from headway.store.treasury import Treasury
from tests.support.tenants import ARule

NOW = 1_795_255_200.0  # 2026-11-21 10:00 UTC


DAY = 86_400.0


class Host:
    """A hub and its workers in one process; time stands still unless a test moves it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now, self.monotonic = folder, NOW, 0.0
        self.database = Database(folder / "db")
        self.ledger = Ledger(self.database)
        self.rules: list[ARule] = []
        self.treasury = self.open()
        self.files: list[LeaseFile] = []

    def open(self) -> Treasury:
        return Treasury.open(self.folder / "leases", self.ledger, self.now, host="h")

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
            self.treasury.tick(self.now, self.monotonic)

    def tokens(self, tenant: str = "team", period: str = "day") -> int:
        return sum(each.tokens for each in self.ledger.accounts(self.now, tenant) if each.period == period)

    def close(self) -> None:
        for file in self.files:
            file.close()
        self.treasury.close()
        self.database.close()


def use(purse: TenantPurse, tokens: int, reserved: int | None = None, micros: int = 0) -> None:
    amounts = Amounts(1, 1, tokens if reserved is None else reserved, micros)
    purse.reserve(amounts)
    purse.settle(amounts, tokens, micros)
