"""Desired state: the Routes that are wanted. Beside the Models, in the same transactions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headway.spec.route import Route
from headway.store.database import Database
from headway.store.models import Change

__all__ = ["DesiredRoute", "RouteStore"]


@dataclass(frozen=True, slots=True)
class DesiredRoute:
    """Times are Unix seconds; `origin` is the place in a file."""

    route: Route
    origin: str = ""
    generation: int = 1
    created: float = 0.0


class RouteStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, DesiredRoute]:
        rows = self._database.rows("SELECT * FROM routes ORDER BY name")
        return {
            row["name"]: DesiredRoute(
                Route.model_validate_json(row["spec"]), row["origin"], row["generation"], row["created"]
            )
            for row in rows
        }

    def apply(self, wanted: Iterable[Route], *, prune: bool, places: Mapping[str, str], now: float) -> list[Change]:
        """Add or change those that are named; with `prune`, remove what is not named."""
        before, wanted = self.all(), list(wanted)
        changes = []
        with self._database.transaction() as connection:
            for route in wanted:
                known = before.get(route.name)
                if known is not None and known.route == route:
                    changes.append(Change(route.name, "unchanged", "", "Route"))
                    continue
                changes.append(Change(route.name, "changed" if known else "added", "", "Route"))
                row = (route.name, route.model_dump_json(), places.get(route.name, ""), now, now)
                connection.execute(_UPSERT, row)
            for name in sorted(before.keys() - {each.name for each in wanted}) if prune else ():
                self.remove(name)
                changes.append(Change(name, "removed", "", "Route"))
        return changes

    def remove(self, name: str) -> bool:
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM routes WHERE name = ?", (name,)).rowcount > 0


_UPSERT = """
    INSERT INTO routes (name, spec, origin, generation, created, changed) VALUES (?, ?, ?, 1, ?, ?)
    ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, origin = excluded.origin, generation = generation + 1,
        changed = excluded.changed
"""
