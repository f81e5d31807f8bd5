"""Who wrote which field of an object, by its `managedFields` (kubernetes.io, "Server-Side Apply", "Field management").

What a manager applied stays its own until somebody else writes another value there or removes it. So whether all that
we wrote is still as we wrote it is told by names of fields alone: no value is compared, and no default, rounding or
`1000m` for `1` can look like a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from headway.wire.kube.manifest import Manifest

__all__ = ["Fields", "applied", "missing", "writers"]

Fields = Mapping[str, Any]
"""FieldsV1: `f:name` -> what is owned below it, `k:{…}` an item of a list by its keys, `v:…` an item by its value."""

_NAMING = ("apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.uid")
"""They say which object is meant, and nobody owns them."""


def applied(manifest: Manifest, manager: str) -> Fields:
    """What `manager` owns by server-side apply of the object itself; empty when it never did."""
    for entry in _entries(manifest):
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            return entry.get("fieldsV1") or {}
    return {}


def writers(manifest: Manifest, path: Sequence[str]) -> list[str]:
    """The managers that own one field, like `spec`, `replicas`; of any operation and subresource."""
    return [each["manager"] for each in _entries(manifest) if _has(each.get("fieldsV1") or {}, path)]


def missing(owned: Fields, wanted: Mapping[str, Any], *, passed_over: Sequence[str] = ()) -> str:
    """The first field of `wanted` that is not owned, as a dotted path; empty when all are.

    `passed_over`: dotted paths that do not count.
    """
    return next((each for each in _missing(owned, wanted, "") if each not in (*passed_over, *_NAMING)), "")


def _missing(owned: Fields, wanted: Any, at: str) -> Iterator[str]:
    if isinstance(wanted, Mapping):
        for name, value in wanted.items():
            if _is_nothing(value):
                continue
            below, path = owned.get(f"f:{name}"), f"{at}.{name}" if at else name
            if below is None:
                yield from _leaves(value, path)
            elif below:
                yield from _missing(below, value, path)
    elif isinstance(wanted, Sequence) and not isinstance(wanted, str):
        for number, item in enumerate(wanted):
            below = _item(owned, item)
            if below is None:
                yield f"{at}[{number}]"
            elif below:
                yield from _missing(below, item, f"{at}[{number}]")


def _leaves(wanted: Any, at: str) -> Iterator[str]:
    """Everything below a field that is not owned at all."""
    if not isinstance(wanted, Mapping):
        yield at
        return
    for name, value in wanted.items():
        if not _is_nothing(value):
            yield from _leaves(value, f"{at}.{name}")


def _is_nothing(value: Any) -> bool:
    """The server drops empty values, or owns them; either is as it was wanted."""
    return value is None or (isinstance(value, Mapping | Sequence) and not value)


def _item(owned: Fields, item: Any) -> Fields | None:
    """What is owned of one item of a list. Keys that `item` does not say were given by a default."""
    for name, below in owned.items():
        form, _, text = name.partition(":")
        if form == "v" and msgspec.json.decode(text) == item:
            return {}
        if form == "k" and isinstance(item, Mapping):
            keys = msgspec.json.decode(text)
            if all(key not in item or item[key] == value for key, value in keys.items()):
                found: Fields = below
                return found
    return None


def _has(owned: Fields, path: Sequence[str]) -> bool:
    for name in path:
        below = owned.get(f"f:{name}")
        if below is None:
            return False
        owned = below
    return True


def _entries(manifest: Manifest) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = manifest["metadata"].get("managedFields") or ()
    return found
