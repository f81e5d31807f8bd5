"""The CustomResourceDefinitions: what a structural schema may say, and that what Headway writes fits them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from headway.sites.kubernetes.objects.crds import CLUSTER_KINDS, crds
from headway.sites.kubernetes.objects.custom import custom
from headway.sites.kubernetes.objects.rules import RULES
from headway.sites.kubernetes.objects.structural import structural
from headway.spec.check import object_of
from headway.spec.kinds import KINDS
from headway.spec.load import load
from headway.spec.strict import written_fields

FORBIDDEN = {
    "$ref",
    "$defs",
    "const",
    "examples",
    "patternProperties",
    "propertyNames",
    "uniqueItems",
    "title",
    "x-unit",
}
"""Kubernetes refuses these, or drops them."""


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    yield schema
    for each in schema.get("properties", {}).values():
        yield from _schemas(each)
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from _schemas(schema[key])


def _of(kind: str) -> dict[str, Any]:
    (version,) = next(each for each in crds() if each["spec"]["names"]["kind"] == kind)["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


KINDS_HERE = [kind for kind in CLUSTER_KINDS if kind in KINDS]


@pytest.mark.parametrize("kind", KINDS_HERE)
def test_a_schema_says_only_what_a_structural_one_may(kind: str) -> None:
    for each in _schemas(_of(kind)):
        assert not FORBIDDEN & each.keys(), each
        typed = (
            "type" in each or each.get("x-kubernetes-int-or-string") or each.get("x-kubernetes-preserve-unknown-fields")
        )
        assert typed, each
        assert not ("properties" in each and "additionalProperties" in each)
        assert "(?!" not in each.get("pattern", "")
        assert "default" not in each
        if each.get("type") == "array" and "uniqueItems" not in each:
            assert each["maxItems"] > 0


@pytest.mark.parametrize("kind", KINDS_HERE)
def test_every_field_of_the_file_stands_in_the_schema(kind: str) -> None:
    there = _of(kind)["properties"]["spec"]["properties"].keys()
    assert there - {"scale"} == written_fields(KINDS[kind]).keys() - {"kind", "name"}


@pytest.mark.parametrize("kind", KINDS_HERE)
def test_every_rule_stands_where_its_path_says(kind: str) -> None:
    placed = [each["rule"] for one in _schemas(_of(kind)) for each in one.get("x-kubernetes-validations", ())]
    assert sorted(placed) == sorted(each.rule for each in RULES[kind])


def test_scale_is_a_whole_number_beside_replicas() -> None:
    (version,) = crds()[0]["spec"]["versions"]
    assert version["subresources"]["scale"]["specReplicasPath"] == ".spec.scale"
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    assert properties["spec"]["properties"]["scale"]["type"] == "integer"
    assert properties["spec"]["properties"]["replicas"]["x-kubernetes-int-or-string"]
    assert {"replicas", "selector"} <= properties["status"]["properties"].keys()


def test_what_a_cluster_prints_loads_whatever_was_scaled() -> None:
    (model,) = load(
        "apiVersion: headway.dev/v1alpha1\nkind: Model\nmetadata: {name: chat, uid: u}\n"
        "spec: {source: hf://org/name, scale: 3}\nstatus: {replicas: 3}\n",
        "f.yaml",
        "/",
    )
    assert custom(model, "team-a") == {
        "apiVersion": "headway.dev/v1alpha1",
        "kind": "Model",
        "metadata": {"name": "chat", "namespace": "team-a"},
        "spec": {"source": "hf://org/name"},
    }


def test_an_object_of_a_cluster_reads_back_as_the_same_value() -> None:
    written = {
        "name": "chat",
        "source": "hf://org/name@main",
        "replicas": "0..8",
        "gpu": 0.5,
        "memory": "24GB",
        "slo": {"ttft": "500ms"},
        "args": {"ctx-size": 8192, "flash": True, "left-out": None},
        "variants": [{"name": "a", "gpu": "H100:2"}],
        "profiles": {"kubernetes": {"gpu": "L4"}},
    }
    model = object_of("Model", written)
    spec = custom(model, "x")["spec"]
    assert spec["gpu"] == "0.5"  # text: int-or-string takes no fraction
    assert spec["args"] == written["args"]
    assert object_of("Model", {"name": "chat", **spec}) == model


def test_patterns_are_of_re2() -> None:
    """Python's `re` takes more than RE2 does: look-around, back-references, possessive repeats."""
    for kind in KINDS_HERE:
        for each in _schemas(_of(kind)):
            pattern = each.get("pattern", "")
            re.compile(pattern)
            assert not re.search(r"\(\?[=!<]|\\[1-9]|[*+?]\+", pattern), pattern


def test_what_no_structural_schema_can_say_is_an_error() -> None:
    with pytest.raises(ValueError, match="no structural schema"):
        structural({"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]}, {})
