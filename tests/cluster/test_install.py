"""`headway install` and `headway uninstall` on a real API server, with Pod Security on, as a person runs them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import yaml

from headway.sites.kubernetes.install.apply import MADE, apply
from headway.sites.kubernetes.install.options import Installation
from headway.sites.kubernetes.install.whole import LABEL, install
from headway.sites.kubernetes.labels import FINALIZER, SYSTEM
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest, Ref, ref
from headway.wire.kube.resource import GROUP, VERSION, resource
from tests.cluster.clients import connect, warned
from tests.cluster.nodes import cpu_node
from tests.cluster.operating import model
from tests.cluster.waiting import until

ROOT = Path(__file__).parents[2]
DEPLOYMENT, KIND, NAMESPACE = (resource(each) for each in ("Deployment", "CustomResourceDefinition", "Namespace"))
KINDS = [*((kind, version) for kind, version, _ in MADE), ("CustomResourceDefinition", "apiextensions.k8s.io/v1")]


@pytest.fixture
def nodes(fleet: Callable[..., None]) -> None:
    fleet(cpu_node("cores-1"), cpu_node("cores-2"))


@pytest.fixture
async def bare(cluster: Cluster, kubeconfig: Path) -> AsyncIterator[None]:
    """Nothing of Headway before, and nothing after."""
    assert (await _headway(kubeconfig, "uninstall", "--purge", "--yes", "--wait", "0"))[0] == 0
    await until(lambda: _gone(cluster))
    yield
    assert (await _headway(kubeconfig, "uninstall", "--purge", "--yes", "--wait", "0"))[0] == 0
    await until(lambda: _gone(cluster))


async def _gone(cluster: Cluster) -> bool:
    return await cluster.get(NAMESPACE, SYSTEM) is None and not await _ours(cluster)


async def _headway(kubeconfig: Path, *words: str) -> tuple[int, str]:
    """Exit status, and what was said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "headway", *words, "--on", _context(kubeconfig)),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()


def _context(kubeconfig: Path) -> str:
    return str(yaml.safe_load(kubeconfig.read_text())["current-context"])


async def _ours(cluster: Cluster) -> dict[Ref, Manifest]:
    found: dict[Ref, Manifest] = {}
    for kind, version in KINDS:
        listing = await cluster.list(resource(kind, version), labels=LABEL)
        found |= {ref(each): each for each in listing.items}
    return found


@pytest.mark.usefixtures("nodes", "bare")
async def test_one_command_and_its_parts_run(cluster: Cluster, kubeconfig: Path) -> None:
    status, said = await _headway(kubeconfig, "install", "--gateways", "2..4", "--operators", "2")
    assert status == 0, said
    assert "next: headway up FILE" in said
    for name, least in (("headway-operator", 2), ("headway-gateway", 2)):
        await until(lambda name=name, least=least: _available(cluster, name, least))  # Pod Security let its pods in
    namespace = await cluster.get(NAMESPACE, SYSTEM)
    assert namespace
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    before = await _ours(cluster)

    status, said = await _headway(kubeconfig, "install", "--gateways", "2..4", "--operators", "2")
    assert status == 0, said
    after = await _ours(cluster)
    assert {each: found["metadata"]["generation"] for each, found in before.items() if _counts(found)} == {
        each: found["metadata"]["generation"] for each, found in after.items() if _counts(found)
    }, "a second install changes nothing"

    status, said = await _headway(kubeconfig, "install", "--wait", "0")
    assert status == 0, said
    gone = {each.kind for each in before} - {each.kind for each in await _ours(cluster)}
    assert gone == {"HorizontalPodAutoscaler", "PodDisruptionBudget"}, "what this install has no use for is deleted"


async def _available(cluster: Cluster, name: str, least: int) -> bool:
    found = await cluster.get(DEPLOYMENT, name, SYSTEM)
    return (found or {}).get("status", {}).get("availableReplicas", 0) >= least


def _counts(found: Manifest) -> bool:
    return "generation" in found["metadata"]


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    "of",
    [
        Installation(),
        Installation(
            gateways=(2, 10), ledger="secret:pg/url", tls="cert", secrets=("openai",), pull_secret="reg", operators=2
        ),
        Installation(volume="1Gi", service="LoadBalancer"),
    ],
    ids=["least", "most", "volume"],
)
async def test_the_api_server_has_no_warning_about_any_of_it(kubeconfig: Path, of: Installation) -> None:
    cluster = connect(kubeconfig, manager="headway-cli")
    warnings = warned(cluster)
    await apply(cluster, [each.manifest for each in install(of)], SYSTEM, lambda found, done: None)
    await cluster.close()
    assert not warnings


@pytest.mark.usefixtures("bare")
async def test_what_somebody_set_by_hand_is_theirs(cluster: Cluster, kubeconfig: Path) -> None:
    assert (await _headway(kubeconfig, "install", "--wait", "0"))[0] == 0
    change = {"spec": {"strategy": {"rollingUpdate": {"maxSurge": 3}}}}
    await cluster.patch(DEPLOYMENT, "headway-operator", change, SYSTEM)

    status, said = await _headway(kubeconfig, "install", "--wait", "0")
    assert status == 1
    assert "maxSurge" in said
    assert "--force" in said
    found = await cluster.get(DEPLOYMENT, "headway-operator", SYSTEM)
    assert found
    assert found["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 3

    assert (await _headway(kubeconfig, "install", "--wait", "0", "--force"))[0] == 0
    found = await cluster.get(DEPLOYMENT, "headway-operator", SYSTEM)
    assert found
    assert found["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 1


@pytest.mark.usefixtures("bare")
async def test_uninstall_loses_no_object_of_users_and_purge_leaves_nothing(
    cluster: Cluster, kubeconfig: Path, namespace: str
) -> None:
    assert (await _headway(kubeconfig, "install", "--wait", "0"))[0] == 0
    chat = model(namespace, "chat")
    chat["metadata"]["finalizers"] = [FINALIZER]
    made = await cluster.apply(chat)

    status, said = await _headway(kubeconfig, "uninstall")
    assert status == 0, said
    assert f"Model {namespace}/chat" in said
    stays = await cluster.get(resource("Model"), "chat", namespace)
    assert stays
    assert stays["metadata"]["uid"] == made["metadata"]["uid"]
    assert stays["spec"] == made["spec"]
    assert "finalizers" not in stays["metadata"], "nobody is there to take it off"
    assert {each.kind for each in await _ours(cluster)} == {"CustomResourceDefinition"}
    assert await cluster.get(KIND, f"models.{GROUP}")

    assert (await _headway(kubeconfig, "install", "--wait", "0"))[0] == 0
    again = await cluster.get(resource("Model"), "chat", namespace)
    assert again
    assert again["metadata"]["uid"] == made["metadata"]["uid"]
    status, said = await _headway(kubeconfig, "uninstall", "--purge")
    assert (status, "1 Models" in said, "--yes" in said) == (2, True, True), said

    status, said = await _headway(kubeconfig, "uninstall", "--purge", "--yes", "--wait", "1")
    assert status == 0, said
    await until(lambda: _gone(cluster))
    groups = await cluster.ask("/apis")
    assert GROUP not in {each["name"] for each in groups["groups"]} or f"{GROUP}/{VERSION}" not in str(groups)
