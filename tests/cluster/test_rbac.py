"""Least privilege, measured: the verbs that operator and gateway used on a real API server are those they were given.

Everything an operator does is done once under its own service account; the audit log says which verbs that took. A verb
that was granted and never used is as much a fault as one that was refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest
import yaml

from headway.sites.kubernetes.install.rbac import GRANTS, account
from headway.sites.kubernetes.keys import ClusterKeys
from headway.sites.kubernetes.labels import SYSTEM
from headway.wire.kube.cluster import ApiRefusal, Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import GROUP, VERSION, resource
from tests.cluster.audit import Asked
from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes import cpu_node
from tests.cluster.operating import Operator, install, model, settled
from tests.cluster.waiting import until
from tests.support.cluster_gateway import ClusterGateway
from tests.support.ports import free_port
from tests.support.schemas import SHARED

OURS = f"{GROUP}/{VERSION}"
INSTALLED = ("keda", "kueue", "lws")
OPTIONAL = {"keda.sh", "kueue.x-k8s.io", "leaderworkerset.x-k8s.io"}
CLAIMED: Manifest = {
    "apiVersion": "resource.k8s.io/v1",
    "kind": "DeviceClass",
    "metadata": {"name": "gpu.nvidia.com"},
    "spec": {"selectors": [{"cel": {"expression": "device.driver == 'gpu.nvidia.com'"}}]},
}
"""With it and no device plugin, GPUs are claimed (DRA)."""
Right = tuple[str, str, str]  # group, resource with its subresource, verb


def _granted(part: str, groups: Callable[[str], bool]) -> dict[str, set[Right]]:
    """By scope."""
    found: dict[str, set[Right]] = {"cluster": set(), "system": set()}
    for each in GRANTS:
        if each.part == part and groups(each.group):
            found[each.scope] |= {(each.group, name, verb) for name in each.resources for verb in each.verbs}
    return found


def _used(asked: Iterable[Asked], part: str) -> dict[str, set[Right]]:
    """By the service account of a part, by scope. What cannot be seen in a request follows from it: an apply that made
    an object was a create too, and a RoleBinding that was made needed the right to bind its role."""
    user = f"system:serviceaccount:{SYSTEM}:{account(part)}"
    found: dict[str, set[Right]] = {"cluster": set(), "system": set()}
    for each in asked:
        if each.user != user or not each.resource:
            continue
        used = found["system" if each.namespace == SYSTEM else "cluster"]
        name = f"{each.resource}/{each.subresource}" if each.subresource else each.resource
        used.add((each.group, name, each.verb))
        if each.verb == "patch" and each.code == 201:
            used.add((each.group, name, "create"))
        if each.resource == "rolebindings" and each.code < 300 and each.verb == "patch":
            used.add((each.group, "clusterroles", "bind"))
    return found


def _others(folder: Path) -> list[Manifest]:
    """The ecosystem's kinds, where their schemas are."""
    found: list[Manifest] = []
    for path in sorted(folder.glob("crds/*.yaml")) if folder.is_dir() else ():
        if path.name.startswith(INSTALLED):
            found += [each for each in yaml.load_all(path.read_text(), yaml.CSafeLoader) if each]
    return [each for each in found if each["kind"] == "CustomResourceDefinition"]


@pytest.fixture
async def whole(cluster: Cluster) -> AsyncIterator[bool]:
    """Whether KEDA's, Kueue's and LWS's kinds are there."""
    kinds = resource("CustomResourceDefinition")
    others = _others(SHARED)
    for each in others:
        each["spec"].pop("conversion", None)  # their webhooks are not here
        await cluster.apply(each)
    names = [each["metadata"]["name"] for each in others]
    await until(lambda: _served(cluster, names))
    yield bool(others)
    for name in names:
        await cluster.delete(kinds, name)


async def _served(cluster: Cluster, names: list[str]) -> bool:
    found = [await cluster.get(resource("CustomResourceDefinition"), each) for each in names]
    conditions = [(each or {}).get("status", {}).get("conditions") or [] for each in found]
    if not all(any(one["type"] == "Established" and one["status"] == "True" for one in each) for each in conditions):
        return False
    try:
        for each in (
            ("ScaledObject", "LocalQueue", "ClusterQueue", "ResourceFlavor", "LeaderWorkerSet") if names else ()
        ):
            await cluster.list(resource(each))
    except ApiRefusal:  # "storage is (re)initializing"
        return False
    return True


def _elsewhere(namespace: str, name: str) -> Manifest:
    """A Model that somebody else serves: nothing of it stays on the cluster."""
    made = model(namespace, name)
    made["spec"] = {"source": "openai://gpt-4o-mini"}
    return made


def _wanted(namespace: str, *, whole: bool) -> list[Manifest]:
    """One of each thing that makes the operator do something else."""
    source = {"source": "hf://org/name-7b", "engine": "vllm", "gpu": "H100"}
    one = {"metadata": {"namespace": namespace}, "apiVersion": OURS}
    return [
        model(namespace, "plain"),
        model(namespace, "cached", **source, weights={"cache": "volume", "size": "20GB"}),
        model(namespace, "kept", **source, weights={"cache": "replica", "size": "20GB"}),
        model(
            namespace, "wide", **source | {"gpu": "H100:16"}, weights={"size": "20GB"}, replicas=1 if not whole else 2
        ),
        {
            **one,
            "kind": "Route",
            "metadata": {"name": "route", "namespace": namespace},
            "spec": {"to": [{"model": "plain"}]},
        },
        {**one, "kind": "App", "metadata": {"name": "app", "namespace": namespace}, "spec": {"preset": "notebook"}},
        {
            "apiVersion": OURS,
            "kind": "Tenant",
            "metadata": {"name": "team", "namespace": SYSTEM},
            "spec": {"members": ["ana"], "namespace": "team-space", "quota": {"gpus": 1, "cpu": 4}},
        },
        {**one, "kind": "Tenant", "metadata": {"name": "astray", "namespace": namespace}, "spec": {}},  # is told so
    ]


async def test_what_was_granted_is_what_was_used(
    plane: ControlPlane, cluster: Cluster, namespace: str, fleet: Callable[..., None], tmp_path: Path, *, whole: bool
) -> None:
    fleet(cpu_node("cores-1"))
    await install(cluster)
    await cluster.apply(CLAIMED)
    await cluster.delete(resource("Lease"), account("operator"), SYSTEM)  # other tests have operators too
    since = plane.audited()
    operator = Operator(plane, "--lease", "3s", "--scaler-port", str(free_port()))
    gateway = ClusterGateway(tmp_path, plane.kubeconfig(f"system:serviceaccount:{SYSTEM}:{account('gateway')}"))
    try:
        operator.start()
        gateway.start()
        wanted = _wanted(namespace, whole=whole)
        for each in wanted:
            await cluster.apply(each)
        await until(lambda: _all_seen(cluster, wanted))
        await cluster.apply(model(namespace, "plain", replicas=2, args={"max-running": 7}))
        await cluster.apply(_elsewhere(namespace, "cached"), force=True)
        await until(lambda: settled(cluster, namespace, "plain", replicas=2))
        await ClusterKeys(cluster, SYSTEM).new("team", now=0.0)
        await gateway.until("/readyz", 200)
        for each in wanted:
            await cluster.delete(resource(each["kind"]), each["metadata"]["name"], each["metadata"]["namespace"])
        await until(lambda: _all_gone(cluster, wanted))
        await until(lambda: _everything(plane, since, whole=whole), deadline=60.0)
    except TimeoutError:
        print(operator.log()[-6000:])
        _compare(plane, since, whole=whole)
        raise
    finally:
        operator.close()
        gateway.close()
        await cluster.delete(resource("DeviceClass"), CLAIMED["metadata"]["name"])
    _compare(plane, since, whole=whole)
    refused = {
        (each.user, each.verb, each.group, each.resource, each.subresource)
        for each in plane.audit(since)
        if each.code == 403 and each.user.startswith(f"system:serviceaccount:{SYSTEM}:")
    }
    assert not refused


async def _everything(plane: ControlPlane, since: int, *, whole: bool) -> bool:
    return all(_difference(plane, part, since, whole=whole) == (set(), set()) for part in ("operator", "gateway"))


def _difference(plane: ControlPlane, part: str, since: int, *, whole: bool) -> tuple[set[Right], set[Right]]:
    """What was granted and not used there, and what was used beyond it. A right over the whole cluster that was used in
    Headway's own namespace alone is too wide, and counts as not used."""
    granted = _granted(part, lambda group: whole or group not in OPTIONAL)
    used = _used(plane.audit(since), part)
    unused = (granted["cluster"] - used["cluster"]) | (granted["system"] - used["system"])
    beyond = (used["cluster"] - granted["cluster"]) | (used["system"] - granted["system"] - granted["cluster"])
    return unused, beyond


def _compare(plane: ControlPlane, since: int, *, whole: bool) -> None:
    for part in ("operator", "gateway"):
        unused, beyond = _difference(plane, part, since, whole=whole)
        assert not unused, f"{part}: granted and never used: {sorted(unused)}"
        assert not beyond, f"{part}: used beyond what the table says: {sorted(beyond)}"


async def _all_seen(cluster: Cluster, wanted: list[Manifest]) -> bool:
    """Each has a status of its present generation."""
    found = [
        await cluster.get(resource(each["kind"]), each["metadata"]["name"], each["metadata"]["namespace"])
        for each in wanted
    ]
    return all(each and (each.get("status") or {}).get("observedGeneration") for each in found)


async def _all_gone(cluster: Cluster, wanted: list[Manifest]) -> bool:
    found = await asyncio.gather(
        *(
            cluster.get(resource(each["kind"]), each["metadata"]["name"], each["metadata"]["namespace"])
            for each in wanted
        )
    )
    return not any(found)
