"""A Tenant on a real API server: its members may work in its namespace, and nowhere else, within its quota."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from headway.sites.kubernetes.labels import SYSTEM, TENANT
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource
from tests.cluster.clients import connect
from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes import cpu_node
from tests.cluster.operating import OURS, Operator, install, model
from tests.cluster.waiting import until

SPACE = "research-space"
NAMESPACE, QUOTA, SECRET = (resource(each) for each in ("Namespace", "ResourceQuota", "Secret"))


def _tenant(**spec: Any) -> Manifest:
    said = {"members": ["ana@example.com", "group:ml"], "namespace": SPACE, "quota": {"gpus": 2, "cpu": 8}} | spec
    return {"apiVersion": OURS, "kind": "Tenant", "metadata": {"name": "research", "namespace": SYSTEM}, "spec": said}


@pytest.fixture
async def tenant(plane: ControlPlane, cluster: Cluster, fleet: Callable[..., None]) -> AsyncIterator[Operator]:
    """With its operator; gone after the test."""
    fleet(cpu_node("cores-1"))
    await install(cluster)
    operator = Operator(plane)
    operator.start()
    await cluster.apply(_tenant())
    await until(lambda: cluster.get(resource("RoleBinding"), "headway-members", SPACE))
    await until(lambda: cluster.get(QUOTA, "headway", SPACE))
    yield operator
    await cluster.delete(resource("Tenant"), "research", SYSTEM)
    await until(lambda: _gone(cluster, "Tenant", "research", SYSTEM))
    operator.close()
    await cluster.delete(NAMESPACE, SPACE)
    await until(lambda: _gone(cluster, "Namespace", SPACE, ""))


async def _gone(cluster: Cluster, kind: str, name: str, namespace: str) -> bool:
    return await cluster.get(resource(kind), name, namespace) is None


async def _refused(cluster: Cluster, what: Any) -> str:
    with pytest.raises(ApiRefusal) as caught:
        await what
    assert caught.value.status == 403
    return caught.value.message


@pytest.mark.usefixtures("tenant")
async def test_its_members_work_in_its_namespace_and_nowhere_else(
    plane: ControlPlane, cluster: Cluster, namespace: str
) -> None:
    await cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hf", "namespace": SPACE}})
    for user, *groups in (("ana@example.com",), ("ben@example.com", "ml")):
        theirs = connect(plane.kubeconfig(user, *groups))
        await theirs.apply(model(SPACE, "theirs"))
        found = await theirs.get(resource("Model"), "theirs", SPACE)
        assert found
        await _refused(theirs, theirs.get(SECRET, "hf", SPACE))
        await _refused(theirs, theirs.list(SECRET, SPACE))
        await _refused(theirs, theirs.apply(model(namespace, "elsewhere")))
        await _refused(theirs, theirs.list(resource("Model")))
        await _refused(theirs, theirs.apply(_tenant(quota={"gpus": 100})))
        await _refused(theirs, theirs.patch(QUOTA, "headway", {"spec": {"hard": {"pods": "1000"}}}, SPACE))
        new = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"new-{len(groups)}", "namespace": SPACE}}
        await theirs.create(new)
        await _refused(theirs, theirs.apply(new | {"stringData": {"a": "b"}}))  # its answer would hold the values
        await theirs.close()
    stranger = connect(plane.kubeconfig("eve@example.com", "sales"))
    await _refused(stranger, stranger.list(resource("Model"), SPACE))
    await stranger.close()
    await cluster.delete(resource("Model"), "theirs", SPACE)
    await until(lambda: _gone(cluster, "Model", "theirs", SPACE))


def _pod(**asked: str) -> Manifest:
    container = {
        "name": "x",
        "image": "x",
        "resources": {"requests": asked, "limits": {key: value for key, value in asked.items() if "/" in key}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "namespace": SPACE},
        "spec": {"containers": [container]},
    }


@pytest.mark.usefixtures("tenant")
async def test_its_quota_and_its_pod_security_hold(cluster: Cluster) -> None:
    await until(lambda: cluster.get(resource("ServiceAccount"), "default", SPACE))
    await until(lambda: _counted(cluster))
    told = await _refused(cluster, cluster.create(_pod(**{"nvidia.com/gpu": "3"})))
    assert "requests.nvidia.com/gpu" in told
    assert "cpu" in await _refused(cluster, cluster.create(_pod(cpu="9")))
    made = await cluster.create(_pod())
    assert made["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "100m", "the LimitRange's"
    await cluster.delete(resource("Pod"), "one", SPACE, grace=0)
    loose = _pod()
    loose["spec"]["containers"][0]["securityContext"] = {"allowPrivilegeEscalation": True}
    assert "PodSecurity" in await _refused(cluster, cluster.create(loose))


async def _counted(cluster: Cluster) -> bool:
    """Until the quota has been counted once, nothing may be made at all."""
    found = await cluster.get(QUOTA, "headway", SPACE)
    return bool(((found or {}).get("status") or {}).get("hard"))


async def test_its_namespace_outlives_it_and_the_rest_does_not(cluster: Cluster, tenant: Operator) -> None:
    del tenant
    await cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "work", "namespace": SPACE}})
    await cluster.delete(resource("Tenant"), "research", SYSTEM)
    await until(lambda: _gone(cluster, "Tenant", "research", SYSTEM))
    for kind in ("ResourceQuota", "LimitRange", "RoleBinding", "NetworkPolicy", "ServiceAccount"):
        assert not (await cluster.list(resource(kind), SPACE, labels=TENANT)).items
    assert await cluster.get(resource("ConfigMap"), "work", SPACE)
