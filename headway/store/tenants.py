"""Desired state: the Tenants that are wanted. Beside the Models, in the same transactions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headway.spec.tenant import Tenant
from headway.store.database import Database
from headway.store.models import Change

__all__ = ["DesiredTenant", "TenantStore"]


@dataclass(frozen=True, slots=True)
class DesiredTenant:
    """Times are Unix seconds."""

    tenant: Tenant
    origin: str = ""
    generation: int = 1
    created: float = 0.0


class TenantStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, DesiredTenant]:
        rows = self._database.rows("SELECT * FROM tenants ORDER BY name")
        return {
            row["name"]: DesiredTenant(
                Tenant.model_validate_json(row["spec"]), row["origin"], row["generation"], row["created"]
            )
            for row in rows
        }

    def apply(self, wanted: Iterable[Tenant], *, prune: bool, origin: str, now: float) -> list[Change]:
        """Add or change those that are named; with `prune`, remove what is not named."""
        before, wanted = self.all(), list(wanted)
        changes = []
        with self._database.transaction() as connection:
            for tenant in wanted:
                known = before.get(tenant.name)
                if known is not None and known.tenant == tenant:
                    changes.append(Change(tenant.name, "unchanged", "", "Tenant"))
                    continue
                changes.append(Change(tenant.name, "changed" if known else "added", "", "Tenant"))
                connection.execute(_UPSERT, (tenant.name, tenant.model_dump_json(), origin, now, now))
            for name in sorted(before.keys() - {each.name for each in wanted}) if prune else ():
                self.remove(name, now)
                changes.append(Change(name, "removed", "", "Tenant"))
        return changes

    def remove(self, name: str, now: float) -> bool:
        """Want it no more, and with it none of its keys: a Tenant that is made anew begins without any."""
        with self._database.transaction() as connection:
            gone = connection.execute("DELETE FROM tenants WHERE name = ?", (name,)).rowcount
            connection.execute("UPDATE keys SET revoked = ? WHERE tenant = ? AND revoked IS NULL", (now, name))
        return gone > 0


_UPSERT = """
    INSERT INTO tenants (name, spec, origin, generation, created, changed) VALUES (?, ?, ?, 1, ?, ?)
    ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, origin = excluded.origin, generation = generation + 1,
        changed = excluded.changed
"""
