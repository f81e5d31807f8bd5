"""A local port that leads to a pod's, against the kubelet's side of the protocol; tests/cluster has an API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from headway.wire.kube.access import Access
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.forward import _Channels, forward
from tests.cluster.identities import Identities
from tests.cluster.kubelet import Kubelet

wsproto_events = pytest.importorskip("wsproto.events")
HTTP = 8000


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers a request with its body, and closes."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    body = await reader.readexactly(length)
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % length + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """As far as a port of a pod is concerned: the API server passes the connection on as it is."""
    pod = await asyncio.start_server(_echo, "127.0.0.1", 0)
    where = ("127.0.0.1", int(pod.sockets[0].getsockname()[1]))
    certificate = Identities(tmp_path, "https://127.0.0.1").certificate("kubelet", hosts=["127.0.0.1"])
    kubelet = Kubelet(certificate, lambda _namespace, _pod, port: where if port == HTTP else None)
    server = await kubelet.open()
    url = f"https://127.0.0.1:{kubelet.port}"
    http = httpx2.AsyncClient(base_url=url, verify=False, trust_env=False)
    yield Cluster(Access("test", "default", url, http))
    await http.aclose()
    server.close()
    pod.close()
    if connections := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(connections, timeout=30)


@pytest.mark.parametrize("size", [0, 1, 4095, 65_536, 1_000_000])
async def test_what_goes_in_comes_back(cluster: Cluster, size: int) -> None:
    async with await forward(cluster, "team-a", "chat-0", HTTP) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
            answers = await asyncio.gather(*(client.post(url, content=b"x" * size) for _ in range(3)))
    assert [(each.status_code, len(each.content)) for each in answers] == [(200, size)] * 3


async def test_a_port_that_nobody_listens_on_closes_the_connection(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    async with await forward(cluster, "team-a", "chat-0", 9) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with httpx2.AsyncClient(trust_env=False, timeout=60) as client:
            with pytest.raises(httpx2.RemoteProtocolError):
                await client.get(url)
    assert "team-a/chat-0 ended: the pod's node refused: connection refused" in caplog.text


def test_messages_in_any_pieces_are_the_same_bytes() -> None:
    """The port's two bytes too may come apart."""
    channels = _Channels()
    pieces = [(b"\x00", False), (b"\x40", False), (b"\x1fab", True), (b"\x01\x40", True), (b"\x01\x1f", True)]
    pieces += [(b"\x00c", False), (b"d", True)]
    read = [channels.read(wsproto_events.BytesMessage(data, message_finished=last)) for data, last in pieces]
    assert b"".join(read) == b"abcd"
    channels.read(wsproto_events.CloseConnection(code=1000))
    assert channels.closed
