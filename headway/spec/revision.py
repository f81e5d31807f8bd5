"""An immutable, content-hashed serving configuration: what exactly runs, so that it can be compared and rolled back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

__all__ = ["Pinned", "Revision", "Task"]

Task = Literal["chat", "completion", "embedding"]


@dataclass(frozen=True, slots=True)
class Pinned:
    """A source fixed to exact content.

    uri: the source as the user wrote it; commit: the hub's commit when there is one;
    digest: `sha256:…` of the weights (empty for an external provider); files: what to fetch, relative names.
    """

    uri: str
    digest: str = ""
    commit: str = ""
    files: tuple[str, ...] = ()
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Revision:
    """What a Replica is one of. Equal content gives an equal `id`; replicas and slo are no part of it."""

    model: str
    engine: str
    source: Pinned
    task: Task
    gpu: str = ""
    cpu: float | None = None
    memory_bytes: int | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)  # secrets by name, never by value
    variant: str = ""  # of a Model that is served in several ways
    place: Mapping[str, Any] = field(default_factory=dict)  # what only a cluster reads: image, priority, spot, pod …

    @property
    def id(self) -> str:
        """The first 10 hex digits of the SHA-256 of the canonical JSON of the fields."""
        fields = asdict(self)
        for later in ("variant", "place"):
            if not fields[later]:
                del fields[later]  # ids from before there were such stay what they are
        canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:10]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        source = dict(fields["source"])
        source["files"] = tuple(source["files"])
        return cls(**{**fields, "source": Pinned(**source)})
