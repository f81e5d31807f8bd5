"""A local port that leads to a port of a pod, through the API server alone, as `kubectl port-forward` does it.

Each connection is a WebSocket of its own with the subprotocol v4.channel.k8s.io: messages begin with a byte that is
the channel, 0 for data and 1 for errors, and the first message of each channel only repeats the port's number
(k8s.io/kubelet, pkg/cri/streaming/portforward/websocket.go). Any API server since 1.5 passes it on to the kubelet.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from headway.errors import HeadwayError, UnreachableError
from headway.wire.kube.cluster import Cluster
from headway.wire.kube.resource import resource

if TYPE_CHECKING:
    from wsproto.connection import Connection

__all__ = ["forward"]

log = logging.getLogger(__name__)

PROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = 0, 1
PORT_BYTES = 2
BLOCK = 64 << 10
"""Bytes of one message."""
LINGER = 5.0
"""Seconds that an answer may still come after the caller has said all: few callers close one direction alone."""


async def forward(cluster: Cluster, namespace: str, pod: str, port: int, *, local: int = 0) -> asyncio.Server:
    """Listens on 127.0.0.1 (`local`: the port, 0 = any free one) until the server is closed."""
    path = resource("Pod").path(namespace, pod, "portforward")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _carry(cluster, path, port, reader, writer)
        except (HeadwayError, OSError) as error:
            log.warning("a connection to %s/%s ended: %s", namespace, pod, error)
        except asyncio.CancelledError:
            return  # whoever forwards is done; asyncio before 3.12 would print this as a fault
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    return await asyncio.start_server(serve, "127.0.0.1", local)


async def _carry(
    cluster: Cluster, path: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """One connection, until either side has closed it."""
    from wsproto.connection import Connection, ConnectionType  # noqa: PLC0415
    from wsproto.utilities import generate_nonce  # noqa: PLC0415

    head = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": generate_nonce().decode(),
        "sec-websocket-protocol": PROTOCOL,
    }
    async with cluster.upgraded(path, {"ports": port}, head) as stream:
        socket = Connection(ConnectionType.CLIENT)
        there = asyncio.create_task(_send(socket, stream, reader))
        back = asyncio.create_task(_receive(socket, stream, writer))
        try:
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            if not back.done():
                await asyncio.wait((back,), timeout=LINGER)
            if back.done():
                back.result()
        finally:
            for each in (there, back):
                each.cancel()
            await asyncio.gather(there, back, return_exceptions=True)


async def _send(socket: Connection, stream: Any, reader: asyncio.StreamReader) -> None:
    from wsproto.events import BytesMessage  # noqa: PLC0415

    while data := await reader.read(BLOCK):
        await stream.write(socket.send(BytesMessage(bytes([DATA]) + data)))


async def _receive(socket: Connection, stream: Any, writer: asyncio.StreamWriter) -> None:
    """Raises UnreachableError with what the kubelet says against it."""
    channels = _Channels()
    while data := await stream.read(BLOCK):
        socket.receive_data(data)
        for event in socket.events():
            if not (piece := channels.read(event)):
                continue
            writer.write(piece)
            await writer.drain()
        if channels.closed:
            return


class _Channels:
    """What the messages of one connection say, put together: a message may come in several pieces."""

    def __init__(self) -> None:
        self.closed = False
        self._channel: int | None = None
        self._begun: set[int] = set()
        self._ports: dict[int, bytes] = {}

    def read(self, event: object) -> bytes:
        """Of the data channel, what the pod sent."""
        from wsproto.events import BytesMessage, CloseConnection  # noqa: PLC0415

        if isinstance(event, CloseConnection):
            self.closed = True
        if not isinstance(event, BytesMessage):
            return b""
        data = bytes(event.data)
        if self._channel is None and data:
            self._channel, data = data[0], data[1:]
        channel = DATA if self._channel is None else self._channel
        if event.message_finished:
            self._channel = None
        data = self._without_port(channel, data)
        if channel == ERROR and data:
            raise UnreachableError(f"the pod's node refused: {data.decode(errors='replace').strip()}")
        return data if channel == DATA else b""

    def _without_port(self, channel: int, data: bytes) -> bytes:
        """The first two bytes of each channel are the port's number."""
        if channel in self._begun:
            return data
        together = self._ports.pop(channel, b"") + data
        if len(together) < PORT_BYTES:
            self._ports[channel] = together
            return b""
        self._begun.add(channel)
        return together[PORT_BYTES:]
