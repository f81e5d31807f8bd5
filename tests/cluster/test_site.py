"""A cluster behind the Protocol of a Site: what it has, Replicas, exactly the one that is meant ends, logs, a port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import httpx2
import pytest

from headway.errors import HeadwayError, ResourceError
from headway.policy.decision import Reason
from headway.sites.base import ReplicaState
from headway.sites.kubernetes import observe
from headway.sites.kubernetes.labels import of_model
from headway.sites.kubernetes.site import KubernetesSite
from headway.sites.kubernetes.workload import end
from headway.spec.revision import Pinned, Revision
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.forward import forward
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubelet import Kubelet
from tests.cluster.nodes import cpu_node, gpu_node, mig_node
from tests.cluster.played import Played
from tests.cluster.test_player import deployment, service
from tests.cluster.waiting import until

POD = resource("Pod")
REVISION = Revision("chat", "mock", Pinned("builtin://mock"), "chat")
Fleet = Callable[..., None]


def objects_in(namespace: str) -> Callable[[Revision, int], object]:
    async def objects(revision: Revision, count: int) -> Sequence[Manifest]:
        name, labels = f"chat-{revision.id}", dict(of_model("chat", revision.id))
        made = deployment(namespace, count, name=name, limits={"nvidia.com/gpu": 1})
        made["spec"]["selector"]["matchLabels"] = labels
        made["spec"]["template"]["metadata"]["labels"] = labels
        made["metadata"]["labels"] = labels
        there = service(namespace, name)
        there["spec"]["selector"] = there["metadata"]["labels"] = labels
        return [made, there]

    return objects


@pytest.fixture
async def site(cluster: Cluster, namespace: str) -> AsyncIterator[KubernetesSite]:
    made = KubernetesSite(cluster, namespace=namespace, objects=objects_in(namespace))  # type: ignore[arg-type]
    await made.open()
    yield made
    await made.close()


async def until_ready(site: KubernetesSite, count: int) -> None:
    async def look() -> bool:
        await site.changed(1.0)
        replicas = site.replicas()
        return len(replicas) == count and all(each.state is ReplicaState.READY for each in replicas)

    await until(look)


async def test_what_a_cluster_has(cluster: Cluster, fleet: Fleet, namespace: str, site: KubernetesSite) -> None:
    fleet(
        gpu_node("s-h100", 8),
        gpu_node("s-l4", 4, "NVIDIA-L4", spot=True),
        mig_node("s-mig", {"1g.10gb": 7}),
        cpu_node("s-cpu", labels={"headway.dev/price": "0.4"}),
    )
    await site.ensure(REVISION, 2)
    await until_ready(site, 2)
    facts = await observe.facts(cluster)
    assert facts.version[0] == 1
    assert facts.version[1] >= 34
    assert facts.has("apps")
    assert not facts.has("keda.sh")
    nodes = {each.name: each for each in facts.nodes}
    assert {name: [each.product for each in node.gpus] for name, node in nodes.items()} == {
        "s-h100": ["H100-SXM"],
        "s-l4": ["L4"],
        "s-mig": ["A100-80-SXM/1g.10gb"],
        "s-cpu": [],
    }
    assert nodes["s-l4"].spot
    assert nodes["s-cpu"].price == 0.4
    assert sum(each.count - each.free for node in facts.nodes for each in node.gpus) == 2
    without = await observe.facts(cluster, without={"chat"})
    assert sum(each.count - each.free for node in without.nodes for each in node.gpus) == 0
    inventory = await site.inventory()
    assert len(inventory.accelerators) == 8 + 4 + 7
    assert "disk" in {each.name for each in facts.storage}


async def test_replicas_have_addresses_and_exactly_the_one_that_is_meant_ends(
    fleet: Fleet, site: KubernetesSite
) -> None:
    fleet(gpu_node("s-1", 8))
    await site.ensure(REVISION, 3)
    await until_ready(site, 3)
    before = {each.name: each for each in site.replicas()}
    assert all(each.host and each.port == 8000 and each.node == "s-1" for each in before.values())
    assert all((each.model, each.revision) == ("chat", REVISION.id) for each in before.values())
    leaving = sorted(before)[1]
    await site.drain(leaving, grace=5.0)
    await site.drain("nobody", grace=5.0)

    async def gone() -> bool:
        await site.changed(1.0)
        return leaving not in {each.name for each in site.replicas()}

    await until(gone)
    await until_ready(site, 2)
    assert {each.name for each in site.replicas()} == before.keys() - {leaving}, "none was started in its place"
    await site.ensure(REVISION, 1)
    await until_ready(site, 2)
    assert len(site.replicas()) == 2, "ensure never ends a Replica"


async def test_two_drains_at_once_end_two(fleet: Fleet, site: KubernetesSite) -> None:
    fleet(gpu_node("s-1", 8))
    await site.ensure(REVISION, 4)
    await until_ready(site, 4)
    names = [each.name for each in site.replicas()]
    await asyncio.gather(*(site.drain(each, 5.0) for each in names[:2]))
    await until_ready(site, 2)
    assert [each.name for each in site.replicas()] == names[2:]


async def test_a_statefulset_ends_only_its_last(cluster: Cluster, fleet: Fleet, namespace: str) -> None:
    fleet(gpu_node("s-1", 8))
    labels = dict(of_model("chat", "abc"))
    made = deployment(namespace, 2)
    made |= {"kind": "StatefulSet", "metadata": {"name": "chat", "namespace": namespace, "labels": labels}}
    made["spec"] |= {"serviceName": "chat", "podManagementPolicy": "Parallel", "selector": {"matchLabels": labels}}
    made["spec"]["template"]["metadata"]["labels"] = labels
    await cluster.apply(made)
    first, last = [await until(lambda name=name: cluster.get(POD, name, namespace)) for name in ("chat-0", "chat-1")]  # type: ignore[misc]
    with pytest.raises(ResourceError, match="end chat-1 first"):
        await end(cluster, first, 1.0)
    await end(cluster, last, 1.0)

    async def is_gone() -> bool:
        return await cluster.get(POD, "chat-1", namespace) is None

    await until(is_gone)


async def test_what_cannot_be_placed_is_pending_and_told(fleet: Fleet, site: KubernetesSite) -> None:
    fleet(gpu_node("s-1", 1))
    await site.ensure(REVISION, 2)

    async def pending() -> bool:
        await site.changed(1.0)
        return any(each.state is ReplicaState.PENDING and each.reason is Reason.NO_FREE_GPU for each in site.replicas())

    await until(pending)

    async def told() -> bool:
        await site.changed(1.0)
        return any(
            each.reason is Reason.UNSCHEDULABLE and "nvidia.com/gpu" in each.message for each in site.decisions()
        )

    await until(told)


@pytest.fixture
async def kubelet(plane: ControlPlane, cluster: Cluster, fleet: Fleet) -> AsyncIterator[Kubelet]:
    """Of the node s-kubelet, as far as an API server asks one."""
    fleet(gpu_node("s-kubelet", 8))
    made = Kubelet(plane.identities.certificate("kubelet", hosts=["127.0.0.1"]), lambda *_: None)
    server = await made.open()
    where = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": made.port}},
    }
    await cluster.patch(resource("Node"), "s-kubelet", {"status": where}, sub="status")
    yield made
    server.close()


async def test_logs_come_from_the_node(kubelet: Kubelet, site: KubernetesSite) -> None:
    await site.ensure(REVISION, 1)
    await until_ready(site, 1)
    (replica,) = site.replicas()
    kubelet.logs[replica.name] = [f"line {number}" for number in range(10)]
    assert [each async for each in site.logs(replica.name, lines=2)] == ["line 8", "line 9"]
    assert [each async for each in site.logs(replica.name, follow=True)] == kubelet.logs[replica.name]
    assert "follow=true" in kubelet.asked[-1]
    with pytest.raises(HeadwayError, match="no replica 'nobody'"):
        _ = [each async for each in site.logs("nobody")]


async def test_a_port_of_a_pod_is_a_port_of_this_machine(
    kubelet: Kubelet, site: KubernetesSite, serving: Played, namespace: str, cluster: Cluster
) -> None:
    await site.ensure(REVISION, 1)
    await until_ready(site, 1)
    (replica,) = site.replicas()
    kubelet.address_of = lambda *where: (replica.host, 8000) if where == (namespace, replica.name, 8000) else None
    server = await forward(cluster, namespace, replica.name, 8000)
    port = server.sockets[0].getsockname()[1]
    body = {
        "model": "chat",
        "stream": True,
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "x" * 100_000}],
    }
    async with server, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        answers = await asyncio.gather(*(client.post("/v1/chat/completions", json=body) for _ in range(4)))
        assert [each.status_code for each in answers] == [200] * 4
        assert all(each.text.rstrip().endswith("data: [DONE]") for each in answers)
    nowhere = await forward(cluster, namespace, replica.name, 9)
    async with nowhere, httpx2.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx2.HTTPError):
            await client.get(f"http://127.0.0.1:{nowhere.sockets[0].getsockname()[1]}/")
