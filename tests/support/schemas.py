"""Kubernetes' and its ecosystem's own schemas, strictly: what a real API server refuses or silently drops is a fault.

    check(manifest, ...)     fails the test with every fault, one a line; skips it where the schemas are not there
    faults(manifest)         the faults of one object, [] when it is right

An API server prunes a field that it does not know; here that is an error, as with `kubectl --validate=strict`. Beyond
the schemas the syntax of names, labels and quantities is looked at, which the server checks and no schema says. CEL
rules are not run: only a real API server does (`tests/cluster`). Schemas lie in ../shared/schemas and are never in the
project. Headway's own kinds come from its own CRDs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

__all__ = ["SHARED", "check", "faults"]

SHARED = Path(__file__).parents[3] / "shared" / "schemas"

LABEL = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
SUBDOMAIN = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
SERVICE = r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"
QUANTITY = r"^[+-]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([KMGTPE]i|[mkMGTPE]|[eE][+-]?[0-9]+)?$"
PATH_NAMES = re.compile(r"^(Role|ClusterRole|RoleBinding|ClusterRoleBinding)$")
"""Their names may hold a colon."""

Schema = dict[str, Any]
Manifest = dict[str, Any]


class _Loader(yaml.CSafeLoader):
    """A bare `=` is text, as everywhere but in YAML 1.1 (prometheus-operator's CRDs have one)."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))


def check(*manifests: Manifest) -> None:
    if not SHARED.is_dir():
        pytest.skip("needs Kubernetes' published schemas, which are not part of the project (../shared/schemas)")
    assert manifests, "nothing to check"
    found = [fault for manifest in manifests for fault in faults(manifest)]
    assert not found, "\n".join(found)


def faults(manifest: Manifest) -> list[str]:
    """`KIND NAME: /pointer: what is wrong`, in the order of the object's fields."""
    name = f"{manifest.get('kind')} {manifest.get('metadata', {}).get('name')}"
    schema = _schema(manifest.get("apiVersion", ""), manifest.get("kind", ""))
    if schema is None:
        return [f"{name}: no schema of {manifest.get('apiVersion')} {manifest.get('kind')} in {SHARED}"]
    errors = sorted(
        _validator(manifest["apiVersion"], manifest["kind"]).iter_errors(manifest), key=lambda e: e.json_path
    )
    told = [f"{name}: /{'/'.join(map(str, each.absolute_path))}: {_text(each)}" for each in errors]
    return told + [f"{name}: {fault}" for fault in _syntax(manifest)]


def _text(error: jsonschema.ValidationError) -> str:
    deepest = jsonschema.exceptions.best_match([error]) if error.context else error
    return deepest.message if len(deepest.message) < 300 else deepest.message[:300] + "…"


def _syntax(manifest: Manifest) -> Iterator[str]:
    metadata = manifest.get("metadata", {})
    name = metadata.get("name", "")
    form = SERVICE if manifest["kind"] == "Service" else SUBDOMAIN
    if len(name) > 253 or not (PATH_NAMES.match(manifest["kind"]) or re.fullmatch(form, name)):
        yield f"/metadata/name: {name!r} is no name of a {manifest['kind']}"
    for path, labels in _labels(manifest, ""):
        for key, value in labels.items():
            prefix, slash, short = key.rpartition("/")
            if not re.fullmatch(LABEL, short) or (slash and not re.fullmatch(SUBDOMAIN, prefix)):
                yield f"{path}: {key!r} is no label"
            if not isinstance(value, str) or (value and not re.fullmatch(LABEL, value)):
                yield f"{path}/{key}: {value!r} is no label's value"


def _labels(node: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("labels", "matchLabels", "nodeSelector") and isinstance(value, dict):
                yield f"{path}/{key}", value
            else:
                yield from _labels(value, f"{path}/{key}")
    elif isinstance(node, list):
        for number, each in enumerate(node):
            yield from _labels(each, f"{path}/{number}")


@cache
def _validator(api_version: str, kind: str) -> jsonschema.Draft202012Validator:
    schema = _schema(api_version, kind)
    assert schema is not None
    return jsonschema.Draft202012Validator(schema)


@cache
def _schema(api_version: str, kind: str) -> Schema | None:
    """Of a kind, closed, with what it refers to under `components`."""
    group, _, version = api_version.rpartition("/")
    builtin = SHARED / "openapi" / (f"apis__{group}__{version}_openapi.json" if group else "api__v1_openapi.json")
    if builtin.is_file():
        named = {"group": group, "version": version, "kind": kind}
        parts = _openapi(builtin)
        for name, part in parts.items():
            if named in part.get("x-kubernetes-group-version-kind", ()):
                return {"$ref": f"#/components/schemas/{name}", "components": {"schemas": parts}}
        return None
    return next((_of_crd(each, version) for each in _crds(group, kind)), None)


@cache
def _openapi(file: Path) -> dict[str, Schema]:
    parts: dict[str, Schema] = json.loads(file.read_text())["components"]["schemas"]
    for name, part in parts.items():
        if name.endswith(".resource.Quantity"):
            part["oneOf"] = [{"type": "string", "pattern": QUANTITY}, {"type": "number"}]
        else:
            _close(part)
    return parts


def _crds(group: str, kind: str) -> Iterator[Manifest]:
    if group == "headway.dev":
        ours = import_module("headway.sites.kubernetes.objects.crds").crds()
        yield from (deepcopy(each) for each in ours if each["spec"]["names"]["kind"] == kind)
        return
    for file in sorted((SHARED / "crds").glob("*.yaml")):
        for text in _documents(file):
            if re.search(rf"^  group: {re.escape(group)}$", text, re.M) and re.search(
                rf"^    kind: {kind}$", text, re.M
            ):
                yield yaml.load(text, _Loader)  # noqa: S506 - a safe one


@cache
def _documents(file: Path) -> tuple[str, ...]:
    return tuple(re.split(r"^---.*$", file.read_text(), flags=re.M))


def _of_crd(crd: Manifest, version: str) -> Schema | None:
    for each in crd["spec"]["versions"]:
        if each["name"] == version:
            schema: Schema = each["schema"]["openAPIV3Schema"]
            meta = _openapi(SHARED / "openapi" / "api__v1_openapi.json")
            _close(schema)
            schema.setdefault("properties", {}).update(
                apiVersion={"const": f"{crd['spec']['group']}/{version}"},
                kind={"const": crd["spec"]["names"]["kind"]},
                metadata={"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
            )
            return schema | {"components": {"schemas": meta}}
    return None


def _close(schema: Schema) -> None:
    """Unknown fields become errors. Only the structure is closed: what stands in anyOf, oneOf and not are rules."""
    open_to_all = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if "properties" in schema and not open_to_all:
        schema["additionalProperties"] = False
    if schema.get("x-kubernetes-embedded-resource"):
        for name, kind in (("apiVersion", "string"), ("kind", "string"), ("metadata", "object")):
            schema.setdefault("properties", {}).setdefault(name, {"type": kind})
    if schema.get("x-kubernetes-int-or-string"):
        schema["type"] = ["integer", "string"]
        schema.pop("anyOf", None)
    if schema.pop("nullable", False) and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    for part in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(part, dict):
            _close(part)
