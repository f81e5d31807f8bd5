"""Whose a name is. Callers see one space of names: those of the Models and Routes of all namespaces.

The oldest object has it, so that nobody takes a name over by coming later; objects of the same second go by namespace
and name. Gateway and operator ask this same function, so what is told as NameTaken is also what is not routed.
"""

from __future__ import annotations

from collections.abc import Iterable

from headway.wire.kube.manifest import Manifest, Ref, ref

__all__ = ["owners"]


def owners(objects: Iterable[Manifest]) -> dict[str, Ref]:
    """Of Models and Routes: name -> the one that has it. One that is being deleted keeps it until it is gone."""
    found: dict[str, Ref] = {}
    for each in sorted(objects, key=_age):
        found.setdefault(each["metadata"]["name"], ref(each))
    return found


def _age(manifest: Manifest) -> tuple[str, str, str]:
    metadata = manifest["metadata"]  # RFC 3339 in UTC sorts as text
    return metadata.get("creationTimestamp") or "9999", metadata.get("namespace", ""), manifest["kind"]
