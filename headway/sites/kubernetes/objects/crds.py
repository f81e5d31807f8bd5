"""The CustomResourceDefinitions of Headway's kinds, made from `spec/`: the schema of files, rules in CEL, columns.

No defaults are written into them: an object holds what its author wrote, and what is left out is derived anew by each
version of Headway. `/scale` of a Model is `spec.scale`, an integer that HPAs and people write; `replicas` stays what
the author wrote.
"""

from __future__ import annotations

from typing import Any

from headway.sites.kubernetes.objects.rules import KEYS, RULES
from headway.sites.kubernetes.objects.status import status_schema
from headway.sites.kubernetes.objects.structural import Schema, structural
from headway.spec.kinds import KINDS
from headway.spec.model import MOST_REPLICAS
from headway.spec.schema import json_schema
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import GROUP, VERSION, resource

__all__ = ["CLUSTER_KINDS", "crds"]

CLUSTER_KINDS = ("Model", "Route", "Tenant", "App")
"""Those of the file that are objects of a cluster; a Site says where a cluster is, a Workload is read by commands."""

SCALE = {
    "type": "integer",
    "format": "int32",
    "minimum": 0,
    "maximum": MOST_REPLICAS,
    "description": "How many Replicas run now, whatever `replicas` says: what /scale, an autoscaler or a person "
    "writes. Left out: Headway decides.",
}
_READY = '.status.conditions[?(@.type=="Ready")]'
_COLUMNS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Model": (
        ("Ready", "string", f"{_READY}.status"),
        ("Replicas", "string", ".spec.replicas"),
        ("Running", "integer", ".status.replicas"),
        ("Available", "integer", ".status.readyReplicas"),
        ("GPU", "string", ".spec.gpu"),
        ("Reason", "string", f"{_READY}.reason"),
    ),
    "Route": (
        ("Ready", "string", f"{_READY}.status"),
        ("To", "string", ".spec.to[*].model"),
        ("Reason", "string", f"{_READY}.reason"),
    ),
    "Tenant": (
        ("Ready", "string", f"{_READY}.status"),
        ("Priority", "string", ".spec.priority"),
        ("Namespace", "string", ".status.namespace"),
        ("Reason", "string", f"{_READY}.reason"),
    ),
    "App": (
        ("Ready", "string", f"{_READY}.status"),
        ("Preset", "string", ".spec.preset"),
        ("Reason", "string", f"{_READY}.reason"),
    ),
}
_WIDE = {"Model": (("Source", "string", ".spec.source"), ("Engine", "string", ".status.engine"))}
_SHORT = {"Model": ["hwm"], "Route": ["hwr"], "Tenant": ["hwt"], "App": ["hwa"]}


def crds() -> tuple[Manifest, ...]:
    """One of each kind that this version has. Pure: the same version always gives the same bytes."""
    parts = json_schema()["$defs"]
    return tuple(_crd(kind, parts) for kind in CLUSTER_KINDS if kind in KINDS)


def _crd(kind: str, parts: dict[str, Schema]) -> Manifest:
    of = resource(kind, f"{GROUP}/{VERSION}")
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _schema(kind, parts)},
        "subresources": {"status": {}} | ({"scale": _scale()} if kind == "Model" else {}),
        "additionalPrinterColumns": _columns(kind),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{of.plural}.{GROUP}", "labels": {"app.kubernetes.io/part-of": "headway"}},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": of.plural,
                "singular": kind.lower(),
                "shortNames": _SHORT[kind],
                "categories": ["headway"],
            },
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def _schema(kind: str, parts: dict[str, Schema]) -> Schema:
    spec = structural(parts[f"{kind}Object"]["properties"]["spec"], parts)
    if kind == "Model":
        spec["properties"]["scale"] = dict(SCALE)
    whole: Schema = {
        "type": "object",
        "description": parts[kind]["description"],
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status_schema(kind),
        },
    }
    for each in RULES[kind]:
        _place(whole, each.path).setdefault("x-kubernetes-validations", []).append(
            {"rule": each.rule, "message": each.message}
        )
    for path, key in KEYS.get(kind, {}).items():
        _place(whole, path).update({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]})
    return whole


def _place(schema: Schema, path: str) -> Schema:
    for part in path.split(".") if path else ():
        if part != "*":
            schema = schema["properties"][part]
        else:
            schema = schema["items"] if "items" in schema else schema["additionalProperties"]
    return schema


def _scale() -> dict[str, str]:
    return {
        "specReplicasPath": ".spec.scale",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }


def _columns(kind: str) -> list[dict[str, Any]]:
    shown = [{"name": name, "type": form, "jsonPath": path} for name, form, path in _COLUMNS[kind]]
    wide = [{"name": name, "type": form, "jsonPath": path, "priority": 1} for name, form, path in _WIDE.get(kind, ())]
    return [*shown, *wide, {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]
