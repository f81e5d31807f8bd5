"""What was applied of an object lies in an annotation of it, as kubectl keeps it.

So a pass knows, with no memory of its own, three things apart: that its wish is another now (the digest of what the
object was derived from), that somebody else changed the object (fields that are not ours any more), and that merely
the cluster changed. The last is no reason to touch what runs: a node that joins must not restart a Replica.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

import headway
from headway.control.operator.plan import Apply
from headway.sites.kubernetes.labels import HASH, LAST, WANTED
from headway.wire.kube.cluster import MANAGER
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.ownership import applied, missing

__all__ = ["digest", "drifted", "last", "marked", "needed", "was_derived_from", "with_replicas"]

NOT_OURS_ALONE = ("spec.replicas", f"metadata.annotations.{WANTED}")
"""Others may write the first, and we ourselves write both without an apply."""


def digest(source: Mapping[str, Any]) -> str:
    """Of what objects are derived from; another version of Headway may derive otherwise."""
    said = msgspec.json.encode({**source, "headway": headway.__version__}, order="sorted")
    return hashlib.sha256(said).hexdigest()[:16]


def marked(manifest: Manifest, owner: Manifest, source: str, wanted: int | None = None) -> Manifest:
    """With its owner and the annotations that the next pass reads. `source`: a `digest`. An owner in another namespace
    cannot be named: the cluster would collect the object at once."""
    metadata = dict(manifest["metadata"])
    if metadata.get("namespace") == owner["metadata"]["namespace"]:
        metadata["ownerReferences"] = [_owner(owner)]
    annotations = dict(metadata.get("annotations") or {})
    annotations[HASH] = source
    annotations[LAST] = msgspec.json.encode(with_replicas({**manifest, "metadata": metadata}, None)).decode()
    if wanted is not None:
        annotations[WANTED] = str(wanted)
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def was_derived_from(live: Manifest, source: str) -> bool:
    annotations = live["metadata"].get("annotations") or {}
    return bool(annotations.get(HASH) == source and LAST in annotations)


def last(live: Manifest) -> Manifest | None:
    """What was applied, without replicas; None where the annotation is not of our writing (any more)."""
    annotations = live["metadata"].get("annotations") or {}
    owned = applied(live, MANAGER)
    if LAST not in annotations or missing(owned, {"metadata": {"annotations": {HASH: "", LAST: ""}}}):
        return None
    try:
        found: Manifest = msgspec.json.decode(annotations[LAST])
    except msgspec.DecodeError:
        return None
    return found


def drifted(live: Manifest, wanted: Manifest) -> str:
    """The first field of `wanted` that somebody else changed or took away; empty: all is as applied."""
    return missing(applied(live, MANAGER), wanted, passed_over=NOT_OURS_ALONE)


def with_replicas(manifest: Manifest, count: int | None) -> Manifest:
    """Of a workload; None leaves the field out."""
    spec = manifest.get("spec")
    if not isinstance(spec, Mapping) or (count is None and "replicas" not in spec):
        return manifest
    said = {key: value for key, value in spec.items() if key != "replicas"}
    return {**manifest, "spec": said if count is None else {**said, "replicas": count}}


def needed(owner: Manifest, live: Manifest | None, manifest: Manifest, source: str) -> Apply | None:
    """What must be applied of an object that is no workload; None: it is as it shall be. What merely the cluster would
    have otherwise now (another node, another class of storage) is no reason to touch it."""
    fresh = marked(manifest, owner, source)
    if live is None:
        return Apply(fresh, "it is not there", is_new=True)
    if "deletionTimestamp" in live["metadata"]:
        return None  # it comes again when it is gone
    before = last(live)
    if before is None or not was_derived_from(live, source):
        return Apply(fresh, f"the {owner['kind']} changed")
    if lost := drifted(live, before):
        return Apply(marked(before, owner, source), f"somebody changed {lost}", repairs=True)
    return None


def _owner(owner: Manifest) -> Manifest:
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
