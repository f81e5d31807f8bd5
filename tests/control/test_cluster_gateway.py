"""`headway gateway --cluster` over an API server that comes, changes, goes and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from headway.errors import UsageError
from headway.sites.kubernetes.keys import ClusterKeys
from headway.wire.kube.access import Access
from headway.wire.kube.cluster import Cluster
from tests.support.api_double import ApiDouble, model, slice_of, tenant
from tests.support.cluster_gateway import ClusterGateway
from tests.support.gateway import ScriptedEngine, answers, ask, bearer, eventually
from tests.support.ports import free_port
from tests.support.running import ours


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiDouble]:
    made = ApiDouble(tmp_path)
    yield made
    await made.stop()


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    made = await ScriptedEngine(answers()).start()
    yield made
    await made.stop()


@pytest.fixture
async def gateway(tmp_path: Path, api: ApiDouble) -> AsyncIterator[ClusterGateway]:
    made = ClusterGateway(tmp_path, api.kubeconfig)
    yield made
    made.close()


@pytest.fixture
async def cluster(api: ApiDouble, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    made = Cluster(Access.open(), manager="headway-cli")
    yield made
    await made.close()


async def serve(api: ApiDouble, engine: ScriptedEngine) -> None:
    await api.start()
    await api.put(model("chat"))
    await api.put(slice_of("chat", ("127.0.0.1", engine.port)))


async def test_it_serves_what_it_knows_while_the_api_server_is_away(
    api: ApiDouble, engine: ScriptedEngine, gateway: ClusterGateway
) -> None:
    gateway.start()
    await gateway.until("/healthz", 200)
    await gateway.until("/readyz", 503)  # nobody has said yet what there is
    await serve(api, engine)
    await gateway.until("/readyz", 200)
    await eventually(lambda: served(gateway), 30, "the first answer")
    assert {method for method, _ in api.asked} == {"GET"}  # it writes nothing

    await api.stop()
    assert (await ask(gateway.port)).status == 200
    hub = hub_pid(gateway)
    os.kill(hub, signal.SIGKILL)
    await eventually(lambda: hub_pid(gateway) not in (0, hub), 30, "another hub")
    await gateway.until("/readyz", 200)
    assert (await ask(gateway.port)).status == 200

    other = await ScriptedEngine(answers()).start()
    try:
        await api.put(slice_of("chat", ("127.0.0.1", other.port)))
        await api.remove("EndpointSlice", f"chat-r1-{engine.port}", "default")
        await api.start()
        await eventually(lambda: asked_of(gateway, other), 30, "the replica that came meanwhile")
    finally:
        await other.stop()
    assert gateway.stop() == 0


async def test_a_container_that_starts_again_without_the_api_server_serves_its_last_table(
    api: ApiDouble, engine: ScriptedEngine, gateway: ClusterGateway
) -> None:
    await serve(api, engine)
    gateway.start()
    await eventually(lambda: served(gateway), 30, "the first answer")
    await api.stop()
    assert gateway.stop() == 0
    gateway.start()
    await eventually(lambda: served(gateway), 30, "an answer by the last table")
    metrics = (await ask(gateway.port, "/metrics", "GET")).body.decode()
    unheard = next(x for x in metrics.splitlines() if x.startswith("headway_gateway_cluster_unheard_seconds"))
    assert float(unheard.split()[1]) > 0


async def test_a_key_counts_as_soon_as_it_is_written_and_no_longer(
    api: ApiDouble, engine: ScriptedEngine, gateway: ClusterGateway, cluster: Cluster
) -> None:
    await serve(api, engine)
    keys, now = ClusterKeys(cluster), time.time()
    with pytest.raises(UsageError, match="no tenant 'acme' here"):
        await keys.new("acme", now=now)
    await api.put(tenant("acme"))
    gateway.start()
    await gateway.until("/readyz", 200)
    await eventually(lambda: answered(gateway, 401), 30, "closed")
    made = await keys.new("acme", now=now, name="ci", models=["chat"], lasts=3600.0)
    await eventually(lambda: answered(gateway, 200, made.secret), 30, "the new key")

    second = await keys.rotate(made.key.id, 600.0, now + 1)
    await eventually(lambda: answered(gateway, 200, second.secret), 30, "the successor")
    assert await answered(gateway, 200, made.secret)  # for ten minutes more
    assert (await keys.all("acme"))[0].successor == second.key.id
    with pytest.raises(UsageError, match="was replaced by"):
        await keys.rotate(made.key.id, 600.0, now)

    await keys.revoke(second.key.id, now)
    assert (await keys.revoke(second.key.id, now + 5)).revoked == now
    await eventually(lambda: answered(gateway, 401, second.secret), 30, "revoked")
    secret = api.get("Secret", "headway-keys", "headway")
    assert secret is not None
    assert made.secret not in str(secret)
    await api.remove("Tenant", "acme", "headway")
    await api.put(tenant("acme"))  # the name again, and not the same tenant
    assert await keys.all() == []
    await eventually(lambda: answered(gateway, 401, made.secret), 30, "keys of the one before")


async def test_a_picker_follows_the_engines_of_its_namespace_and_asks_for_nothing_else(
    tmp_path: Path, api: ApiDouble, engine: ScriptedEngine
) -> None:
    await serve(api, engine)
    await api.put(slice_of("other", ("127.0.0.1", engine.port)))
    metrics = free_port()
    options = ("--model", "chat", "--plaintext", "--metrics-port", str(metrics))
    picker = ClusterGateway(tmp_path, api.kubeconfig, *options, namespace="default", part="picker")
    picker.start()
    try:
        await eventually(lambda: told(metrics, 'model_endpoints{model="chat"} 1.0'), 30, "the endpoint")
        assert not await told(metrics, 'model="other"')
        assert {urlsplit(target).path for _, target in api.asked} == {
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        }
        assert picker.stop() == 0
    finally:
        picker.close()


async def told(port: int, words: str) -> bool:
    with contextlib.suppress(OSError):
        return words in (await ask(port, "/metrics", "GET")).body.decode()
    return False


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--table", "t.json"), "--table, --socket and --requests are chosen by --cluster"),
        (("--context", "nowhere"), "no context 'nowhere' in the kubeconfig"),
        (("--nonsense",), "unrecognized arguments: --nonsense"),
    ],
)
def test_what_is_wrong_at_the_start_is_told(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    made = ClusterGateway(tmp_path, ApiDouble(tmp_path).kubeconfig, *options)
    made.start()
    assert made.process is not None
    assert made.process.wait(60) == 2
    assert says in made.said()


async def test_writes_that_meet_begin_again(api: ApiDouble, cluster: Cluster) -> None:
    await api.start()
    await api.put(tenant("acme"))
    keys, now = ClusterKeys(cluster), time.time()
    made = await asyncio.gather(*(keys.new("acme", now=now) for _ in range(3)))
    assert {each.key.id for each in made} == {each.id for each in await keys.all()}
    await keys.revoke(made[0].key.id, now - 40 * 86_400)
    assert len(await keys.all()) == 3
    await keys.new("acme", now=now)  # takes the room of one that ended a month ago
    assert made[0].key.id not in {each.id for each in await keys.all()}


async def served(gateway: ClusterGateway) -> bool:
    return await answered(gateway, 200)


async def answered(gateway: ClusterGateway, status: int, key: str = "") -> bool:
    with contextlib.suppress(OSError):
        return (await ask(gateway.port, headers=bearer(key) if key else [])).status == status
    return False


async def asked_of(gateway: ClusterGateway, engine: ScriptedEngine) -> bool:
    return await served(gateway) and bool(engine.asked)


def hub_pid(gateway: ClusterGateway) -> int:
    """Of the living hub; 0 while there is none."""
    for each in ours(str(gateway.state.root)):
        with contextlib.suppress(Exception):
            if "headway.gateway" in each.cmdline() and each.status() != "zombie":
                return each.pid
    return 0
