"""`--on SITE` of the verbs, as a person types them: the command, a real API server, the operator, simulated nodes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from headway.sites.kubernetes.labels import COMPONENT, MODEL, SYSTEM
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource
from tests.cluster.clients import connect
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubelet import Kubelet
from tests.cluster.nodes import cpu_node, gpu_node
from tests.cluster.operating import ROOT, Operator, install
from tests.cluster.played import Played
from tests.cluster.test_player import SAFE
from tests.cluster.waiting import until

CHAT = "kind: Model\nname: {name}\nsource: builtin://mock\nreplicas: {replicas}\n"
PATIENCE = 240
Done = subprocess.CompletedProcess[str]


class Person:
    """Somebody at a terminal, with a kubeconfig and a state directory of their own, and the Site `prod`."""

    def __init__(self, kubeconfig: Path, folder: Path, namespace: str) -> None:
        self.folder = folder
        self._env = os.environ | {
            "KUBECONFIG": str(kubeconfig),
            "HEADWAY_STATE_DIR": str(folder / "state"),
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
        }
        sites = folder / "state" / "sites"
        sites.mkdir(parents=True)
        context = YAML(typ="safe").load(kubeconfig.read_text())["current-context"]
        site = f"kind: Site\nname: prod\ncontext: {json.dumps(context)}\nnamespace: {namespace}\n"
        (sites / "prod.yaml").write_text(site)

    def file(self, text: str, name: str = "models.yaml") -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    async def types(self, *words: str) -> Done:
        argv = [sys.executable, "-m", "headway", *words, "--on", "prod"]
        return await asyncio.to_thread(
            subprocess.run, argv, env=self._env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    async def does(self, *words: str) -> str:
        done = await self.types(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
async def operator(plane: ControlPlane, cluster: Cluster, fleet: Callable[..., None]) -> AsyncIterator[Operator]:
    await install(cluster)
    fleet(cpu_node("on-1"), gpu_node("on-h100", 8))
    made = Operator(plane)
    made.start()
    yield made
    made.close()


@pytest.fixture
def person(kubeconfig: Path, namespace: str, tmp_path: Path) -> Person:
    return Person(kubeconfig, tmp_path, namespace)


@pytest.mark.usefixtures("operator")
async def test_the_way_of_a_model(person: Person, cluster: Cluster, namespace: str) -> None:
    file = person.file(CHAT.format(name="way", replicas=2) + "---\nkind: Route\nname: road\nto: [{model: way}]\n")
    told = (await person.does("up", file)).splitlines()
    assert told[:2] == ["way  ready  2 replicas  http://headway-gateway.headway.svc/v1", "road  route  added"]
    assert told[-1] == 'Try: headway chat way "What is the capital of France?" --on prod'
    assert "(unchanged)" in await person.does("up", file)
    (model,) = [each for each in json.loads(await person.does("ls", "--json")) if each["name"] == "way"]
    assert (model["state"], model["replicas_ready"], model["engine"]) == ("ready", 2, "mock")
    assert {each["node"] for each in model["replicas"]} <= {"on-1", "on-h100"}
    assert all(each["address"].endswith(":8000") for each in model["replicas"])
    assert "way  ready: " in await person.does("status", "way")
    assert "road  route to way" in await person.does("status", "road")
    story = json.loads(await person.does("explain", "way", "--json"))
    assert story["decisions"], "the operator's events"
    assert any(name.startswith("Deployment ") for name in story["model"]["derived"]), "reasons of derived values"
    assert (await person.does("down", "way")) == "way  removed\n"
    assert not (await cluster.list(resource("Pod"), namespace, labels=f"{MODEL}=way")).items
    missing = await person.types("status", "way")
    assert missing.returncode == 2
    assert missing.stderr.startswith("error: no model 'way' here")


@pytest.mark.usefixtures("operator")
async def test_what_cannot_run_yet_is_told_and_stays(person: Person) -> None:
    file = person.file("kind: Model\nname: big\nsource: hf://org/name\ngpu: B200\n")
    late = await person.types("up", file, "--timeout", "15")
    assert late.returncode == 1
    assert "big: " in late.stderr
    (model,) = [each for each in json.loads(await person.does("ls", "--json")) if each["name"] == "big"]
    assert model["state"] != "ready"
    assert "B200" in model["message"]
    await person.does("down", "big")


@pytest.mark.usefixtures("operator")
async def test_fields_of_others_are_theirs_until_they_are_taken(
    person: Person, kubeconfig: Path, cluster: Cluster, namespace: str
) -> None:
    file = person.file(CHAT.format(name="shared", replicas=1))
    await person.does("up", file)
    colleague = connect(kubeconfig, manager="argo")
    mine = {"apiVersion": "headway.dev/v1alpha1", "kind": "Model"}
    mine |= {
        "metadata": {"name": "shared", "namespace": namespace},
        "spec": {"source": "builtin://mock", "replicas": 2},
    }
    await colleague.apply(mine)
    await colleague.close()
    refused = await person.types("up", file)
    assert refused.returncode == 2
    assert f"{file}:2: shared: somebody else wrote some of it" in refused.stderr
    assert '"argo"' in refused.stderr
    assert ".spec.replicas" in refused.stderr
    await person.does("up", file, "--force")
    found = await cluster.get(resource("Model"), "shared", namespace)
    assert found
    assert found["spec"]["replicas"] == 1


@pytest.mark.usefixtures("operator")
async def test_prune_takes_only_what_this_command_once_applied(
    person: Person, kubeconfig: Path, cluster: Cluster, namespace: str
) -> None:
    both = CHAT.format(name="stays", replicas=1) + "---\n" + CHAT.format(name="goes", replicas=1)
    await person.does("up", person.file(both))
    other = {"apiVersion": "headway.dev/v1alpha1", "kind": "Model", "spec": {"source": "builtin://mock"}}
    colleague = connect(kubeconfig, manager="argo")
    await colleague.apply(other | {"metadata": {"name": "theirs", "namespace": namespace}})
    await colleague.close()
    told = await person.does("up", person.file(CHAT.format(name="stays", replicas=1)), "--prune")
    assert "goes  removed" in told

    async def names() -> bool:
        found = (await cluster.list(resource("Model"), namespace)).items
        return {each["metadata"]["name"] for each in found} == {"stays", "theirs"}

    await until(names)


async def test_a_file_that_the_api_server_refuses_is_told_with_its_line(
    person: Person, cluster: Cluster, tmp_path: Path, kubeconfig: Path
) -> None:
    await install(cluster)
    nowhere = Person(kubeconfig, tmp_path / "other", "not-there")
    done = await nowhere.types("up", nowhere.file(CHAT.format(name="x", replicas=1)))
    assert done.returncode == 2
    assert done.stderr == (
        "error: there is no namespace not-there; make it: kubectl create namespace not-there; or name another in the "
        "Site\n"
    )


async def test_who_may_see_one_namespace_sees_that_one(
    plane: ControlPlane, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    await install(cluster)
    rules = [
        {"apiGroups": ["headway.dev"], "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": ["", "discovery.k8s.io"], "resources": ["pods", "endpointslices"], "verbs": ["list", "watch"]},
    ]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "rules": rules}
    await cluster.apply(role | {"metadata": {"name": "team", "namespace": namespace}})
    await cluster.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "team", "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "team"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ann"}],
        }
    )
    ann = Person(plane.kubeconfig("ann", "team"), tmp_path, namespace)
    assert "own  model  added" in await ann.does("up", ann.file(CHAT.format(name="own", replicas=1)), "-d")
    assert [each["name"] for each in json.loads(await ann.does("ls", "--json"))] == ["own"]
    assert "own  preparing: " in await ann.does("status", "own")
    refused = await ann.types("up", ann.file("kind: Tenant\nname: acme\n"))
    assert refused.returncode == 1
    assert "forbidden" in refused.stderr


async def test_chat_goes_through_the_api_server_where_the_gateway_has_no_address(  # noqa: PLR0917 - fixtures
    person: Person, plane: ControlPlane, cluster: Cluster, fleet: Callable[..., None], player: Played, namespace: str
) -> None:
    await install(cluster)
    if not player.can_serve:
        pytest.skip("pods need addresses here: run as root, or within `unshare --user --map-root-user --net`")
    player.serve(lambda pod: (pod["metadata"].get("labels") or {}).get(COMPONENT) == "gateway")
    fleet(cpu_node("on-kubelet"))
    labels = {COMPONENT: "gateway", MODEL: "chat"}  # which the mock engine then serves
    pod: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "gateway-of-tests", "namespace": SYSTEM, "labels": labels},
        "spec": {
            "containers": [
                {
                    "name": "gateway",
                    "image": "mock:1",
                    "ports": [{"name": "http", "containerPort": 8000}],
                    "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}},
                    "securityContext": SAFE,
                }
            ],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        },
    }
    await until(lambda: cluster.get(resource("ServiceAccount"), "default", SYSTEM))
    await cluster.apply(pod)
    model = {
        "apiVersion": "headway.dev/v1alpha1",
        "kind": "Model",
        "spec": {"source": "builtin://mock", "task": "chat"},
    }
    await cluster.apply(model | {"metadata": {"name": "chat", "namespace": namespace}})
    found: list[Manifest] = []

    async def ready() -> bool:
        found[:] = [await cluster.get(resource("Pod"), "gateway-of-tests", SYSTEM) or {}]
        said = found[0].get("status", {}).get("conditions") or []
        return any(each["type"] == "Ready" and each["status"] == "True" for each in said)

    await until(ready)
    address = found[0]["status"]["podIP"], 8000
    kubelet = Kubelet(
        plane.identities.certificate("kubelet", hosts=["127.0.0.1"]),
        lambda _namespace, _pod, port: address if port == 8484 else None,
    )
    server = await kubelet.open()
    where = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}},
    }
    await cluster.patch(resource("Node"), "on-kubelet", {"status": where}, sub="status")
    try:
        answer = json.loads(await person.does("chat", "chat", "hello", "--json"))
    finally:
        server.close()
        await cluster.delete(resource("Pod"), "gateway-of-tests", SYSTEM, grace=0)
        await cluster.delete(resource("Model"), "chat", namespace)
    assert answer["text"]
    assert any("/portForward/headway/gateway-of-tests" in each for each in kubelet.asked)
