"""The kinds on a real API server: what files may say is taken without a warning; what `spec/` refuses is refused."""

from __future__ import annotations

from typing import Any

import pytest

from headway.errors import SpecError
from headway.sites.kubernetes.install.apply import apply
from headway.sites.kubernetes.objects.crds import crds
from headway.sites.kubernetes.objects.custom import custom
from headway.spec.check import object_of
from headway.spec.document import API_VERSION
from headway.spec.fault import Faults
from headway.spec.kinds import KINDS
from headway.spec.schema import json_schema
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource
from tests.cluster.clients import warned

LEAST: dict[str, dict[str, Any]] = {
    "Model": {"source": "hf://org/name"},
    "Route": {"to": [{"model": "big"}]},
    "Tenant": {},
    "App": {"image": "python:3.12"},
}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("Model", {"source": None}, "spec.source"),
    ("Model", {"source": "ftp://x"}, "spec.source"),
    ("Model", {"sauce": "hf://org/name"}, "sauce"),
    ("Model", {"replicas": "8..2"}, "the lower end first"),
    ("Model", {"replicas": "0..2000"}, "at most 1000"),
    ("Model", {"replicas": 1001}, "1000"),
    ("Model", {"gpu": "sixteen"}, "spec.gpu"),
    ("Model", {"memory": "24"}, "spec.memory"),
    ("Model", {"engine": "vlm"}, "spec.engine"),
    ("Model", {"env": {"HF_TOKEN": "hf_abcdefghijklmnopqrstu"}}, "credential"),
    ("Model", {"env": {"HF_TOKEN": "geheim"}}, "credential"),
    ("Model", {"env": {"X": "hf_abcdefghijklmnopqrstu"}}, "credential"),
    ("Model", {"env": {"HF_TOKEN": "secret:hf"}}, "HF_TOKEN"),
    ("Model", {"variants": [{"name": "a"}, {"name": "a"}]}, "Duplicate"),
    ("Model", {"cache": {}}, "cache"),
    ("Model", {"deadlines": {}}, "deadlines"),
    ("Route", {"to": []}, "spec.to"),
    ("Route", {"to": [{"model": "a"}, {"model": "a"}]}, "Duplicate"),
    ("Route", {"to": [{"model": "a", "weight": 0}]}, "weight above 0"),
    ("Route", {"prefer": "cheapest"}, "needs an slo"),
    ("Route", {"shadow": {"model": "b", "share": "5"}}, "share"),
    ("App", {"env": {"HF_TOKEN": "geheim"}}, "credential"),
    ("App", {"preset": "notebok", "image": None}, "preset"),
    ("Tenant", {"quota": {"gpus": 8}}, "a quota is of a namespace"),
    ("Tenant", {"namespace": "kube-system"}, "a namespace of its own"),
    ("Tenant", {"limits": {"rpm": 0}}, "rpm"),
    ("Tenant", {"weight": 1000}, "weight"),
    ("Tenant", {"members": ["ana", "ana"]}, "Duplicate"),
]


@pytest.fixture
async def kinds(cluster: Cluster) -> Cluster:
    await apply(cluster, crds(), "headway", lambda found, done: None, force=True)
    return cluster


def _object(kind: str, spec: dict[str, Any], namespace: str, name: str = "one") -> Manifest:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


async def test_every_kind_takes_what_its_examples_say(kinds: Cluster) -> None:
    parts, warnings, seen = json_schema()["$defs"], warned(kinds), 0
    for kind in LEAST.keys() & KINDS.keys():
        for field, part in parts[kind]["properties"].items():
            for example in part["examples"] if field not in ("kind", "name") else ():
                written = LEAST[kind] | {field: example} | NEEDS.get((kind, field), {})
                if str(example).startswith(("file://.", "./")):
                    continue  # a cluster sees no folder of the author's
                spec = custom(object_of(kind, {"name": "one", **written}), "default")["spec"]
                await kinds.apply(_object(kind, spec, "default"), dry_run=True)
                seen += 1
    assert not warnings
    assert seen > 30


NEEDS: dict[tuple[str, str], dict[str, Any]] = {
    ("Route", "prefer"): {"slo": {"ttft": "1s"}},
    ("Tenant", "quota"): {"namespace": "research"},
}


@pytest.mark.parametrize(("kind", "change", "told"), WRONG, ids=lambda each: str(each)[:50])
async def test_what_is_wrong_is_refused_there_too(kinds: Cluster, kind: str, change: dict[str, Any], told: str) -> None:
    written = LEAST[kind] | change
    with pytest.raises((SpecError, Faults)):
        object_of(kind, {"name": "one", **written})
    with pytest.raises(ApiRefusal) as refused:
        await _strictly(kinds, _object(kind, written, "default"))
    assert told in refused.value.args[0]


@pytest.mark.parametrize("name", ["a.b", "x" * 64])
async def test_a_name_that_no_caller_could_send_is_refused(kinds: Cluster, name: str) -> None:
    with pytest.raises(ApiRefusal, match="write a name"):
        await kinds.apply(_object("Model", LEAST["Model"], "default", name), dry_run=True)


async def test_what_names_no_field_is_told_to_kubectl(kinds: Cluster) -> None:
    with pytest.raises(ApiRefusal, match="replicass"):
        await _strictly(kinds, _object("Model", LEAST["Model"] | {"replicass": 2}, "default"))


async def test_scale_is_written_beside_replicas(kinds: Cluster, namespace: str) -> None:
    models = resource("Model")
    await kinds.apply(_object("Model", LEAST["Model"] | {"replicas": "0..8"}, namespace))
    await kinds.patch(models, "one", {"spec": {"replicas": 3}}, namespace, sub="scale")
    found = await kinds.get(models, "one", namespace)
    assert found is not None
    assert (found["spec"]["scale"], found["spec"]["replicas"]) == (3, "0..8")
    with pytest.raises(ApiRefusal):
        await kinds.patch(models, "one", {"spec": {"replicas": -1}}, namespace, sub="scale")


async def test_a_null_of_args_keeps_its_meaning(kinds: Cluster, namespace: str) -> None:
    args = {"ctx-size": 8192, "flash": True, "lora": ["a", "b"], "jinja": None}
    made = await kinds.apply(_object("Model", LEAST["Model"] | {"args": args}, namespace))
    assert made["spec"]["args"] == args


async def _strictly(cluster: Cluster, manifest: Manifest) -> None:
    """As kubectl does: an unknown field is an error."""
    of = resource(manifest["kind"], API_VERSION)
    path = of.path(manifest["metadata"]["namespace"])
    answer = await cluster.access.http.post(path, params={"dryRun": "All", "fieldValidation": "Strict"}, json=manifest)
    if answer.status_code >= 400:
        raise ApiRefusal(answer.status_code, answer.json().get("reason", ""), answer.json().get("message", ""))
