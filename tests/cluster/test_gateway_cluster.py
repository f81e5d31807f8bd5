"""The gateway in a cluster, on a real API server, with no more rights than an install gives it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from headway.engines import registry
from headway.sites.kubernetes.facts import UNKNOWN
from headway.sites.kubernetes.install.rbac import GRANTS, bindings
from headway.sites.kubernetes.install.rbac import roles as granted
from headway.sites.kubernetes.keys import ClusterKeys
from headway.sites.kubernetes.objects.crds import crds
from headway.sites.kubernetes.objects.replica import replica_objects
from headway.sites.kubernetes.read import read_model
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource
from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes import cpu_node
from tests.cluster.operating import Operator, settled
from tests.cluster.operating import install as install_all
from tests.cluster.played import Played
from tests.cluster.waiting import until
from tests.support.cluster_gateway import ClusterGateway
from tests.support.gateway import Answer, ask, bearer

USER = "gateway-of-the-tests"
AWAY, BACK = 60.0, 20.0  # seconds
CALLERS = 8


@pytest.fixture
async def gateway(
    plane: ControlPlane, cluster: Cluster, namespace: str, tmp_path: Path
) -> AsyncIterator[ClusterGateway]:
    await install(cluster, namespace)
    made = ClusterGateway(tmp_path, plane.kubeconfig(USER, "system:authenticated"), namespace=namespace)
    yield made
    made.close()
    for each in await roles(namespace):
        await cluster.delete(resource(each["kind"]), each["metadata"]["name"], each["metadata"].get("namespace", ""))


@pytest.fixture
def node(serving: Played, fleet: Callable[..., None]) -> None:
    """Where pods run and answer."""
    fleet(cpu_node("node-gw"))


async def test_the_api_server_is_away_for_a_minute_and_no_request_fails(
    plane: ControlPlane, cluster: Cluster, namespace: str, gateway: ClusterGateway, node: None
) -> None:
    model = await serve(cluster, namespace, 3)
    gateway.start()
    await until(lambda: answered(gateway, model, 200))
    load = Load(gateway, model)
    plane.kill("kube-apiserver")
    await asyncio.sleep(AWAY)
    plane.start("kube-apiserver")
    await cluster.apply(custom("Model", f"{model}-mark", namespace, SPEC))
    await until(lambda: knows(gateway, f"{model}-mark"))  # it follows again what changes
    await asyncio.sleep(BACK)  # the node controller finds its nodes silent, and marks their pods
    await load.end()
    print(f"{load} while the API server was away {AWAY:.0f} s")
    assert load.failed == []
    assert len(load.replicas) == 3


async def test_a_model_rolls_grows_and_shrinks_under_load_and_no_request_fails(
    plane: ControlPlane, cluster: Cluster, namespace: str, gateway: ClusterGateway, node: None
) -> None:
    await install_all(cluster)
    operator, name = Operator(plane), f"roll-{namespace}"
    operator.start()
    try:
        await cluster.apply(custom("Model", name, namespace, SPEC | {"replicas": 2}))
        gateway.start()
        await until(lambda: answered(gateway, name, 200))
        load = Load(gateway, name)
        for changes in ({"args": {"max-running": 16}}, {"args": {"max-running": 16}, "replicas": 4}, {"replicas": 1}):
            manifest = await cluster.apply(custom("Model", name, namespace, SPEC | {"replicas": 2} | changes))
            generation = manifest["metadata"]["generation"]
            await until(lambda seen=generation: followed(cluster, namespace, name, seen))
        await load.end()
        print(f"{load} while the Model rolled, grew, rolled back and shrank")
        assert load.failed == []
        assert len(load.replicas) >= 5  # two of the first Revision, and more of the second
        await cluster.delete(resource("Model"), name, namespace)
        await until(lambda: gone(cluster, namespace, name))  # its finalizer needs the operator
    finally:
        operator.close()


async def gone(cluster: Cluster, namespace: str, name: str) -> bool:
    return await cluster.get(resource("Model"), name, namespace) is None


async def followed(cluster: Cluster, namespace: str, name: str, generation: int) -> bool:
    found = await cluster.get(resource("Model"), name, namespace)
    seen = ((found or {}).get("status") or {}).get("observedGeneration") == generation
    return seen and await settled(cluster, namespace, name)


class Load:
    """Callers that ask one after the other until `end`."""

    def __init__(self, gateway: ClusterGateway, model: str) -> None:
        self.replicas: Counter[str] = Counter()
        self.failed: list[tuple[int, str]] = []
        self._gateway, self._model, self._ended = gateway, model, asyncio.Event()
        self._callers = [asyncio.create_task(self._call()) for _ in range(CALLERS)]

    async def end(self) -> None:
        self._ended.set()
        await asyncio.gather(*self._callers)

    async def _call(self) -> None:
        while not self._ended.is_set():
            answer = await asked(self._gateway, self._model)
            self.replicas[answer.headers.get("x-headway-replica", "")] += 1
            if answer.status != 200:
                self.failed.append((answer.status, answer.error["message"]))

    def __str__(self) -> str:
        return f"{sum(self.replicas.values())} requests on {len(self.replicas)} replicas, {len(self.failed)} failed,"


async def test_it_uses_exactly_the_rights_that_it_is_given(
    plane: ControlPlane, cluster: Cluster, namespace: str, gateway: ClusterGateway, node: None
) -> None:
    model = await serve(cluster, namespace, 1)
    await cluster.apply(custom("Tenant", "acme", namespace, {}))
    gateway.start()
    await until(lambda: answered(gateway, model, 401))
    keys = ClusterKeys(cluster, namespace)
    made = await keys.new("acme", now=time.time(), name="ci")
    await until(lambda: answered(gateway, model, 200, made.secret))
    again = await keys.rotate(made.key.id, 0.0, time.time())
    await until(lambda: answered(gateway, model, 200, again.secret))
    await until(lambda: answered(gateway, model, 401, made.secret))
    await keys.revoke(again.key.id, time.time())
    await until(lambda: answered(gateway, model, 401, again.secret))
    listed = [each.state(time.time()) for each in await keys.all()]
    assert sorted(listed) == ["expired", "revoked"]

    mine = [each for each in plane.audit() if each.user == USER]
    used = {(each.group, each.resource, each.verb) for each in mine if each.code < 400}
    granted = {
        (each.group, one, verb)
        for each in GRANTS
        if each.part == "gateway"
        for one in each.resources
        for verb in each.verbs
    }
    assert used == granted
    assert not [each for each in mine if each.writes]


async def test_two_of_one_name_the_older_is_served(
    cluster: Cluster, namespace: str, gateway: ClusterGateway, node: None
) -> None:
    model = await serve(cluster, namespace, 1)
    gateway.start()
    await until(lambda: answered(gateway, model, 200))
    later = f"{namespace}-later"
    await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": later}})
    try:
        await serve(cluster, later, 2, model)
        await cluster.apply(custom("Model", f"{model}-mark", namespace, SPEC))  # seen after the other
        await until(lambda: knows(gateway, f"{model}-mark"))
        assert await endpoints(gateway, model, 1)
    finally:
        await cluster.delete(resource("Namespace"), later)


SPEC = {"source": "builtin://mock", "engine": "mock", "task": "chat"}


def custom(kind: str, name: str, namespace: str, spec: Manifest) -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "headway.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


async def serve(cluster: Cluster, namespace: str, replicas: int, name: str = "") -> str:
    """A Model, and by hand what the operator would make of it."""
    name = name or f"chat-{namespace}"
    await until(lambda: cluster.get(resource("ServiceAccount"), "default", namespace))
    manifest = await cluster.apply(custom("Model", name, namespace, SPEC | {"replicas": replicas}))
    model = read_model(manifest)
    revision = registry.revise_elsewhere(model).revision
    for each in replica_objects(model, revision, UNKNOWN, namespace=namespace, replicas=replicas):
        await cluster.apply(each.manifest)
    return name


async def install(cluster: Cluster, namespace: str) -> None:
    for each in (*crds(), *await roles(namespace)):
        await cluster.apply(each)
    await until(lambda: established(cluster))


async def established(cluster: Cluster) -> bool:
    found = [await cluster.get(resource("CustomResourceDefinition"), each["metadata"]["name"]) for each in crds()]
    conditions = [(each or {}).get("status", {}).get("conditions", ()) for each in found]
    return all(any(c["type"] == "Established" and c["status"] == "True" for c in each) for each in conditions)


async def roles(namespace: str) -> list[Manifest]:
    """What an install grants the gateway, for the user that these tests run it as, under names of their own."""
    rights = [each.manifest for each in granted(namespace) if each.manifest["metadata"]["name"] == "headway-gateway"]
    bound = [each for each in bindings(namespace) if each["metadata"]["name"] == "headway-gateway"]
    user = {"kind": "User", "name": USER, "apiGroup": "rbac.authorization.k8s.io"}
    name = f"gateway-{namespace}"
    named = [each | {"metadata": each["metadata"] | {"name": name}} for each in (*rights, *bound)]
    return [
        each | ({"subjects": [user], "roleRef": each["roleRef"] | {"name": name}} if "subjects" in each else {})
        for each in named
    ]


async def asked(gateway: ClusterGateway, model: str, key: str = "") -> Answer:
    return await ask(gateway.port, model=model, headers=bearer(key) if key else [])


async def answered(gateway: ClusterGateway, model: str, status: int, key: str = "") -> bool:
    try:
        return (await asked(gateway, model, key)).status == status
    except OSError:
        return False


async def endpoints(gateway: ClusterGateway, model: str, count: int) -> bool:
    metrics = (await ask(gateway.port, "/metrics", "GET")).body.decode()
    return f'headway_gateway_model_endpoints{{model="{model}"}} {count:.1f}' in metrics


async def knows(gateway: ClusterGateway, model: str) -> bool:
    return (await ask(gateway.port, f"/v1/models/{model}", "GET")).status == 200
