"""Desired state: the Apps that are wanted, and whether each is awake. Beside the Models, in the same transactions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headway.spec.app import App
from headway.spec.revision import Revision
from headway.store.database import Database
from headway.store.models import Change

__all__ = ["AppStore", "DesiredApp"]


@dataclass(frozen=True, slots=True)
class DesiredApp:
    """`app` as it runs on this Site. `awake`: it shall run; False after it was idle. Times are Unix seconds."""

    app: App
    revision: Revision
    awake: bool = True
    origin: str = ""
    generation: int = 1
    created: float = 0.0


class AppStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, DesiredApp]:
        rows = self._database.rows("SELECT * FROM apps ORDER BY name")
        return {
            row["name"]: DesiredApp(
                App.model_validate_json(row["spec"]),
                Revision.from_dict(json.loads(row["revision"])),
                bool(row["awake"]),
                row["origin"],
                row["generation"],
                row["created"],
            )
            for row in rows
        }

    def apply(
        self, wanted: Iterable[tuple[App, Revision]], *, prune: bool, places: Mapping[str, str], now: float
    ) -> list[Change]:
        """Add, change and wake those that are named; with `prune`, remove what is not named."""
        before, wanted = self.all(), list(wanted)
        changes = []
        with self._database.transaction() as connection:
            for app, revision in wanted:
                known = before.get(app.name)
                same = known is not None and (known.app, known.revision) == (app, revision)
                changes.append(Change(app.name, "unchanged" if same else "changed" if known else "added",
                                      revision.id, "App"))  # fmt: skip
                if same:
                    self.set_awake(app.name, True)
                    continue
                spec, made = app.model_dump_json(), json.dumps(revision.to_dict())
                connection.execute(_UPSERT, (app.name, spec, made, places.get(app.name, ""), now, now))
            for name in sorted(before.keys() - {app.name for app, _ in wanted}) if prune else ():
                self.remove(name)
                changes.append(Change(name, "removed", before[name].revision.id, "App"))
        return changes

    def revise(self, name: str, revision: Revision) -> None:
        """The same App with another Revision: its key is another one."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE apps SET revision = ? WHERE name = ?", (json.dumps(revision.to_dict()), name))

    def set_awake(self, name: str, awake: bool) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE apps SET awake = ? WHERE name = ?", (int(awake), name))

    def remove(self, name: str) -> bool:
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM apps WHERE name = ?", (name,)).rowcount > 0


_UPSERT = """
    INSERT INTO apps (name, spec, revision, awake, origin, generation, created, changed) VALUES (?, ?, ?, 1, ?, 1, ?, ?)
    ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, revision = excluded.revision, awake = 1,
        origin = excluded.origin, generation = generation + 1, changed = excluded.changed
"""
