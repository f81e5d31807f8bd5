"""Apps on a real control plane: made, kept waiting for their Secret, opened, put to sleep, woken, and gone."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from headway.cli.app_secret import ensure_secret
from headway.cli.cluster_down import remove
from headway.errors import UsageError
from headway.sites.kubernetes.keys import ClusterKeys
from headway.sites.kubernetes.labels import SYSTEM, USED
from headway.sites.kubernetes.read import read_app
from headway.store.keys import hash_key
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.manifest import Manifest
from headway.wire.kube.resource import resource
from tests.cluster.clients import connect, warned
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubelet import Kubelet
from tests.cluster.nodes import cpu_node
from tests.cluster.operating import OURS, ROOT, Operator, install
from tests.cluster.waiting import until

APP, DEPLOYMENT, CLAIM, POD, SECRET = (
    resource(each) for each in ("App", "Deployment", "PersistentVolumeClaim", "Pod", "Secret")
)


@pytest.fixture
async def operator(plane: ControlPlane, cluster: Cluster, fleet: Callable[..., None]) -> AsyncIterator[Operator]:
    fleet(cpu_node("cores"))
    await install(cluster)
    made = Operator(plane)
    made.start()
    yield made
    made.close()


def app(namespace: str, **spec: Any) -> Manifest:
    metadata = {"name": "notes", "namespace": namespace}
    return {"apiVersion": OURS, "kind": "App", "metadata": metadata, "spec": {"preset": "notebook"} | spec}


async def count(cluster: Cluster, namespace: str) -> int:
    found = await cluster.get(DEPLOYMENT, "notes-app", namespace)
    return -1 if found is None else int(found["spec"].get("replicas", 1))


async def ready(cluster: Cluster, namespace: str) -> dict[str, Any]:
    found = await cluster.get(APP, "notes", namespace)
    conditions = ((found or {}).get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == "Ready"), {})


async def says(cluster: Cluster, namespace: str, status: str, reason: str = "") -> bool:
    found = await ready(cluster, namespace)
    return found.get("status") == status and reason in ("", found["reason"])


@pytest.mark.usefixtures("operator")
async def test_an_app_lives_sleeps_wakes_and_goes(cluster: Cluster, namespace: str) -> None:
    told = warned(cluster)
    made = await cluster.apply(app(namespace, idle="1h", storage="1GB"))
    await until(lambda: says(cluster, namespace, "True"))
    assert not told

    old = datetime.fromtimestamp(time.time() - 7200, UTC).isoformat(timespec="seconds")
    await cluster.patch(APP, "notes", {"metadata": {"annotations": {USED: old}}, "spec": {"idle": "1s"}}, namespace)
    await until(lambda: says(cluster, namespace, "False", "Idle"))
    await until(lambda: _no_pods(cluster, namespace))
    assert await count(cluster, namespace) == 0

    now = datetime.now(UTC).isoformat(timespec="seconds")
    await cluster.patch(APP, "notes", {"metadata": {"annotations": {USED: now}}, "spec": {"idle": "1h"}}, namespace)
    await until(lambda: says(cluster, namespace, "True"))

    await cluster.delete(APP, "notes", namespace, uid=made["metadata"]["uid"])
    await until(lambda: _gone(cluster, namespace))
    assert await cluster.get(CLAIM, "notes-app", namespace), "what people stored outlives the App"


async def _no_pods(cluster: Cluster, namespace: str) -> bool:
    return not (await cluster.list(POD, namespace)).items


async def _gone(cluster: Cluster, namespace: str) -> bool:
    return await count(cluster, namespace) < 0 and await _no_pods(cluster, namespace)


@pytest.mark.usefixtures("operator")
async def test_its_secret_has_a_key_that_the_gateway_knows(
    plane: ControlPlane, cluster: Cluster, namespace: str
) -> None:
    tenant = {"apiVersion": OURS, "kind": "Tenant", "metadata": {"name": "apps-team", "namespace": SYSTEM}, "spec": {}}
    await cluster.apply(tenant)
    manifest = await cluster.apply(app(namespace, tenant="apps-team", models=["chat"]))
    token = await ensure_secret(cluster, read_app(manifest), manifest, time.time())
    assert token
    assert await ensure_secret(cluster, read_app(manifest), manifest, time.time()) == token, "once"
    found = await cluster.get(SECRET, "notes-app", namespace)
    assert found
    keys = await cluster.get(SECRET, "headway-keys", SYSTEM)
    assert keys
    key = base64.b64decode(found["data"]["key"]).decode()
    entries = [base64.b64decode(each).decode() for each in keys["data"].values()]
    assert any(hash_key(key) in each and '"app notes"' in each for each in entries)
    assert not any(key in each for each in entries)
    assert found["metadata"]["ownerReferences"][0]["uid"] == manifest["metadata"]["uid"]
    told = await remove(cluster, "notes", 10)
    assert told == ["notes"]
    (ended,) = (each for each in await ClusterKeys(cluster).all("apps-team") if each.sha256 == hash_key(key))
    assert ended.revoked
    manifest = await cluster.apply(app(namespace, tenant="apps-team"))
    await until(lambda: _without_secret(cluster, namespace))
    nobody = connect(plane.kubeconfig("nobody"))
    with pytest.raises(UsageError, match="you may not make one"):
        await ensure_secret(nobody, read_app(manifest), manifest, time.time())
    await nobody.close()
    await cluster.delete(resource("Tenant"), "apps-team", SYSTEM)


async def _without_secret(cluster: Cluster, namespace: str) -> bool:
    return await cluster.get(SECRET, "notes-app", namespace) is None


PAGE = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"


async def _page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(PAGE)
    await writer.drain()
    writer.close()


@pytest.fixture
async def kubelet(plane: ControlPlane, operator: Operator, cluster: Cluster) -> AsyncIterator[Kubelet]:
    """Of the node `cores`: a program that says hello answers on the App's port."""
    page = await asyncio.start_server(_page, "127.0.0.1", 0)
    port = page.sockets[0].getsockname()[1]
    made = Kubelet(plane.identities.certificate("kubelet", hosts=["127.0.0.1"]), lambda *_: ("127.0.0.1", port))
    server = await made.open()
    where = {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
             "daemonEndpoints": {"kubeletEndpoint": {"Port": made.port}}}  # fmt: skip
    await cluster.patch(resource("Node"), "cores", {"status": where}, sub="status")
    yield made
    for each in (server, page):
        each.close()


@pytest.mark.usefixtures("kubelet")
async def test_headway_open_makes_its_key_wakes_it_and_leads_to_it(
    plane: ControlPlane, cluster: Cluster, namespace: str
) -> None:
    await cluster.apply(app(namespace, idle="1s"))
    await until(lambda: says(cluster, namespace, "False", "Idle"))
    command = [sys.executable, "-m", "headway", "open", "notes", "--json", "--on", "admin"]
    opening = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=ROOT, env=os.environ | {"KUBECONFIG": str(plane.kubeconfig()), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert opening.stdout
    assert opening.stderr
    try:
        await cluster.patch(APP, "notes", {"spec": {"idle": "1h"}}, namespace)
        line = await asyncio.wait_for(opening.stdout.readline(), 120)
        assert line, (await opening.stderr.read()).decode()
        told = json.loads(line)
        assert told["url"] == f"{told['address']}/lab?token={told['password']}"
        async with httpx2.AsyncClient(trust_env=False) as http:
            assert (await http.get(told["url"])).text == "hello"
        opening.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(opening.wait(), 60) == 0
    finally:
        if opening.returncode is None:
            opening.kill()
            await opening.wait()
    found = await cluster.get(APP, "notes", namespace)
    assert found
    assert found["metadata"]["annotations"][USED]
    secret = await cluster.get(SECRET, "notes-app", namespace)
    assert secret
    assert base64.b64decode(secret["data"]["token"]).decode() == told["password"]
