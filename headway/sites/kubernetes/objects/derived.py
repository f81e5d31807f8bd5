"""One object that Headway derived, with the reason of each value that nobody wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headway.wire.kube.manifest import Manifest

__all__ = ["Derived"]


@dataclass(frozen=True, slots=True)
class Derived:
    """`why`: JSON pointer (RFC 6901) into the manifest -> one sentence. `note`: of the object as a whole, for the
    comment above it in an export and for `explain`."""

    manifest: Manifest
    why: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
