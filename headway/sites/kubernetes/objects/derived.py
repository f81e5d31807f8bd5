"""One object that Headway derived, with the reason of each value that nobody wrote.

Objects are written as plain dicts in which a value may be `because(value, reason)`; `derive` takes the reasons out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from headway.sites.kubernetes.labels import WHY
from headway.wire.kube.manifest import Manifest

__all__ = ["Because", "Derived", "because", "derive", "told"]

MOST_REASONS = 32 << 10
"""Bytes of the annotation; all annotations of an object together may have 256 KiB."""


@dataclass(frozen=True, slots=True)
class Derived:
    """`why`: JSON pointer (RFC 6901) into the manifest -> one sentence. `note`: of the object as a whole, for the
    comment above it in an export and for `explain`."""

    manifest: Manifest
    why: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Because:
    value: Any
    why: str


def because(value: Any, why: str) -> Because:
    return Because(value, why)


def derive(tree: Mapping[str, Any], note: str = "") -> Derived:
    """`tree`: a manifest with values that know why. What is None or an empty reasoned value stays out."""
    why: dict[str, str] = {}
    manifest = _plain(tree, "", why)
    return Derived(manifest, why, note)


def told(derived: Derived) -> Manifest:
    """The manifest with its reasons in the annotation that `headway explain` reads on a cluster."""
    if not derived.why:
        return derived.manifest
    kept: dict[str, str] = {}
    size = 0
    for pointer, reason in derived.why.items():
        size += len(pointer) + len(reason) + 8
        if size > MOST_REASONS:
            break
        kept[pointer] = reason
    metadata = dict(derived.manifest["metadata"])
    metadata["annotations"] = {**metadata.get("annotations", {}), WHY: json.dumps(kept, separators=(",", ":"))}
    return {**derived.manifest, "metadata": metadata}


def _plain(node: Any, path: str, why: dict[str, str]) -> Any:
    if isinstance(node, Because):
        plain = _plain(node.value, path, why)
        if plain is not None:
            why[path] = node.why
        return plain
    if isinstance(node, Mapping):
        return dict(_fields(node, path, why))
    if isinstance(node, list | tuple):
        kept = [each for each in node if each is not None]
        return [_plain(each, f"{path}/{number}", why) for number, each in enumerate(kept)]
    return node


def _fields(node: Mapping[str, Any], path: str, why: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        found = _plain(value, f"{path}/{key.replace('~', '~0').replace('/', '~1')}", why)
        if found is not None:
            yield key, found
