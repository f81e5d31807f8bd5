"""KEDA's external scaler: figures of gateways, what they ask for, and the gRPC that KEDA speaks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from headway.control.scaler.advice import asked_of, observe, verdict_of
from headway.control.scaler.external_scaler_pb2 import (
    GetMetricSpecResponse,
    GetMetricsRequest,
    GetMetricsResponse,
    IsActiveResponse,
    ScaledObjectRef,
)
from headway.control.scaler.figures import Figures, read_figures, together
from headway.control.scaler.gateways import Gateways, addresses
from headway.control.scaler.history import History
from headway.control.scaler.process import serve
from headway.control.serving import Stop
from headway.policy.scaling.observation import WINDOWS
from headway.wire.kube.access import Access
from headway.wire.kube.cluster import Cluster
from tests.control.test_cluster_table import stored
from tests.support.api_double import ApiDouble, model, slice_of
from tests.support.gateway import GatewayProcess, ScriptedEngine, answers, ask, endpoint, eventually, route
from tests.support.ports import free_port

TEXT = """
# HELP headway_gateway_requests_total Requests answered; 499 = the caller left.
headway_gateway_requests_total{model="chat",operation="chat",status="200"} 90.0
headway_gateway_requests_total{model="chat",operation="completion",status="503"} 10.0
headway_gateway_requests_total{model="",operation="chat",status="404"} 7.0
headway_gateway_tokens_total{model="chat",operation="chat",type="input"} 5000.0
headway_gateway_tokens_total{model="chat",operation="chat",type="cached"} 1000.0
headway_gateway_tokens_total{model="chat",operation="chat",type="output"} 2000.0
headway_gateway_requests_waiting{model="chat"} 3.0
headway_gateway_line_length{model="chat"} 2.0
headway_gateway_model_endpoints{model="chat"} 2.0
headway_gateway_endpoint_info{model="chat",replica="chat-0",revision="r"} 1.0
headway_gateway_endpoint_info{model="chat",replica="chat-1",revision="r"} 1.0
headway_gateway_endpoint_requests_running{replica="chat-0"} 4.0
headway_gateway_endpoint_requests_running{replica="chat-1"} 6.0
headway_gateway_endpoint_kv_used_ratio{replica="chat-1"} 0.75
headway_gateway_request_duration_seconds_bucket{le="1.0",model="chat",operation="chat"} 5.0
"""


def history(*figures: tuple[float, Figures]) -> History:
    found = History()
    for at, each in figures:
        found.add(at, each)
    return found


def test_the_figures_of_a_gateway_are_read_by_model() -> None:
    found = read_figures(TEXT)
    assert found == {"chat": Figures(100.0, 4000.0, 2000.0, 5.0, 10.0, 2, 0.75)}
    both = together({"a": found["chat"], "b": Figures(ended=50.0, waiting=1.0, running=2.0, endpoints=2, kv=0.1)})
    assert (both.ended, both.inside, both.endpoints, both.kv) == (150.0, 18.0, 2, 0.75)


def test_what_came_is_what_ended_and_what_is_inside_now() -> None:
    seen = history(
        (0.0, Figures(ended=100.0, running=4.0)),
        (30.0, Figures(ended=110.0, prompt=1000.0, output=500.0, running=9.0)),
        (60.0, Figures(ended=130.0, prompt=3000.0, output=1500.0, running=1.0)),
    )
    minute = seen.windows(60.0)[WINDOWS.index(60.0)]
    assert (minute.seconds, minute.requests) == (60.0, 27.0)  # 30 ended, 3 fewer are inside
    assert (minute.prompt, minute.output) == (2700.0, 1350.0)
    restarted = history((0.0, Figures(ended=100.0, running=4.0)), (5.0, Figures(ended=0.0, running=4.0)))
    assert restarted.windows(5.0)[0].requests == 0.0
    assert seen.idle(70.0) == 10.0


def at(queue: float, ready: int, *, replicas: Any = "0..8", idle: float = 0.0, **more: Any) -> int:
    manifest = stored(model("chat", replicas=replicas, args={"max-running": 10}, **more))
    seen = history((0.0, Figures(running=queue, endpoints=ready)))
    if not queue:
        seen = history((-100.0, Figures(running=1.0, endpoints=ready)), (0.0, Figures(ended=1.0, endpoints=ready)))
    return verdict_of(asked_of(manifest, "kubernetes"), seen, idle).target


@pytest.mark.parametrize(
    ("queue", "ready", "target"),
    [(0, 1, 0), (1, 0, 1), (7, 1, 1), (8, 1, 2), (70, 1, 8), (700, 1, 8), (14, 2, 2), (7, 4, 1), (21, 2, 3)],
)
def test_it_wants_so_many_that_each_has_seven_tenths_of_what_it_bears(queue: float, ready: int, target: int) -> None:
    assert at(queue, ready, idle=5.0 if not queue else 0.0) == target


def test_the_users_range_counts_and_not_what_an_autoscaler_wrote_last() -> None:
    assert at(100, 2, replicas="1..3") == 3
    assert at(0, 2, replicas="1..3", idle=1000.0) == 1
    assert at(30, 1, replicas="0..8", scale=1) == 5
    assert at(30, 1, replicas=2) == 2


def test_a_pod_that_is_not_ready_yet_counts_as_coming() -> None:
    manifest = stored(model("chat", replicas="0..8"), status={"replicas": 3})
    seen = observe(asked_of(manifest, "kubernetes", 10.0), history((0.0, Figures(running=9.0, endpoints=1))), 0.0)
    assert (seen.ready, seen.present, seen.capacity.sequences) == (1, 3, 10.0)


def gateway_slice(port: int, *, ready: bool = True, **port_more: Any) -> dict[str, Any]:
    found = slice_of("x", ("127.0.0.1", port), namespace="headway", ready=ready)
    found["metadata"] |= {"name": "headway-gateway-1", "labels": {"kubernetes.io/service-name": "headway-gateway"}}
    found["ports"][0] |= port_more
    return found


def test_gateways_are_found_by_their_service() -> None:
    assert addresses([gateway_slice(8080)]) == ["http://127.0.0.1:8080"]
    assert addresses([gateway_slice(8443, appProtocol="https")]) == ["https://127.0.0.1:8443"]
    assert addresses([gateway_slice(8080, ready=False)]) == []


class Keda:
    """Asks as KEDA does."""

    def __init__(self, port: int) -> None:
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")

    def ref(self, name: str = "chat", **metadata: str) -> ScaledObjectRef:
        return ScaledObjectRef(name="of-chat", namespace="default", scalerMetadata={"model": name, **metadata})

    async def call(self, method: str, request: Any, answer: Any) -> Any:
        path = f"/externalscaler.ExternalScaler/{method}"
        ask_it = self._channel.unary_unary(path, type(request).SerializeToString, answer.FromString)
        return await ask_it(request, timeout=30)

    async def wanted(self, **metadata: str) -> float:
        request = GetMetricsRequest(scaledObjectRef=self.ref(**metadata), metricName="headway-replicas")
        values = (await self.call("GetMetrics", request, GetMetricsResponse)).metricValues
        assert [each.metricName for each in values] == ["headway-replicas"]
        return float(values[0].metricValueFloat)

    def stream(self) -> Any:
        path = "/externalscaler.ExternalScaler/StreamIsActive"
        return self._channel.unary_stream(path, ScaledObjectRef.SerializeToString, IsActiveResponse.FromString)(
            self.ref()
        )

    async def close(self) -> None:
        await self._channel.close()


@pytest.fixture
def gateways() -> Iterator[list[GatewayProcess]]:
    started: list[GatewayProcess] = []
    yield started
    for one in started:
        one.stop()


@pytest.fixture
async def keda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Keda, ApiDouble]]:
    api = await ApiDouble(tmp_path).start()
    await api.put(model("chat", replicas="0..8", args={"max-running": 1}))
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    monkeypatch.setattr("headway.control.scaler.gateways.LOOK", 0.05)
    monkeypatch.setattr("headway.control.scaler.service.LOOK", 0.05)
    cluster, stop, port = Cluster(Access.open()), Stop(), free_port()
    serving = asyncio.create_task(
        serve(cluster, namespace="headway", site="kubernetes", host="127.0.0.1", port=port, stop=stop)
    )
    client = Keda(port)
    yield client, api
    stop.set()
    await asyncio.wait_for(serving, 10)
    await client.close()
    await cluster.close()
    await api.stop()


async def test_keda_is_told_how_many_replicas_the_load_of_a_real_gateway_asks_for(
    keda: tuple[Keda, ApiDouble], tmp_path: Path, gateways: list[GatewayProcess]
) -> None:
    client, api = keda
    held = asyncio.Event()

    async def hold(asked: Any, peer: Any) -> None:
        await held.wait()
        await answers()(asked, peer)

    engine = await ScriptedEngine(hold).start()
    live = GatewayProcess(tmp_path, route(endpoint(engine.url)))
    gateways.append(live)
    await api.put(gateway_slice(live.port))
    await eventually(lambda: active(client, False), 30, "asked")
    spec = (await client.call("GetMetricSpec", client.ref(), GetMetricSpecResponse)).metricSpecs
    assert [(each.metricName, each.targetSizeFloat) for each in spec] == [("headway-replicas", 1.0)]

    pushes = client.stream()
    assert not (await pushes.read()).result
    callers = [asyncio.create_task(ask(live.port)) for _ in range(3)]
    assert (await asyncio.wait_for(pushes.read(), 30)).result
    await eventually(lambda: wants(client, 5.0), 30, "3 requests, one at a time each, 70 % of that")
    assert await client.wanted(sequences="10") == 1.0
    held.set()
    assert [(await each).status for each in callers] == [200] * 3
    assert not (await asyncio.wait_for(pushes.read(), 30)).result
    pushes.cancel()
    await engine.stop()


async def test_what_cannot_be_told_is_an_error_and_not_a_number(keda: tuple[Keda, ApiDouble]) -> None:
    client, _ = keda
    for metadata, status, words in (
        ({"name": "other"}, grpc.StatusCode.NOT_FOUND, "there is no Model default/other"),
        ({"name": ""}, grpc.StatusCode.INVALID_ARGUMENT, "metadata.model names no Model"),
        ({"sequences": "many"}, grpc.StatusCode.INVALID_ARGUMENT, "metadata.sequences: found 'many'"),
        ({}, grpc.StatusCode.UNAVAILABLE, "no gateway of Headway answers"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await eventually(lambda said=metadata: reached(client, said), 30, "the server")
        assert refused.value.code() is status
        assert words in (refused.value.details() or "")


async def reached(client: Keda, metadata: dict[str, str]) -> bool:
    """Raises what the scaler says; False while its port is not open yet."""
    try:
        await client.wanted(**metadata)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNAVAILABLE and "Headway" not in (error.details() or ""):
            return False
        raise
    return True


async def active(client: Keda, result: bool) -> bool:
    try:
        return bool((await client.call("IsActive", client.ref(), IsActiveResponse)).result) == result
    except grpc.aio.AioRpcError:
        return False


async def wants(client: Keda, replicas: float) -> bool:
    return await client.wanted() == replicas


async def test_nobody_reads_gateways_that_nobody_asks_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    api = await ApiDouble(tmp_path).start()
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    cluster = Cluster(Access.open())
    quiet = Gateways(cluster, "headway")
    await quiet.open()
    looked: list[int] = []

    async def look(_: object) -> None:
        looked.append(1)
        quiet.note({"a": {"chat": Figures()}}, time.monotonic())

    monkeypatch.setattr(quiet, "look", look)
    running = asyncio.create_task(quiet.run())
    await asyncio.sleep(0)
    assert not looked
    assert await quiet.fresh()
    assert looked
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await quiet.close()
    await cluster.close()
    await api.stop()
