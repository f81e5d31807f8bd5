"""What `headway export` prints, on a real API server: taken without a warning, and the plain form runs by itself.

The ecosystem's own controllers do not run here: of their kinds the API server checks schema, defaults and CEL rules.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from headway.cli.export_file import Asked, exported
from headway.sites.kubernetes.export.registry import FORMS, PIECES
from headway.sites.kubernetes.objects.crds import crds
from headway.spec.load import load
from headway.spec.model import Model
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest, labels
from headway.wire.kube.resource import RESOURCES, Resource, resource
from tests.cluster.clients import warned
from tests.cluster.nodes import cpu_node, gpu_node, mig_node
from tests.cluster.played import Played
from tests.cluster.waiting import until
from tests.support.schemas import SHARED

ROOT = Path(__file__).parents[2]
FILES = ("examples/production.yaml", "examples/chat.yaml")
RESTRICTED = {f"pod-security.kubernetes.io/{how}": "restricted" for how in ("enforce", "warn", "audit")}
FIXED = ("gpu-operator", "monitoring", "headway", "research")
"""Namespaces that pieces name by themselves."""


def printed(file: str, form: str, namespace: str, *pieces: str) -> list[Manifest]:
    """As kubectl reads the text."""
    found = exported(Asked(str(ROOT / file), form, pieces, "local", namespace))
    return [each.manifest for each in found.objects]


def wanted() -> set[tuple[str, str]]:
    """Kinds of others that some form or piece prints."""
    found = [
        each
        for file in FILES
        for form, pieces in (*((form, ()) for form in FORMS if form != "knative"), ("kubernetes", ("all",)))
        if not (form == "rayservice" and "chat.yaml" in file)
        for each in printed(file, form, "ml", *pieces)
    ]
    return {(each["apiVersion"].partition("/")[0], each["kind"]) for each in found if "." in each["apiVersion"]}


def published(kinds: set[tuple[str, str]]) -> Iterator[Manifest]:
    """Their CustomResourceDefinitions, of ../shared/schemas."""

    class Loader(yaml.CSafeLoader):
        """A bare `=` is text."""

    Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: loader.construct_scalar(node))
    for file in sorted((SHARED / "crds").glob("*.yaml")):
        for each in yaml.load_all(file.read_text(), Loader):
            if each and (each["spec"]["group"], each["spec"]["names"]["kind"]) in kinds:
                yield each


@pytest.fixture(scope="module")
def ecosystem() -> list[Manifest]:
    if not SHARED.is_dir():
        pytest.skip("needs the ecosystem's published kinds, which are not part of the project (../shared/schemas)")
    return [*crds(), *published(wanted())]


@pytest.fixture
async def kinds(cluster: Cluster, ecosystem: list[Manifest]) -> dict[tuple[str, str], Resource]:
    """All kinds there, and where each is found."""
    known = dict(RESOURCES)
    for crd in ecosystem:
        spec = crd["spec"]
        if "conversion" in spec:
            spec["conversion"] = {"strategy": "None"}  # their webhooks do not run here
        if not await established(cluster, crd["metadata"]["name"]):  # an earlier test made it: they are megabytes
            await cluster.apply({key: crd[key] for key in ("apiVersion", "kind", "metadata", "spec")})
        for version in spec["versions"]:
            api = f"{spec['group']}/{version['name']}"
            known[api, spec["names"]["kind"]] = Resource(
                api, spec["names"]["kind"], spec["names"]["plural"], spec["scope"] == "Namespaced"
            )
    for crd in ecosystem:
        await until(lambda name=crd["metadata"]["name"]: established(cluster, name))
    return known


async def established(cluster: Cluster, name: str) -> bool:
    found = await cluster.get(resource("CustomResourceDefinition"), name)
    conditions = (found or {}).get("status", {}).get("conditions", ())
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


async def take(cluster: Cluster, of: Resource, manifest: Manifest, *, dry_run: bool) -> None:
    """As `kubectl apply --server-side --validate=strict`."""
    metadata = manifest["metadata"]
    answer = await cluster.access.http.patch(
        of.path(metadata.get("namespace", ""), metadata["name"]),
        params={"fieldManager": "tests", "force": "true", "fieldValidation": "Strict"}
        | ({"dryRun": "All"} if dry_run else {}),
        content=json.dumps(manifest),
        headers={"content-type": "application/apply-patch+yaml"},
    )
    assert answer.status_code < 300, f"{manifest['kind']} {metadata['name']}: {answer.text}"


@pytest.fixture
async def restricted(cluster: Cluster, namespace: str) -> str:
    """A namespace where only restricted pods are let in; those that pieces name are there, too."""
    for name in FIXED:
        await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": RESTRICTED}}
    )
    return namespace


def _context(kubeconfig: Path) -> str:
    found: str = yaml.safe_load(kubeconfig.read_text())["current-context"]
    return found


async def _headway(kubeconfig: Path, *words: str) -> str:
    """What the command prints, whose Site is the kubeconfig's own context."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "headway", *words, "--on", _context(kubeconfig),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "KUBECONFIG": str(kubeconfig)}, cwd=ROOT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(running.communicate(), 120)
    assert running.returncode == 0
    return said.decode()


async def test_with_a_site_the_cluster_is_looked_at(kubeconfig: Path, restricted: str, played: Played) -> None:
    """The player's StorageClass `shared` is there, so that only the others must be made."""
    text = await _headway(kubeconfig, "export", str(ROOT / FILES[0]), "-n", restricted)
    head = text.partition("---")[0]
    assert "No cluster was looked at" not in head
    assert "Must be there already: Secret hf, PriorityClass production.\n" in head
    assert {each["metadata"]["namespace"] for each in yaml.safe_load_all(text)} == {restricted}


async def test_a_running_deployment_is_read_with_its_scaler(cluster: Cluster, kubeconfig: Path, namespace: str) -> None:
    for name in ("08-vllm", "03-hpa-queue"):
        for each in yaml.safe_load_all((ROOT / f"tests/manifests/by_hand/{name}.yaml").read_text()):
            each["metadata"]["namespace"] = namespace
            await cluster.apply(each)
    made = await _headway(kubeconfig, "import", "deployment/llama", "-n", namespace)
    model = next(each for each in load(made, "printed", "/") if isinstance(each, Model))
    assert (model.source, model.gpu) == ("hf://meta-llama/Llama-3.1-8B-Instruct", "L4")
    assert str(model.replicas) == "1..4", "of the HPA"
    assert model.pod == {"nodeSelector": {"pool": "inference"}}


@pytest.mark.parametrize("file", FILES)
async def test_every_form_is_taken_without_a_warning(
    cluster: Cluster, restricted: str, kinds: dict[tuple[str, str], Resource], file: str
) -> None:
    """What goes elsewhere than into the test's own namespace is a dry run."""
    warnings = warned(cluster)
    for form in FORMS:
        if form == "knative" or (form == "rayservice" and "chat.yaml" in file):
            continue  # no published schema of Knative's; Ray serves vLLM's models only
        for each in printed(file, form, restricted):
            elsewhere = each["metadata"].get("namespace") != restricted
            await take(cluster, kinds[each["apiVersion"], each["kind"]], each, dry_run=elsewhere)
        assert not warnings, f"--as {form}"


async def test_every_piece_is_taken_without_a_warning(
    cluster: Cluster, restricted: str, kinds: dict[tuple[str, str], Resource]
) -> None:
    warnings = warned(cluster)
    for piece in PIECES:
        file = "tests/manifests/asked/05-time-slicing.yaml" if piece == "time-slicing" else FILES[0]
        for each in printed(file, "kubernetes", restricted, piece):
            await take(cluster, kinds[each["apiVersion"], each["kind"]], each, dry_run=True)
        assert not warnings, f"--piece {piece}"


async def test_the_plain_form_runs_with_no_headway(
    cluster: Cluster,
    restricted: str,
    kinds: dict[tuple[str, str], Resource],
    fleet: Callable[..., None],
    serving: Played,
) -> None:
    """The weights are fetched, then every Replica is up on the kind of node that it asks for."""
    fleet(
        cpu_node("cpu"),
        *(gpu_node(f"l4-{number}", 4, "NVIDIA-L4", spot=True) for number in range(2)),
        gpu_node("a100", 8, "NVIDIA-A100-SXM4-80GB"),
        mig_node("sliced", {"1g.10gb": 7}),
    )
    secret = {"metadata": {"name": "hf", "namespace": restricted}, "stringData": {"token": "none"}}
    await cluster.apply({"apiVersion": "v1", "kind": "Secret", **secret})  # both stand at the top of the export
    for each in printed(FILES[0], "kubernetes", restricted, "priority-classes"):
        await take(cluster, kinds[each["apiVersion"], each["kind"]], each, dry_run=False)
    for each in printed(FILES[0], "kubernetes", restricted):
        await take(cluster, kinds[each["apiVersion"], each["kind"]], each, dry_run=False)
    deployments = resource("Deployment")

    async def available() -> bool:
        found = (await cluster.list(deployments, restricted)).items
        return len(found) == 3 and all(
            each.get("status", {}).get("availableReplicas", 0) >= (each["spec"].get("replicas") or 1) for each in found
        )

    await until(available)
    pods = (await cluster.list(resource("Pod"), restricted, labels="app.kubernetes.io/component=replica")).items
    nodes = {labels(each)["headway.dev/model"]: each["spec"]["nodeName"] for each in pods}
    assert nodes["embed"] == "sliced"
    slices = (await cluster.list(resource("EndpointSlice"), restricted)).items
    ready = [
        address
        for each in slices
        if labels(each)["kubernetes.io/service-name"] == "chat"
        for end in each.get("endpoints") or ()
        if end["conditions"].get("ready")
        for address in end["addresses"]
    ]
    assert ready, "the Service of the Model has its Replicas"
