"""The objects of Models on a real API server and scheduler: accepted without a warning under Pod Security restricted,
and their pods land on the nodes that they ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headway.engines import registry
from headway.sites.kubernetes.facts import Facts
from headway.sites.kubernetes.labels import COMPONENT, MODEL
from headway.sites.kubernetes.objects.derived import told
from headway.sites.kubernetes.objects.model import model_objects
from headway.sites.kubernetes.objects.replica import replica_objects
from headway.sites.kubernetes.observe import facts
from headway.spec.check import from_json
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource
from tests.cluster.clients import warned
from tests.cluster.nodes import cpu_node, gpu_node, mig_node
from tests.cluster.waiting import until
from tests.sites.test_kube_golden import CASES
from tests.support.kube import derived

QWEN = "hf://Qwen/Qwen2.5-7B-Instruct@main"
NONE = {"weights": {"cache": "none"}}

# What is written, and the nodes that its Replicas may be on.
PLACED: list[tuple[str, dict[str, Any], set[str]]] = [
    ("product", {"source": QWEN, "gpu": "L4", "cost": {"spot": "prefer"}, **NONE}, {"l4-spot"}),
    ("memory", {"source": QWEN, "gpu": "40GB..", **NONE}, {"h100"}),
    ("left-out", {"source": QWEN, **NONE}, {"h100"}),
    ("slice", {"source": "hf://BAAI/bge-m3", "gpu": "mig-1g.10gb", **NONE}, {"sliced"}),
    ("share", {"source": QWEN, "gpu": 0.5, **NONE}, {"shared"}),
    ("spot", {"source": QWEN, "gpu": 1, "cost": {"spot": "only"}, **NONE}, {"l4-spot"}),
    ("no-spot", {"source": QWEN, "gpu": "20GB..", "cost": {"spot": "never"}, **NONE}, {"h100"}),
    ("cores", {"source": "builtin://smollm2-135m-instruct", **NONE}, {"cores"}),
    ("mock", {"source": "builtin://mock", "cpu": 0.1}, {"cores"}),
]


@pytest.fixture
def nodes(fleet: Callable[..., None]) -> None:
    fleet(
        cpu_node("cores"),
        gpu_node("h100", 8),
        gpu_node("l4-spot", 4, "NVIDIA-L4", spot=True),
        gpu_node("shared", 2, "Tesla-T4", shares=4),
        mig_node("sliced", {"1g.10gb": 7}),
    )


def written(name: str, said: dict[str, Any], known: Facts, namespace: str, replicas: int = 1) -> list[Manifest]:
    model = from_json({"name": name, **said})
    found = list(model_objects(model, known, namespace=namespace))
    for variant, way in model.ways.items():
        revision = registry.revise_elsewhere(way, variant).revision
        found += replica_objects(way, revision, known, namespace=namespace, replicas=replicas)
    return [told(each) for each in found]


async def ready(cluster: Cluster, namespace: str, model: str, count: int = 1) -> list[Manifest]:
    async def found() -> list[Manifest]:
        pods = (await cluster.list(resource("Pod"), namespace, labels=f"{MODEL}={model},{COMPONENT}=replica")).items
        good = [each for each in pods if any(
            one["type"] == "Ready" and one["status"] == "True" for one in each["status"].get("conditions", ())
        )]  # fmt: skip
        return good if len(good) >= count else []

    try:
        return await until(found, 60)
    except TimeoutError:
        pods = (await cluster.list(resource("Pod"), namespace)).items
        said = [(each["metadata"]["name"], each["status"].get("conditions")) for each in pods]
        events = (await cluster.list(resource("Event"), namespace)).items
        refused = [each["message"] for each in events if each["type"] == "Warning"]
        raise AssertionError(f"{model}: not {count} ready: {said} {refused}") from None


@pytest.mark.usefixtures("nodes")
async def test_pods_land_where_they_ask_to(cluster: Cluster, namespace: str) -> None:
    warnings, known = warned(cluster), await facts(cluster)
    for name, said, _ in PLACED:
        for each in written(name, said, known, namespace):
            await cluster.apply(each)
    for name, _, where in PLACED:
        (pod,) = await ready(cluster, namespace, name)
        assert pod["spec"]["nodeName"] in where, name
    assert warnings == []


@pytest.mark.usefixtures("nodes")
async def test_weights_come_once_to_a_shared_claim(cluster: Cluster, namespace: str) -> None:
    """The Job fills the claim that all Replicas read. Its pods end as a kubelet's would."""
    warnings, known = warned(cluster), await facts(cluster)
    said = {"source": QWEN, "gpu": "H100", "weights": {"cache": "volume", "class": "shared", "size": "1GB"}}
    objects = written("chat", said, known, namespace, replicas=2)
    assert [each["kind"] for each in objects] == [
        "Service", "PodDisruptionBudget", "PersistentVolumeClaim", "Job", "Service", "Deployment",
    ]  # fmt: skip
    for each in objects:
        await cluster.apply(each)
    pods = await ready(cluster, namespace, "chat", 2)
    claims = {each["persistentVolumeClaim"]["claimName"] for pod in pods for each in pod["spec"]["volumes"]
              if "persistentVolumeClaim" in each}  # fmt: skip
    (claim,) = claims
    bound = await cluster.get(resource("PersistentVolumeClaim"), claim, namespace)
    assert bound is not None
    assert bound["status"]["phase"] == "Bound"
    assert warnings == []


@pytest.mark.usefixtures("nodes")
async def test_each_replica_keeps_a_claim_of_its_own(cluster: Cluster, namespace: str) -> None:
    warnings, known = warned(cluster), await facts(cluster)
    said = {"source": QWEN, "gpu": "H100", "weights": {"cache": "replica", "class": "disk", "size": "1GB"}}
    for each in written("chat", said, known, namespace, replicas=2):
        await cluster.apply(each)
    pods = await ready(cluster, namespace, "chat", 2)
    assert len({pod["metadata"]["name"][-2:] for pod in pods} & {"-0", "-1"}) == 2
    claims = (await cluster.list(resource("PersistentVolumeClaim"), namespace)).items
    assert len(claims) == 2
    assert warnings == []


@pytest.mark.usefixtures("nodes")
async def test_a_replica_of_two_nodes_without_leader_worker_set(
    cluster: Cluster, namespace: str, fleet: Callable[..., None]
) -> None:
    fleet(gpu_node("h100-b", 8))
    warnings, known = warned(cluster), await facts(cluster)
    said = {"source": "hf://meta-llama/Llama-3.1-70B-Instruct", "gpu": "H100:16", **NONE}
    for each in written("big", said, known, namespace):
        await cluster.apply(each)
    pods = await ready(cluster, namespace, "big", 2)
    assert {pod["spec"]["nodeName"] for pod in pods} == {"h100", "h100-b"}
    assert warnings == []


@pytest.mark.usefixtures("nodes")
async def test_gateways_find_replicas_by_the_labels_of_slices(cluster: Cluster, namespace: str) -> None:
    known = await facts(cluster)
    for each in written("mock", {"source": "builtin://mock"}, known, namespace, replicas=2):
        await cluster.apply(each)
    await ready(cluster, namespace, "mock", 2)

    async def found() -> list[Manifest]:
        slices = (await cluster.list(resource("EndpointSlice"), namespace, labels="headway.dev/revision")).items
        return [each for each in slices if len(each.get("endpoints") or ()) == 2]

    (only,) = await until(found)
    assert only["metadata"]["labels"][MODEL] == "mock"
    assert only["ports"][0]["name"] == "http"


async def test_every_object_of_every_case_is_taken_without_a_warning(cluster: Cluster, namespace: str) -> None:
    """A dry run: what the schemas and the server's own checks say of it. Of kinds whose CRD is not here nothing is."""
    warnings = warned(cluster)
    for facts_of_case, said in CASES.values():
        for each in derived(facts_of_case, namespace=namespace, **said):
            if not each.manifest["apiVersion"].startswith("leaderworkerset."):
                await cluster.apply(told(each), dry_run=True)
    assert warnings == []
