"""What holds of the objects of every Model on every cluster: valid, restricted, explained, named within bounds."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.engines import registry
from headway.errors import HeadwayError, ResourceError, SourceError, SpecError
from headway.sites.kubernetes import labels
from headway.sites.kubernetes.facts import Facts, NodeFacts
from headway.sites.kubernetes.objects.derived import Derived, because, derive, told
from headway.sites.kubernetes.objects.naming import model_name, revision_name
from headway.sites.kubernetes.objects.replica import parts_of
from headway.spec.check import from_json
from tests.support import schemas
from tests.support.kube import BARE, CLOUD, CLUSTERS, DRA, EDGE, UNKNOWN, derived, of_kind, workload

QWEN = "hf://Qwen/Qwen2.5-7B-Instruct"
SOURCES = st.sampled_from(
    [
        QWEN, "hf://org/unknown@main", "hf://org/name-GGUF/a-q4_k_m.gguf", "builtin://smollm2-135m-instruct",
        "builtin://all-minilm-l6-v2", "builtin://mock", "s3://bucket/llama", "gs://bucket/a.gguf", "pvc://claim/a/b",
        "oci://quay.io/org/m:1.0/models", "ollama://llama3:8b", "hf://meta-llama/Llama-3.1-70B-Instruct",
    ]
)  # fmt: skip
GPUS = st.sampled_from(
    [None, "auto", "cpu", 1, 2, 0.5, "24GB..", "80GB..", "H100", "H100:2", "H100:16", "L4", "MI300X:8", "mig-1g.10gb"]
)
ENGINES = st.sampled_from([None, "vllm", "sglang", "llamacpp"])
WRITTEN = st.fixed_dictionaries(
    {"source": SOURCES, "gpu": GPUS, "engine": ENGINES},
    optional={
        "cost": st.sampled_from([{"spot": "prefer"}, {"spot": "only"}, {"spot": "never"}]),
        "weights": st.sampled_from([{"cache": "volume"}, {"cache": "replica"}, {"cache": "none", "size": "5GB"}]),
        "priority": st.just("production"),
        "env": st.just({"HF_TOKEN": "secret:hf/token"}),
        "cpu": st.just(3),
        "memory": st.just("9GiB"),
    },
)


def made(facts: Facts, written: dict[str, Any]) -> list[Derived]:
    """Nothing where this cannot be: what is refused is refused in one line that says what to do."""
    hint: str | None = ""
    try:
        return derived(facts, **{key: value for key, value in written.items() if value is not None})
    except HeadwayError as error:
        hint = error.hint
    assert hint
    return []


def pods(objects: list[Derived]) -> list[dict[str, Any]]:
    """The pod templates of all objects."""
    found: list[dict[str, Any]] = []

    def look(node: Any) -> None:
        if isinstance(node, dict):
            if "containers" in node.get("spec", {}) if isinstance(node.get("spec"), dict) else False:
                found.append(node)
            for each in node.values():
                look(each)
        elif isinstance(node, list):
            for each in node:
                look(each)

    for each in objects:
        look(each.manifest)
    return found


def engine(objects: list[Derived]) -> dict[str, Any]:
    (found,) = (each for pod in pods(objects[-1:]) for each in pod["spec"]["containers"] if each["name"] == "engine")
    return dict(found)


@settings(max_examples=80, deadline=None)
@given(written=WRITTEN, cluster=st.sampled_from(sorted(CLUSTERS)))
def test_whatever_is_written(written: dict[str, Any], cluster: str) -> None:
    objects = made(CLUSTERS[cluster], written)
    if schemas.SHARED.is_dir():
        assert [fault for each in objects for fault in schemas.faults(each.manifest)] == []
    for pod in pods(objects):
        assert restricted(pod["spec"]) == []
    for each in objects:
        for pointer, why in each.why.items():
            assert resolved(each.manifest, pointer) is not None
            assert why
        assert each.manifest["metadata"]["namespace"] == "team"
        assert each.manifest["metadata"]["labels"][labels.MANAGED] == "headway"
        assert len(each.manifest["metadata"]["name"]) <= 63
    names = [(each.manifest["kind"], each.manifest["metadata"]["name"]) for each in objects]
    assert len(names) == len(set(names))


def restricted(pod: dict[str, Any]) -> list[str]:
    """What the level `restricted` of Pod Security would refuse (kubernetes.io, "Pod Security Standards")."""
    faults = [] if pod["securityContext"]["runAsNonRoot"] is True else ["root"]
    faults += [] if pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"} else ["seccomp"]
    for each in (*pod["containers"], *pod.get("initContainers", ())):
        said = each["securityContext"]
        if said["allowPrivilegeEscalation"] or said["capabilities"] != {"drop": ["ALL"]} or "privileged" in said:
            faults.append(each["name"])
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
               "secret", "image"}  # fmt: skip
    faults += [each["name"] for each in pod.get("volumes", ()) if not set(each) - {"name"} <= allowed]
    return faults + [key for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]


def resolved(manifest: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        manifest = manifest[int(key)] if isinstance(manifest, list) else manifest[key]
    return manifest


@settings(max_examples=30, deadline=None)
@given(written=WRITTEN, free=st.integers(0, 8))
def test_what_is_free_changes_nothing(written: dict[str, Any], free: int) -> None:
    """A node that fills up never changes a Replica that runs."""
    taken = tuple(
        replace(node, free_cpu=0.5, gpus=tuple(replace(each, free=min(free, each.count)) for each in node.gpus))
        for node in CLOUD.nodes
    )
    assert made(replace(CLOUD, nodes=taken), written) == made(CLOUD, written)


@pytest.mark.parametrize(
    ("name", "variant"), [("chat", ""), ("7b-chat", "l4-fp8"), ("a" * 63, ""), ("a" * 63, "b" * 63), ("9", "")]
)
def test_names_fit_and_differ(name: str, variant: str) -> None:
    one = registry.revise_elsewhere(from_json({"name": name, "source": "builtin://mock"}), variant).revision
    other = replace(one, args={"seed": 1})
    for each in (revision_name(one), model_name(name)):
        assert re.fullmatch(r"[a-z]([a-z0-9-]{0,50}[a-z0-9])?", each)
    assert revision_name(one) != revision_name(other)
    assert revision_name(one).endswith(one.id)


def test_long_names_that_begin_alike_differ() -> None:
    assert model_name("a" * 60) != model_name("a" * 61)


def test_reasons_are_taken_out_and_point_at_their_values() -> None:
    tree = {
        "kind": "X",
        "metadata": {"name": "x", "a/b~c": because({"d": because([1, because(2, "two")], "list")}, "map")},
    }
    found = derive(tree | {"gone": None, "also": because(None, "never")})
    assert found.manifest == {"kind": "X", "metadata": {"name": "x", "a/b~c": {"d": [1, 2]}}}
    assert found.why == {"/metadata/a~1b~0c/d/1": "two", "/metadata/a~1b~0c/d": "list", "/metadata/a~1b~0c": "map"}


def test_reasons_go_with_the_object_and_change_nothing_else() -> None:
    found = derived(BARE, source=QWEN)[-1]
    with_why = told(found)
    assert json.loads(with_why["metadata"]["annotations"][labels.WHY]) == dict(found.why)
    with_why["metadata"].pop("annotations")
    assert with_why == found.manifest


def test_replicas_are_left_to_their_owner() -> None:
    assert "replicas" not in workload(derived(BARE, source=QWEN, replicas=None))["spec"]


def test_nothing_for_a_model_that_somebody_else_serves() -> None:
    assert derived(CLOUD, source="openai://gpt-4o") == []


def test_a_secret_is_named_and_never_seen() -> None:
    text = json.dumps([each.manifest for each in derived(CLOUD, source=QWEN, env={"HF_TOKEN": "secret:hf/token"})])
    assert '{"secretKeyRef": {"name": "hf", "key": "token"}}' in text
    assert "secret:" not in text


def test_the_pods_selected_are_never_the_job_that_fetches() -> None:
    objects = derived(CLOUD, source=QWEN)
    (job,) = of_kind(objects, "Job")
    fetching = job["spec"]["template"]["metadata"]["labels"]
    for service in of_kind(objects, "Service"):
        assert not service["spec"]["selector"].items() <= fetching.items()
    (budget,) = of_kind(objects, "PodDisruptionBudget")
    assert not budget["spec"]["selector"]["matchLabels"].items() <= fetching.items()


# What is written, where, and what each pod then asks for.
ASKED: list[tuple[str, Facts, dict[str, Any], dict[str, str]]] = [
    ("cores", CLOUD, {"source": "builtin://smollm2-135m-instruct"}, {}),
    ("auto has a GPU", CLOUD, {"source": "builtin://smollm2-135m-instruct", "gpu": "auto"}, {"nvidia.com/gpu": "1"}),
    ("auto has none", BARE, {"source": "builtin://smollm2-135m-instruct", "gpu": "auto"}, {}),
    ("a product", CLOUD, {"source": QWEN, "gpu": "H100:2"}, {"nvidia.com/gpu": "2"}),
    ("a maker", BARE, {"source": QWEN, "gpu": "MI300X:4"}, {"amd.com/gpu": "4"}),
    ("chips", BARE, {"source": QWEN, "gpu": "v6e:4"}, {"google.com/tpu": "4"}),
    ("a slice", CLOUD, {"source": QWEN, "gpu": "mig-1g.10gb"}, {"nvidia.com/mig-1g.10gb": "1"}),
    ("a slice with media", BARE, {"source": QWEN, "gpu": "mig-1g.10gb+me"}, {"nvidia.com/mig-1g.10gb.me": "1"}),
    ("a share", EDGE, {"source": QWEN, "gpu": 0.25}, {"nvidia.com/gpu": "1"}),
    ("70B left out", CLOUD, {"source": "hf://meta-llama/Llama-3.1-70B-Instruct"}, {"nvidia.com/gpu": "4"}),
    ("7B left out", CLOUD, {"source": QWEN}, {"nvidia.com/gpu": "1"}),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "written", "gpus"), [each[1:] for each in ASKED], ids=[each[0] for each in ASKED])
def test_what_a_pod_asks_for(facts: Facts, written: dict[str, Any], gpus: dict[str, str]) -> None:
    asked = engine(derived(facts, **written))["resources"]
    for kind in ("requests", "limits"):
        assert {key: value for key, value in asked[kind].items() if key not in ("cpu", "memory")} == gpus


def test_by_dra_where_only_a_driver_offers_devices() -> None:
    objects = derived(DRA, source=QWEN, gpu="H100:2")
    (claims,) = of_kind(objects, "ResourceClaimTemplate")
    (request,) = claims["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"]["deviceClassName"] == "gpu.nvidia.com"
    assert request["exactly"]["count"] == 2
    assert "NVIDIA H100 80GB HBM3" in request["exactly"]["selectors"][0]["cel"]["expression"]
    spec = workload(objects)["spec"]["template"]["spec"]
    assert spec["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": claims["metadata"]["name"]}]
    assert engine(objects)["resources"]["claims"] == [{"name": "gpu"}]


def test_mig_of_the_strategy_single_is_chosen_by_the_nodes_label() -> None:
    node = NodeFacts(
        "n",
        gpus=(replace(CLOUD.nodes[2].gpus[0], resource="nvidia.com/gpu"),),
        labels={"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb"},
    )
    objects = derived(Facts(nodes=(node,)), source=QWEN, gpu="mig-1g.10gb")
    assert engine(objects)["resources"]["limits"]["nvidia.com/gpu"] == "1"
    affinity = workload(objects)["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == ["NVIDIA-A100-SXM4-80GB-MIG-1g.10gb"]


def test_a_share_takes_its_share_of_the_memory() -> None:
    args = engine(derived(EDGE, source=QWEN, gpu=0.5))["args"]
    assert args[args.index("--gpu-memory-utilization") + 1] == "0.45"


# A source, a cluster, what is written of weights -> the way they come, and the kind of workload.
WAYS: list[tuple[str, Facts, dict[str, Any], str, str]] = [
    (QWEN, UNKNOWN, {}, "none", "Deployment"),
    (QWEN, BARE, {}, "none", "Deployment"),
    (QWEN, CLOUD, {}, "volume", "Deployment"),
    (QWEN, EDGE, {}, "replica", "StatefulSet"),
    (QWEN, CLOUD, {"cache": "none"}, "none", "Deployment"),
    (QWEN, CLOUD, {"cache": "replica"}, "replica", "StatefulSet"),
    (QWEN, BARE, {"cache": "volume", "class": "mine"}, "volume", "Deployment"),
    ("s3://bucket/m", BARE, {}, "stream", "Deployment"),
    ("s3://bucket/m", CLOUD, {}, "volume", "Deployment"),
    ("pvc://claim/m", CLOUD, {}, "pvc", "Deployment"),
    ("oci://q.io/m:1", CLOUD, {}, "image", "Deployment"),
    ("oci://q.io/m:1", EDGE, {}, "replica", "StatefulSet"),
    ("oci://q.io/m:1", EDGE, {"cache": "image"}, "image", "Deployment"),
    ("ollama://llama3", CLOUD, {}, "volume", "Deployment"),
    ("builtin://mock", CLOUD, {}, "", "Deployment"),
]


@pytest.mark.parametrize(("source", "facts", "weights", "kind", "of"), WAYS)
def test_how_the_weights_come(source: str, facts: Facts, weights: dict[str, Any], kind: str, of: str) -> None:
    written = {"source": source, **({"weights": weights} if weights else {})}
    revision = registry.revise_elsewhere(from_json({"name": "m", **written})).revision
    parts = parts_of(revision, facts)
    assert parts is not None
    assert parts.way.kind == kind
    assert parts.way.why
    assert workload(derived(facts, **written))["kind"] == of


def test_streamed_weights_are_named_to_the_engine() -> None:
    found = engine(derived(BARE, source="s3://bucket/m"))
    assert found["args"][0] == "s3://bucket/m"
    assert "runai_streamer" in found["args"]
    assert not [each for each in found["volumeMounts"] if each["mountPath"] == "/models"]


def test_ways_of_one_model_share_what_is_fetched_whatever_their_engines() -> None:
    ways = [
        {"name": "a", "engine": "vllm", "env": {"HF_TOKEN": "secret:hf/token", "VLLM_LOGGING_LEVEL": "DEBUG"}},
        {"name": "b", "engine": "sglang", "env": {"HF_TOKEN": "secret:hf/token"}},
    ]
    one, other = of_kind(derived(CLOUD, source=QWEN, gpu="H100", variants=ways), "Job")
    assert one == other
    env = one["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [each["name"] for each in env] == ["HF_TOKEN", "HOME"]


def test_one_file_of_a_claim_is_mounted_by_its_folder() -> None:
    found = engine(derived(BARE, source="pvc://claim/a/b.gguf", engine="llamacpp"))
    (mount,) = (each for each in found["volumeMounts"] if each["mountPath"] == "/models")
    assert mount == {"name": "weights", "mountPath": "/models", "readOnly": True, "subPath": "a"}
    assert found["args"][:2] == ["--model", "/models/b.gguf"]


REFUSED: list[tuple[dict[str, Any], type[HeadwayError], str]] = [
    ({"source": "file:///models/m"}, SourceError, "does not see this machine's files"),
    ({"source": "pvc://Claim!/m"}, SourceError, "names no claim"),
    ({"source": "oci://quay.io/m", "weights": {"cache": "image"}}, SourceError, "no image with a tag"),
    ({"source": QWEN, "weights": {"cache": "image"}}, SpecError, "only an oci:// source is an image"),
    ({"source": QWEN, "weights": {"cache": "stream"}}, SpecError, "streams s3:// and gs://"),
    ({"source": QWEN, "gpu": "H100:9"}, ResourceError, "9 GPUs do not divide"),
    ({"source": QWEN, "gpu": "Gaudi-3"}, ResourceError, "no image of an engine here runs on Gaudi-3"),
    ({"source": QWEN, "gpu": "v6e", "engine": "sglang"}, HeadwayError, "NVIDIA or AMD"),
    ({"source": "ollama://m", "engine": "vllm"}, SourceError, "does not serve ollama"),
    ({"source": "hf://a/b/c.gguf", "engine": "vllm"}, SourceError, "is a GGUF file"),
]


@pytest.mark.parametrize(("written", "kind", "said"), REFUSED, ids=[each[2] for each in REFUSED])
def test_what_no_cluster_can_do_is_refused(written: dict[str, Any], kind: type[HeadwayError], said: str) -> None:
    with pytest.raises(kind, match=re.escape(said)) as refusal:
        derived(replace(BARE, nodes=()), **written)
    assert refusal.value.hint


def test_a_priority_that_is_not_there_is_told() -> None:
    there = replace(BARE, priority_classes=("batch", "system-node-critical"))
    with pytest.raises(SpecError, match="no PriorityClass production") as told_of:
        derived(there, source=QWEN, priority="production")
    make_it = "make it (headway export FILE --piece priority-classes), or "
    assert (told_of.value.hint, told_of.value.field) == (f"{make_it}write one of: batch", "priority")
    with pytest.raises(SpecError) as told_of:
        derived(replace(BARE, priority_classes=("system-node-critical",)), source=QWEN, priority="production")
    assert told_of.value.hint == f"{make_it}leave priority out"
    assert derived(there, source=QWEN, priority="batch")
    assert derived(UNKNOWN, source=QWEN, priority="production")


def test_the_pods_own_fields_are_laid_over() -> None:
    pod = {"nodeSelector": {"a": "b"}, "tolerations": [], "securityContext": {"fsGroup": 5}, "schedulerName": "kai"}
    found = derived(CLOUD, source=QWEN, gpu="H100", pod=pod)[-1]
    spec = found.manifest["spec"]["template"]["spec"]
    assert (spec["nodeSelector"], spec["tolerations"], spec["schedulerName"]) == ({"a": "b"}, [], "kai")
    assert spec["securityContext"]["fsGroup"] == 5
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert found.why["/spec/template/spec/tolerations"] == "as written: pod"


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"replicas": 5}, True), ({"slo": {"ttft": "1s"}}, True), ({"price": {"input": "1/1M"}}, True),
        ({"image": "vllm/vllm-openai:v0.31.0"}, False), ({"priority": "high"}, False),
        ({"cost": {"spot": "prefer"}}, False), ({"pod": {"schedulerName": "kai"}}, False),
        ({"weights": {"cache": "none"}}, False), ({"deadlines": {"whole": "1h"}}, False), ({"gpu": 2}, False),
    ],
)  # fmt: skip
def test_what_changes_a_pod_is_a_new_revision_and_nothing_else_is(change: dict[str, Any], same: bool) -> None:
    was = registry.revise_elsewhere(from_json({"name": "m", "source": QWEN})).revision
    now = registry.revise_elsewhere(from_json({"name": "m", "source": QWEN, **change})).revision
    assert (was.id == now.id) is same
    one, other = (
        [each.manifest["spec"].get("template") for each in derived(CLOUD, source=QWEN, **written)][-1]
        for written in ({}, change)
    )
    assert (one == other) is same
