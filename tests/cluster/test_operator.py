"""The operator on a real control plane, with its own service account's rights: what it makes, mends and leaves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from headway.sites.kubernetes.labels import FINALIZER, MANAGED
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource
from tests.cluster.clients import connect
from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes import cpu_node, gpu_node
from tests.cluster.operating import MODEL, OURS, Operator, install, leftovers, model, settled
from tests.cluster.waiting import until

DEPLOYMENT, POD, SERVICE, JOB = (resource(each) for each in ("Deployment", "Pod", "Service", "Job"))


@pytest.fixture
async def operator(plane: ControlPlane, cluster: Cluster) -> AsyncIterator[Operator]:
    await install(cluster)
    made = Operator(plane)
    made.start()
    yield made
    made.close()


@pytest.fixture
def nodes(fleet: Callable[..., None]) -> None:
    fleet(cpu_node("cores-1"), cpu_node("cores-2"))


async def deployments(cluster: Cluster, namespace: str) -> list[Manifest]:
    return (await cluster.list(DEPLOYMENT, namespace)).items


async def conditions(cluster: Cluster, namespace: str, name: str = "chat", kind: str = "Model") -> Mapping[str, Any]:
    found = await cluster.get(resource(kind, OURS), name, namespace)
    return {each["type"]: each for each in ((found or {}).get("status") or {}).get("conditions") or ()}


async def says(cluster: Cluster, namespace: str, kind: str, reason: str, name: str = "chat") -> str:
    """The message of a condition that has this reason now; empty: it has another."""
    found = (await conditions(cluster, namespace, name)).get(kind, {})
    return found.get("message", "") if found.get("reason") == reason else ""


@pytest.mark.usefixtures("nodes")
async def test_a_model_runs_rolls_and_goes(operator: Operator, cluster: Cluster, namespace: str) -> None:
    made = await cluster.apply(model(namespace, "chat", replicas=2))
    await until(lambda: settled(cluster, namespace))
    (first,) = await deployments(cluster, namespace)
    assert not await leftovers(cluster, namespace, [made])
    found = await cluster.get(MODEL, "chat", namespace)
    assert found
    assert found["metadata"]["finalizers"] == [FINALIZER]
    assert [each["state"] for each in found["status"]["revisions"]] == ["serving"]

    await cluster.apply(model(namespace, "chat", replicas=2, args={"max-running": 7}))
    await until(lambda: settled(cluster, namespace))
    await until(lambda: _one(cluster, namespace, other_than=first["metadata"]["name"]))
    assert not await leftovers(cluster, namespace, [made])

    await cluster.delete(MODEL, "chat", namespace)
    await until(lambda: _gone(cluster, namespace))
    assert "Traceback" not in operator.log()


async def _one(cluster: Cluster, namespace: str, *, other_than: str) -> bool:
    names = [each["metadata"]["name"] for each in await deployments(cluster, namespace)]
    return len(names) == 1 and names != [other_than]


async def _gone(cluster: Cluster, namespace: str) -> bool:
    return (
        not (await cluster.list(MODEL, namespace)).items
        and not (await cluster.list(POD, namespace)).items
        and not (await leftovers(cluster, namespace, []))
    )


@pytest.mark.usefixtures("nodes")
async def test_a_roll_never_has_fewer_that_answer(operator: Operator, cluster: Cluster, namespace: str) -> None:
    await cluster.apply(model(namespace, "chat", replicas=3))
    await until(lambda: settled(cluster, namespace))
    fewest = 3
    await cluster.apply(model(namespace, "chat", replicas=3, args={"max-running": 9}))
    while not await settled(cluster, namespace):
        pods = (await cluster.list(POD, namespace)).items
        fewest = min(fewest, sum(_answers(each) for each in pods))
        await asyncio.sleep(0.02)
    assert fewest == 3


def _answers(pod: Manifest) -> bool:
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions") or ())
    return ready and "deletionTimestamp" not in pod["metadata"]


@pytest.mark.usefixtures("nodes")
async def test_what_somebody_changes_is_put_back(operator: Operator, cluster: Cluster, namespace: str) -> None:
    await cluster.apply(model(namespace, "chat"))
    await until(lambda: settled(cluster, namespace))
    (workload,) = await deployments(cluster, namespace)
    name = workload["metadata"]["name"]
    engine = workload["spec"]["template"]["spec"]["containers"][0]
    other = {"containers": [{"name": engine["name"], "image": "evil:1"}]}
    change = {"metadata": {"labels": {"team": "theirs"}}, "spec": {"template": {"spec": other}}}
    theirs = workload["spec"]["template"]["spec"] | {"containers": [engine | {"image": "evil:1"}]}
    change["spec"] = {"template": {"spec": theirs}}
    await cluster.patch(DEPLOYMENT, name, change, namespace)
    await cluster.delete(SERVICE, "chat", namespace)
    await until(lambda: _is_as_derived(cluster, namespace, name, engine["image"]))
    await until(lambda: _is_there(cluster, namespace))
    found = await cluster.get(DEPLOYMENT, name, namespace)
    assert found
    assert found["metadata"]["labels"]["team"] == "theirs"  # what we did not derive is theirs to say
    assert operator.figure("headway_operator_repairs_total") >= 1


async def _is_as_derived(cluster: Cluster, namespace: str, name: str, image: str) -> bool:
    found = await cluster.get(DEPLOYMENT, name, namespace)
    return bool(found) and found["spec"]["template"]["spec"]["containers"][0]["image"] == image


async def _is_there(cluster: Cluster, namespace: str) -> bool:
    return await cluster.get(SERVICE, "chat", namespace) is not None


@pytest.mark.usefixtures("nodes")
async def test_who_says_how_many_is_left_alone(
    plane: ControlPlane, operator: Operator, cluster: Cluster, namespace: str
) -> None:
    """A person's number stays until the Model asks for another, which /scale does too; an HPA is never fought."""
    await cluster.apply(model(namespace, "chat", replicas=2))
    await until(lambda: settled(cluster, namespace))
    (workload,) = await deployments(cluster, namespace)
    name = workload["metadata"]["name"]
    person = connect(plane.kubeconfig(), manager="kubectl")
    await person.patch(DEPLOYMENT, name, {"spec": {"replicas": 3}}, namespace, sub="scale")
    await until(lambda: settled(cluster, namespace, replicas=3))
    assert "kubectl says 3 replicas" in await until(lambda: says(cluster, namespace, "Degraded", "HeldByOthers"))

    await person.patch(MODEL, "chat", {"spec": {"replicas": 1}}, namespace, sub="scale")
    await until(lambda: settled(cluster, namespace, replicas=1))
    scale = await cluster.get(MODEL, "chat", namespace, sub="scale")
    assert scale
    assert (scale["spec"], scale["status"]["replicas"]) == ({"replicas": 1}, 1)
    assert "headway.dev/model=chat" in scale["status"]["selector"]

    await cluster.apply(_autoscaler(namespace, name))
    await person.patch(DEPLOYMENT, name, {"spec": {"replicas": 4}}, namespace, sub="scale")  # as it would
    await until(lambda: settled(cluster, namespace, replicas=4))
    await person.patch(MODEL, "chat", {"spec": {"replicas": 2}}, namespace, sub="scale")
    assert "HorizontalPodAutoscaler" in await until(lambda: says(cluster, namespace, "Degraded", "HeldByOthers"))
    await until(lambda: settled(cluster, namespace, replicas=4))
    await person.close()


def _autoscaler(namespace: str, workload: str) -> Manifest:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "theirs", "namespace": namespace},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 9},
    }


async def test_who_waits_is_told_for_what(
    operator: Operator, cluster: Cluster, namespace: str, fleet: Callable[..., None]
) -> None:
    """By the Job that holds the GPU; when the Job ends, the Replica runs."""
    fleet(cpu_node("cores-1"), gpu_node("h100-1", 1), gpu_node("a100-1", 1, "NVIDIA-A100-SXM4-40GB"))
    await cluster.apply(_job(namespace))
    await until(lambda: _placed(cluster, namespace))
    await cluster.apply(model(namespace, "chat", gpu="80GB..", engine="vllm", source="hf://Qwen/Qwen2.5-7B-Instruct"))
    told = await until(lambda: says(cluster, namespace, "Degraded", "NoFreeGpu"))
    assert "needs 1 x nvidia.com/gpu" in told
    assert "1 node has it, all taken" in told
    assert f"frees when Job {namespace}/training ends" in told
    assert "with 80GB" in told
    assert "largest free is 43GB (A100" in told
    await cluster.delete(JOB, "training", namespace)
    await until(lambda: settled(cluster, namespace))


async def _placed(cluster: Cluster, namespace: str) -> bool:
    return any(each["spec"].get("nodeName") for each in (await cluster.list(POD, namespace)).items)


def _job(namespace: str) -> Manifest:
    safe = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "train",
        "image": "train:1",
        "securityContext": safe,
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
    }
    pod = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
        "containers": [container],
    }
    metadata = {"name": "training", "namespace": namespace}
    template = {"metadata": {"annotations": {"tests.headway.dev/start-seconds": "600"}}, "spec": pod}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template}}


@pytest.mark.usefixtures("nodes")
async def test_the_older_of_two_has_the_name(operator: Operator, cluster: Cluster, namespace: str) -> None:
    await cluster.apply(model(namespace, "chat"))
    await until(lambda: settled(cluster, namespace))
    later = f"zz-{namespace}"  # of one second, the first by name is the older
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": later}})
    await cluster.apply(model(later, "chat"))
    told = await until(lambda: says(cluster, later, "Ready", "NameTaken"))
    assert f"Model {namespace}/chat has the name" in told
    assert not (await cluster.list(DEPLOYMENT, later, labels=f"{MANAGED}=headway")).items
    await cluster.delete(MODEL, "chat", namespace)
    await until(lambda: settled(cluster, later))
    await cluster.delete(MODEL, "chat", later)
    await until(lambda: _gone(cluster, later))
    await cluster.delete(resource("Namespace"), later)


@pytest.mark.usefixtures("nodes")
async def test_what_others_made_is_not_taken_over(operator: Operator, cluster: Cluster, namespace: str) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "theirs"}},
    }
    await cluster.apply(theirs)
    await cluster.apply(model(namespace, "chat"))
    told = await until(lambda: says(cluster, namespace, "Degraded", "Refused"))
    assert "is there already and not Headway's" in told
    found = await cluster.get(SERVICE, "chat", namespace)
    assert found
    assert found["spec"]["selector"] == {"app": "theirs"}


@pytest.mark.usefixtures("nodes")
async def test_what_the_cluster_lacked_may_come_later(operator: Operator, cluster: Cluster, namespace: str) -> None:
    """Nobody touches the Model again."""
    await cluster.apply(model(namespace, "chat", priority=f"urgent-{namespace}"))
    told = await until(lambda: says(cluster, namespace, "Degraded", "SpecInvalid"))
    assert f"the cluster has no PriorityClass urgent-{namespace}" in told
    metadata = {"name": f"urgent-{namespace}"}
    urgent = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": metadata, "value": 1000}
    await cluster.apply(urgent)
    await until(lambda: settled(cluster, namespace))
    await cluster.delete(resource("PriorityClass"), metadata["name"])
    assert "Traceback" not in operator.log()


@pytest.mark.usefixtures("nodes")
async def test_one_of_two_operators_leads(
    plane: ControlPlane, operator: Operator, cluster: Cluster, namespace: str
) -> None:
    """The other stands by, and has the lease as soon as the first ends in order."""
    second = Operator(plane, "--lease", "2m")
    starting = asyncio.create_task(asyncio.to_thread(second.start, "operator-1"))
    await until(lambda: _async(second.ask("/readyz") == "stands by\n"))
    await cluster.apply(model(namespace, "chat"))
    await until(lambda: settled(cluster, namespace))
    assert second.figure("headway_operator_writes_total") == 0
    assert operator.kill(signal.SIGTERM) == 0
    await starting
    await cluster.apply(model(namespace, "chat", replicas=2))
    await until(lambda: settled(cluster, namespace))
    await cluster.delete(MODEL, "chat", namespace)  # while somebody is there to let it go
    await until(lambda: _gone(cluster, namespace))
    assert second.kill(signal.SIGTERM) == 0


async def _async(value: bool) -> bool:
    return value


async def test_a_roll_with_no_gpu_to_spare(
    operator: Operator, cluster: Cluster, namespace: str, fleet: Callable[..., None]
) -> None:
    """Old Replicas make room one at a time, so one always answers; and a node that joins restarts none of them."""
    fleet(cpu_node("cores-1"), gpu_node("h100-1", 2))
    wanted = {"engine": "vllm", "source": "hf://Qwen/Qwen2.5-7B-Instruct", "gpu": "1", "replicas": 2}
    await cluster.apply(model(namespace, "chat", **wanted))
    await until(lambda: settled(cluster, namespace))
    before = await names(cluster, namespace)
    fleet(gpu_node("l4-1", 1, "NVIDIA-L4", labels={"headway.dev/tests": "late"}, cpu=0.1))
    await cluster.apply(model(namespace, "chat", **wanted, slo={"ttft": "2s"}))
    await until(lambda: settled(cluster, namespace))
    assert await names(cluster, namespace) == before

    fewest = 2
    await cluster.apply(model(namespace, "chat", **wanted, args={"max-model-len": 4096}))
    while not await settled(cluster, namespace):
        fewest = min(fewest, sum(_answers(each) for each in (await cluster.list(POD, namespace)).items))
        await asyncio.sleep(0.02)
    assert fewest == 1
    assert not before & await names(cluster, namespace)
    assert "Traceback" not in operator.log()


async def test_a_replica_of_two_pods_is_ready_when_both_are_and_rolls(
    operator: Operator, cluster: Cluster, namespace: str, fleet: Callable[..., None]
) -> None:
    """Without LeaderWorkerSet: one StatefulSet is one Replica; its first pod answers while the second has no node."""
    fleet(cpu_node("cores-1"), gpu_node("h100-1", 8))
    big = {"engine": "vllm", "source": "hf://meta-llama/Llama-3.1-70B-Instruct", "gpu": "H100:16"}
    await cluster.apply(model(namespace, "big", **big))
    told = await until(lambda: says(cluster, namespace, "Ready", "NoFreeGpu", "big"))
    assert "needs 8 x nvidia.com/gpu" in told
    fleet(gpu_node("h100-2", 8))
    await until(lambda: settled(cluster, namespace))
    before = await names(cluster, namespace)
    await cluster.apply(model(namespace, "big", **big, args={"max-model-len": 4096}))
    await until(lambda: settled(cluster, namespace))
    assert not before & await names(cluster, namespace)
    assert "Traceback" not in operator.log()


@pytest.mark.usefixtures("nodes")
async def test_a_model_that_a_backup_brought_back_can_go(operator: Operator, cluster: Cluster, namespace: str) -> None:
    """Its finalizer is somebody else's too, so that our own apply alone does not take it off."""
    made = model(namespace, "chat")
    made["metadata"]["finalizers"] = [FINALIZER]
    await cluster.create(made)
    await Cluster(cluster.access, manager="velero").apply(made)
    await until(lambda: settled(cluster, namespace))
    await cluster.delete(MODEL, "chat", namespace)
    await until(lambda: _gone(cluster, namespace))
    assert "Traceback" not in operator.log()


async def names(cluster: Cluster, namespace: str) -> set[str]:
    return {each["metadata"]["name"] for each in (await cluster.list(POD, namespace)).items}


@pytest.mark.usefixtures("nodes")
async def test_the_api_server_may_go_away(
    plane: ControlPlane, operator: Operator, cluster: Cluster, namespace: str
) -> None:
    await cluster.apply(model(namespace, "chat"))
    await until(lambda: settled(cluster, namespace))
    await cluster.apply(model(namespace, "chat", replicas=3))
    plane.kill("kube-apiserver")
    plane.start("kube-apiserver")
    await until(lambda: settled(cluster, namespace))
    await cluster.apply(model(namespace, "chat", replicas=1))
    await until(lambda: settled(cluster, namespace))
    assert operator.process
    assert operator.process.poll() is None
    assert "Traceback" not in operator.log()
