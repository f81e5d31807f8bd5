"""All that is wanted: Models, Tenants and their keys, changed together or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from headway.spec.tenant import Tenant
from headway.store.database import Database
from headway.store.keys import KeyStore
from headway.store.ledger import Ledger
from headway.store.models import Change, DesiredModel, ModelStore
from headway.store.tenants import TenantStore

__all__ = ["DesiredState"]


class DesiredState:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.models = ModelStore(database)
        self.tenants = TenantStore(database)
        self.keys = KeyStore(database)
        self.ledger = Ledger(database)

    def apply(
        self, models: Sequence[DesiredModel], tenants: Sequence[Tenant], *, prune: bool, origin: str, now: float
    ) -> list[Change]:
        """In one transaction. `prune` removes what is not named, of the kinds that are: a file of Models alone says
        nothing about who may use them."""
        with self._database.transaction():
            changes = self.models.apply(models, prune=prune and bool(models), now=now)
            changes += self.tenants.apply(tenants, prune=prune and bool(tenants), origin=origin, now=now)
        return changes
