"""All that is wanted: Models, Routes, Apps, Tenants and their keys, changed together or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headway.spec.route import Route
from headway.spec.tenant import Tenant
from headway.store.apps import AppStore
from headway.store.database import Database
from headway.store.keys import KeyStore
from headway.store.ledger import Ledger
from headway.store.models import Change, DesiredModel, ModelStore
from headway.store.routes import RouteStore
from headway.store.tenants import TenantStore

__all__ = ["DesiredState"]


class DesiredState:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.models = ModelStore(database)
        self.routes = RouteStore(database)
        self.apps = AppStore(database)
        self.tenants = TenantStore(database)
        self.keys = KeyStore(database)
        self.ledger = Ledger(database)

    def apply(
        self,
        models: Sequence[DesiredModel],
        tenants: Sequence[Tenant],
        routes: Sequence[Route] = (),
        *,
        prune: bool,
        origin: str,
        now: float,
        places: Mapping[str, str] | None = None,
    ) -> list[Change]:
        """In one transaction. `prune` removes what is not named, of the kinds that are: a file of Models alone says
        nothing about who may use them. `places`: where each object stands, as file:line."""
        with self._database.transaction():
            changes = self.models.apply(models, prune=prune and bool(models), now=now)
            changes += self.routes.apply(routes, prune=prune and bool(routes), places=places or {}, now=now)
            changes += self.tenants.apply(tenants, prune=prune and bool(tenants), origin=origin, now=now)
        return changes
