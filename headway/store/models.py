"""Desired state: the Models that are wanted, each with the Revision it was pinned to when it was applied."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from headway.spec.model import Model, Price
from headway.spec.revision import Revision
from headway.store.database import Database

__all__ = ["Change", "DesiredModel", "ModelStore", "Way"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which a Model is served: a Variant, or the Model itself. `price` is that of its tokens."""

    revision: Revision
    derived: Mapping[str, str]
    replicas: int = 1
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class DesiredModel:
    """One wanted Model. `derived`: each value nobody wrote -> why it is so. Times are Unix seconds. `others`: the
    Revisions of the Variants after the first, with what was derived of each."""

    model: Model
    revision: Revision
    derived: Mapping[str, str]
    origin: str = ""
    generation: int = 1
    created: float = 0.0
    others: tuple[tuple[Revision, Mapping[str, str]], ...] = ()

    @property
    def ways(self) -> tuple[Way, ...]:
        said = self.model.ways
        return tuple(
            Way(revision, derived, said[revision.variant].replicas.wanted, said[revision.variant].price)
            for revision, derived in ((self.revision, self.derived), *self.others)
        )

    @property
    def wanted(self) -> int:
        """Replicas in all."""
        return sum(way.replicas for way in self.ways)


@dataclass(frozen=True, slots=True)
class Change:
    name: str
    change: Literal["added", "changed", "unchanged", "removed"]
    revision: str  # of a Model
    kind: Literal["Model", "Tenant", "Route", "App"] = "Model"


class ModelStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, DesiredModel]:
        rows = self._database.rows("SELECT * FROM models ORDER BY name")
        return {
            row["name"]: DesiredModel(
                model=Model.model_validate_json(row["spec"]),
                revision=Revision.from_dict(json.loads(row["revision"])),
                derived=json.loads(row["derived"]),
                origin=row["origin"],
                generation=row["generation"],
                created=row["created"],
                others=tuple((Revision.from_dict(made), derived) for made, derived in json.loads(row["variants"])),
            )
            for row in rows
        }

    def apply(self, wanted: Iterable[DesiredModel], *, prune: bool, now: float) -> list[Change]:
        """Add or change the named Models in one transaction; with `prune`, remove what is not named."""
        before = self.all()
        wanted = list(wanted)
        changes = [_change(before.get(item.model.name), item) for item in wanted]
        removed = sorted(before.keys() - {item.model.name for item in wanted}) if prune else []
        with self._database.transaction() as connection:
            for item, change in zip(wanted, changes, strict=True):
                if change.change != "unchanged":
                    connection.execute(_UPSERT, _row(item, now))
            connection.executemany("DELETE FROM models WHERE name = ?", [(name,) for name in removed])
        return changes + [Change(name, "removed", before[name].revision.id) for name in removed]

    def remove(self, name: str | None) -> list[str]:
        """Want it no more (None: nothing at all); returns the names that were wanted."""
        names = [row["name"] for row in self._database.rows("SELECT name FROM models ORDER BY name")]
        gone = names if name is None else [name] if name in names else []
        with self._database.transaction() as connection:
            connection.executemany("DELETE FROM models WHERE name = ?", [(each,) for each in gone])
        return gone


_UPSERT = """
    INSERT INTO models (name, spec, revision, derived, variants, origin, generation, created, changed)
    VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?)
    ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, revision = excluded.revision, derived = excluded.derived,
        variants = excluded.variants, origin = excluded.origin, generation = generation + 1, changed = excluded.changed
"""


def _row(item: DesiredModel, now: float) -> tuple[object, ...]:
    return (
        item.model.name,
        item.model.model_dump_json(),
        json.dumps(item.revision.to_dict()),
        json.dumps(dict(item.derived)),
        json.dumps([(revision.to_dict(), dict(derived)) for revision, derived in item.others]),
        item.origin,
        now,
        now,
    )


def _change(before: DesiredModel | None, item: DesiredModel) -> Change:
    if before is None:
        return Change(item.model.name, "added", item.revision.id)
    same = before.model == item.model and before.ways == item.ways
    return Change(item.model.name, "unchanged" if same else "changed", item.revision.id)
