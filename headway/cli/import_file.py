"""What `headway import` reads, and how it tells what it found."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from headway.cli.on import on_cluster, place
from headway.errors import SpecError, UsageError
from headway.sites.kubernetes.export.document import text_of
from headway.sites.kubernetes.importing.model import KINDS, Imported, imported
from headway.sites.kubernetes.objects.derived import Derived
from headway.spec.tree import TreeFault, parse
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource

__all__ = ["found_in", "text_of_all", "to_json"]

BESIDE = ("HorizontalPodAutoscaler", "PersistentVolumeClaim")
FILES = (".yaml", ".yml", ".json")


def found_in(target: str, on: str | None, namespace: str) -> list[Imported]:
    """Raises SpecError where nothing serves a model, UsageError, UnreachableError."""
    manifests = _on_cluster(target, on, namespace) if on else _of_files(target)
    workloads = [each for each in manifests if each["kind"] in KINDS]
    found = [each for each in (imported(workload, manifests) for workload in workloads) if each is not None]
    if not found:
        there = f"{len(workloads)} workloads, none with" if workloads else "no Deployment or StatefulSet, so no"
        raise SpecError(f"{there} engine that is known", hint="vLLM, SGLang, llama.cpp and TGI are known", file=target)
    return found


def _of_files(target: str) -> list[Manifest]:
    if target == "-":
        return list(_manifests(sys.stdin.read(), "standard input"))
    path = Path(target)
    if not path.exists():
        raise UsageError(f"{target}: no such file", hint="name a file of manifests, or deployment/NAME with --on SITE")
    files = sorted(each for each in path.rglob("*") if each.suffix in FILES) if path.is_dir() else [path]
    try:
        return [each for file in files for each in _manifests(file.read_text("utf-8"), str(file))]
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot be read: {error}", hint="give YAML or JSON manifests", file=target) from error


def _manifests(text: str, file: str) -> Iterator[Manifest]:
    try:
        tree = parse(text)
    except TreeFault as fault:
        raise SpecError(fault.message, hint=fault.hint, file=file, line=fault.line, column=fault.column) from None
    for node in tree.documents:
        document = node.plain()
        items = document.get("items") if isinstance(document, dict) and document.get("kind") == "List" else [document]
        for each in items or ():
            metadata = each.get("metadata") if isinstance(each, dict) else None
            if not isinstance(metadata, dict) or not isinstance(each.get("kind"), str) or "name" not in metadata:
                raise SpecError(
                    "found no Kubernetes object", hint="it has apiVersion, kind and metadata", file=file, line=node.line
                )
            yield each


def _on_cluster(target: str, on: str, namespace: str) -> list[Manifest]:
    kind, _, name = target.partition("/")
    known = {"deployment": "Deployment", "deploy": "Deployment", "statefulset": "StatefulSet", "sts": "StatefulSet"}
    if not name or kind.casefold() not in known:
        raise UsageError(f"found {target!r}", hint="with --on write deployment/NAME or statefulset/NAME")
    where = place(on)

    async def read(cluster: Cluster) -> list[Manifest]:
        inside = namespace or where.namespace or cluster.namespace
        of = resource(known[kind.casefold()])
        workload = await cluster.get(of, name, inside)
        if workload is None:
            raise UsageError(f"no {of.kind} {name} in the namespace {inside}", hint="say where: -n NAMESPACE")
        found = [_typed(workload, of.api_version, of.kind)]
        for beside in BESIDE:
            there = resource(beside)
            listing = await cluster.list(there, inside)
            found += [_typed(each, there.api_version, beside) for each in listing.items]
        return found

    return on_cluster(where, read)


def _typed(manifest: Manifest, api_version: str, kind: str) -> Manifest:
    """Items of a list do not say what they are."""
    return {"apiVersion": api_version, "kind": kind, **manifest}


def text_of_all(found: Sequence[Imported], target: str) -> str:
    documents = [Derived(dict(each.document), each.why, _note(each)) for each in found]
    return text_of(documents, (f"headway import {target}",))


def _note(each: Imported) -> str:
    lines = [f"Left to Headway: {each.derived}."]
    lines += [f"LOOK AT: {lost}" for lost in each.lost]
    return "\n".join(lines)


def to_json(found: Sequence[Imported]) -> str:
    rows: list[Mapping[str, Any]] = [
        {"model": each.document, "why": each.why, "look_at": list(each.lost)} for each in found
    ]
    return json.dumps(rows, indent=2) + "\n"
