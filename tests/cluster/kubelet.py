"""The two questions that an API server passes on to a node's kubelet: a container's log, and a port of a pod.

Enough of a kubelet for these (k8s.io/kubernetes, pkg/kubelet/server): HTTPS, `/containerLogs/NAMESPACE/POD/CONTAINER`,
and `/portForward/NAMESPACE/POD?port=N` as a WebSocket of v4.channel.k8s.io.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Request

__all__ = ["Kubelet"]

PROTOCOL = "v4.channel.k8s.io"


@dataclass
class Kubelet:
    """`address_of`: where a pod's port really answers, by namespace, pod and port; None: nowhere. `logs`: by pod."""

    certificate: tuple[Path, Path]
    address_of: Callable[[str, str, int], tuple[str, int] | None]
    logs: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    async def open(self) -> asyncio.Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            self.asked.append(target)
            url = urlsplit(target)
            # as an API server asks a kubelet, or as it is asked itself
            path = url.path.removeprefix("/api/v1/namespaces").replace("/pods/", "/", 1)
            what, namespace, pod = path.split("/")[1:4] if path == url.path else ("portForward", *path.split("/")[1:3])
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            if what == "containerLogs":
                await self._log(pod, asked, writer)
            else:
                await self._forward(head, (namespace, pod, int(asked.get("port") or asked["ports"])), reader, writer)
        except asyncio.CancelledError:
            return  # the test is over
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _log(self, pod: str, asked: dict[str, str], writer: asyncio.StreamWriter) -> None:
        lines = self.logs.get(pod, [])[-int(asked.get("tailLines", "1000")) :]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n")
        for line in lines:
            writer.write(f"{line}\n".encode())
            await writer.drain()

    async def _forward(
        self, head: bytes, where: tuple[str, str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        socket = WSConnection(ConnectionType.SERVER)
        socket.receive_data(head)
        request = next(iter(socket.events()))
        assert isinstance(request, Request)
        assert PROTOCOL in request.subprotocols
        writer.write(socket.send(AcceptConnection(subprotocol=PROTOCOL)))
        number = where[2].to_bytes(2, "little")
        writer.write(socket.send(BytesMessage(b"\x00" + number)) + socket.send(BytesMessage(b"\x01" + number)))
        there = self.address_of(*where)
        if there is None:
            writer.write(socket.send(BytesMessage(b"\x01connection refused")))
            await writer.drain()
            return
        pod_reader, pod_writer = await asyncio.open_connection(*there)

        async def back() -> None:
            while data := await pod_reader.read(4096):
                # in two pieces of one message, as proxies on the way may cut it
                half = len(data) // 2
                writer.write(socket.send(BytesMessage(b"\x00" + data[:half], message_finished=False)))
                writer.write(socket.send(BytesMessage(data[half:], message_finished=True)))
                await writer.drain()
            writer.write(socket.send(CloseConnection(code=1000)))
            await writer.drain()

        answering = asyncio.create_task(back())
        message = b""
        try:
            while data := await reader.read(4096):
                socket.receive_data(data)
                for event in socket.events():
                    if not isinstance(event, BytesMessage):
                        continue
                    message += bytes(event.data)
                    if event.message_finished:
                        assert message[:1] == b"\x00"
                        pod_writer.write(message[1:])
                        await pod_writer.drain()
                        message = b""
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            pod_writer.close()
            with contextlib.suppress(OSError):
                await pod_writer.wait_closed()
