"""One YAML document: flat, or in the form of a Kubernetes object. Both give the same fields.

    kind: Model                      apiVersion: headway.dev/v1alpha1
    name: chat                       kind: Model
    source: builtin://…              metadata: {name: chat}
                                     spec: {source: builtin://…}

What Kubernetes itself writes into an object (labels, uid, status, …) is its own business and passed over, so that what
`kubectl get -o yaml` prints loads as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from headway.spec.fault import Fault, describe, nearest
from headway.spec.kinds import KINDS, LATER_KINDS
from headway.spec.strict import written_fields
from headway.spec.tree import Entry, Node

__all__ = ["API_VERSION", "METADATA", "Document", "locate", "open_document"]

API_VERSION = "headway.dev/v1alpha1"
METADATA = (
    "name",
    "namespace",
    "labels",
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
_OBJECT = ("apiVersion", "kind", "metadata", "spec", "status")
_CLUSTERS_OWN = ("scale",)
"""Fields of a Model's spec that a cluster writes: what /scale, an autoscaler or a person sets there."""


@dataclass(frozen=True, slots=True)
class Document:
    """`fields` are those of the kind; `faults` are of the form around them, with paths in the document."""

    root: Node
    fields: Mapping[str, Node]
    faults: tuple[Fault, ...] = ()
    is_object: bool = False
    kind: str = ""

    def path(self, field: tuple[str, ...]) -> tuple[str, ...]:
        """Where a field of the kind stands in this document."""
        if not self.is_object:
            return field
        return ("metadata", "name") if field == ("name",) else ("spec", *field)


def open_document(root: Node) -> Document:
    if not isinstance(root.value, dict):
        return Document(root, {}, (Fault(f"found {describe(root.value)}", "write fields, beginning with kind: Model"),))
    entries: dict[str, Entry] = root.value
    if fault := _check_kind(entries.get("kind")):
        return Document(root, {}, (fault,))
    kind = entries["kind"].value.text
    if not entries.keys() & {"apiVersion", "metadata", "spec"}:
        return Document(root, {key: entry.value for key, entry in entries.items()}, kind=kind)
    fields = {"kind": entries["kind"].value}
    spec, metadata = _entries(entries.get("spec")), _entries(entries.get("metadata"))
    fields |= {key: entry.value for key, entry in (spec or {}).items() if key not in ("name", "kind", *_CLUSTERS_OWN)}
    if metadata and "name" in metadata:
        fields["name"] = metadata["name"].value
    return Document(root, fields, tuple(_faults(kind, entries, metadata, spec)), is_object=True, kind=kind)


def locate(root: Node, path: tuple[str, ...], *, of_key: bool) -> tuple[int, int]:
    """Line and column of what is nearest to this path."""
    found = root
    for depth, part in enumerate(path, 1):
        if isinstance(found.value, list) and part.isdigit() and int(part) < len(found.value):
            found = found.value[int(part)]
            continue
        if not isinstance(found.value, dict) or part not in found.value:
            break
        entry: Entry = found.value[part]
        found = entry.key if of_key and depth == len(path) else entry.value
    return found.line, found.column


def _check_kind(entry: Entry | None) -> Fault | None:
    if entry is None or entry.value.value is None:
        return Fault("missing", "write kind: Model", ("kind",), of_key=True)
    kind = entry.value.text
    if kind in KINDS:
        return None
    kinds = f"kinds here: {', '.join(KINDS)}"
    if kind in LATER_KINDS:
        return Fault(f"{kind} is not in this version yet", kinds, ("kind",))
    meant = nearest(kind, (*KINDS, *LATER_KINDS))
    return Fault(f"found {describe(entry.value.plain())}", f"did you mean {meant}?" if meant else kinds, ("kind",))


def _faults(
    kind: str, entries: dict[str, Entry], metadata: dict[str, Entry] | None, spec: dict[str, Entry] | None
) -> Iterator[Fault]:
    """Of the object around the spec. What is missing inside of metadata and spec, the kind itself finds."""
    version = entries.get("apiVersion")
    if version is None:
        yield Fault("missing", f"write apiVersion: {API_VERSION}", ("apiVersion",), of_key=True)
    elif version.value.value != API_VERSION:
        yield Fault(f"found {describe(version.value.plain())}", f"write {API_VERSION}", ("apiVersion",))
    for key, value, form in (("metadata", metadata, "{name: chat}"), ("spec", spec, "{source: …}")):
        if value is None and key in entries:
            yield Fault(f"found {describe(entries[key].value.value)}", f"write a mapping like {form}", (key,))
    for key in entries.keys() - set(_OBJECT):
        place = "metadata" if key == "name" else "spec"
        is_ours = key in written_fields(KINDS[kind])
        hint = f"write it under {place}" if is_ours else f"fields here: {', '.join(_OBJECT)}"
        yield Fault("stands beside spec" if is_ours else "unknown field", hint, (key,), of_key=True)
    for key in (metadata or {}).keys() - set(METADATA):
        meant = nearest(key, METADATA)
        hint = f"did you mean {meant}?" if meant else f"fields here: {', '.join(METADATA[:4])}"
        yield Fault("unknown field", hint, ("metadata", key), of_key=True)
    if spec and "name" in spec:
        yield Fault("stands in spec", "write it under metadata", ("spec", "name"), of_key=True)


def _entries(entry: Entry | None) -> dict[str, Entry] | None:
    """Of a mapping; nothing where there is another value or none."""
    return entry.value.value if entry is not None and isinstance(entry.value.value, dict) else None
