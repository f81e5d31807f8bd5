"""The simulated nodes and pods themselves: what the other tests of this folder rest on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource
from tests.cluster.behaviour import Behaviour
from tests.cluster.nodes import cpu_node, gpu_node, mig_node
from tests.cluster.played import Played
from tests.cluster.waiting import until

POD, SLICE, CLAIM = resource("Pod"), resource("EndpointSlice"), resource("PersistentVolumeClaim")
DEPLOYMENT = resource("Deployment")
SAFE = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
TOLERATES = [{"key": "nvidia.com/gpu", "operator": "Exists"}]


def deployment(namespace: str, replicas: int = 1, *, name: str = "chat", limits: dict[str, Any] | None = None,
               container: Manifest | None = None, **more: Any) -> Manifest:  # fmt: skip
    labels = {"headway.dev/model": name}
    one = {"name": "engine", "image": "engine:1", "ports": [{"name": "http", "containerPort": 8000}],
           "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}},
           "securityContext": SAFE, "resources": {"limits": limits or {"nvidia.com/gpu": 1}}}  # fmt: skip
    pod = {
        "containers": [one | (container or {})],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "tolerations": TOLERATES,
    }
    template = {"metadata": {"labels": labels}, "spec": pod | more}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}}  # fmt: skip


def service(namespace: str, name: str = "chat") -> Manifest:
    spec = {
        "selector": {"headway.dev/model": name},
        "clusterIP": "None",
        "ports": [{"name": "http", "port": 8000, "targetPort": "http"}],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


async def pods(cluster: Cluster, namespace: str) -> list[Manifest]:
    return (await cluster.list(POD, namespace)).items


async def ready(cluster: Cluster, namespace: str, count: int) -> list[Manifest]:
    found: list[Manifest] = []

    async def look() -> bool:
        found[:] = [each for each in await pods(cluster, namespace) if _condition(each, "Ready") == "True"]
        return len(found) == count

    await until(look)
    return found


def _condition(pod: Manifest, kind: str) -> str:
    return next((each["status"] for each in pod["status"].get("conditions", []) if each["type"] == kind), "")


async def test_pods_run_where_their_gpus_are(cluster: Cluster, namespace: str, fleet: Callable[..., None]) -> None:
    fleet(cpu_node("cpu"), gpu_node("gpu", 4), mig_node("mig", {"1g.10gb": 7}))
    await cluster.apply(deployment(namespace, 3))
    await cluster.apply(deployment(namespace, 2, name="small", limits={"nvidia.com/mig-1g.10gb": 1}))
    found = await ready(cluster, namespace, 5)
    assert sorted(each["spec"]["nodeName"] for each in found) == ["gpu"] * 3 + ["mig"] * 2
    assert len({each["status"]["podIP"] for each in found}) == 5


async def test_a_pod_with_no_gpu_left_says_why(cluster: Cluster, namespace: str, fleet: Callable[..., None]) -> None:
    fleet(gpu_node("gpu", 1))
    await cluster.apply(deployment(namespace, 2))
    await ready(cluster, namespace, 1)

    async def refused() -> str:
        told = [each for pod in await pods(cluster, namespace) for each in pod["status"].get("conditions", [])]
        return next((each["message"] for each in told if each.get("reason") == "Unschedulable"), "")

    assert "Insufficient nvidia.com/gpu" in await until(refused)


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CrashLoopBackOff"])
async def test_pods_fail_as_told(
    cluster: Cluster, namespace: str, fleet: Callable[..., None], player: Played, reason: str
) -> None:
    fleet(gpu_node("gpu"))
    player.behave(lambda _: Behaviour(fails=reason))
    await cluster.apply(deployment(namespace))

    async def waits() -> str:
        told = [
            each["state"]
            for pod in await pods(cluster, namespace)
            for each in pod["status"].get("containerStatuses", [])
        ]
        return next((each["waiting"]["reason"] for each in told if "waiting" in each), "")

    assert await until(waits) == reason


async def test_a_job_ends(cluster: Cluster, namespace: str, fleet: Callable[..., None]) -> None:
    fleet(gpu_node("gpu"))
    made = deployment(namespace, restartPolicy="Never")
    spec = {"template": made["spec"]["template"]}
    await cluster.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": made["metadata"], "spec": spec})

    async def done() -> bool:
        job = await cluster.get(resource("Job"), "chat", namespace)
        return bool(job and job["status"].get("succeeded"))

    await until(done)


@pytest.mark.parametrize("of", ["disk", "shared"])
async def test_claims_are_given_volumes(cluster: Cluster, namespace: str, fleet: Callable[..., None], of: str) -> None:
    fleet(gpu_node("gpu"))
    mode = "ReadWriteOnce" if of == "disk" else "ReadWriteMany"
    spec = {"accessModes": [mode], "storageClassName": of, "resources": {"requests": {"storage": "1Gi"}}}
    await cluster.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                         "metadata": {"name": "weights", "namespace": namespace}, "spec": spec})  # fmt: skip
    volumes = [{"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}}]
    mounts = {"volumeMounts": [{"name": "weights", "mountPath": "/models"}]}
    await cluster.apply(deployment(namespace, volumes=volumes, container=mounts))
    await ready(cluster, namespace, 1)
    claim = await cluster.get(CLAIM, "weights", namespace)
    assert claim
    assert claim["status"]["phase"] == "Bound"


async def test_requests_flow_to_the_address_in_the_slice_and_drain_before_the_end(
    cluster: Cluster, namespace: str, fleet: Callable[..., None], serving: Played
) -> None:
    """The hook of the manifest holds the engine until it says so, the slice says that it ends meanwhile."""
    fleet(gpu_node("gpu"))
    hook = {"lifecycle": {"preStop": {"sleep": {"seconds": 20}}}}
    await cluster.apply(service(namespace))
    await cluster.apply(deployment(namespace, container=hook))

    async def endpoint(**wanted: bool) -> str:
        slices = (await cluster.list(SLICE, namespace, labels="headway.dev/none!=x")).items
        for each in (found for piece in slices for found in piece["endpoints"] or ()):
            if wanted.items() <= each["conditions"].items():
                return f"http://{each['addresses'][0]}:{slices[0]['ports'][0]['port']}"
        return ""

    url = await until(lambda: endpoint(ready=True, serving=True, terminating=False))
    asked = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3}
    async with httpx2.AsyncClient(trust_env=False) as http:
        answer = await http.post(f"{url}/v1/chat/completions", json=asked)
        assert answer.json()["usage"]["completion_tokens"] == 3
        await cluster.patch(DEPLOYMENT, "chat", {"spec": {"replicas": 0}}, namespace)
        assert await until(lambda: endpoint(terminating=True, serving=True, ready=False)) == url
        assert (await http.post(f"{url}/v1/chat/completions", json=asked)).status_code == 200
    (pod,) = await pods(cluster, namespace)
    await cluster.delete(POD, pod["metadata"]["name"], namespace, grace=0)  # the hook would take longer


async def test_an_engine_that_is_killed_starts_again(
    cluster: Cluster, namespace: str, fleet: Callable[..., None], serving: Played
) -> None:
    fleet(gpu_node("gpu"))
    await cluster.apply(deployment(namespace))
    (pod,) = await ready(cluster, namespace, 1)
    serving.kill_engine(namespace, pod["metadata"]["name"])

    async def restarted() -> bool:
        (found,) = await ready(cluster, namespace, 1)
        return bool(found["status"]["containerStatuses"][0]["restartCount"] == 1)

    await until(restarted)


async def test_a_node_that_hangs_takes_its_pods_with_it(
    cluster: Cluster, namespace: str, fleet: Callable[..., None], serving: Played
) -> None:
    fleet(gpu_node("gpu"))
    await cluster.apply(deployment(namespace))
    await ready(cluster, namespace, 1)
    serving.lose("gpu")
    await ready(cluster, namespace, 0)
