"""An engine that writes down every request that reaches it, as h11 reads it: another parser than the gateway's.

Bytes that h11 does not take for HTTP are a fault of the gateway: nothing but whole, plain requests may leave it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11

from tests.support.gateway import completion

__all__ = ["Recorder"]


class Recorder:
    """`got`: (target, body) in the order of their ends; `faults`: what was no HTTP."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.faults: list[str] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def start(self) -> Recorder:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, self._connections), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for each in list(self._connections):
            each.close()
        await asyncio.sleep(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """Open ones: idle ones of the gateway's pool, when nothing runs."""
        return len(self._connections)


_ANSWER = completion()


class _Connection(asyncio.Protocol):
    def __init__(self, recorder: Recorder, all_of_them: set[_Connection]) -> None:
        self._recorder, self._all = recorder, all_of_them
        self._http = h11.Connection(h11.SERVER)
        self._transport: Any = None
        self._target, self._body = "", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.discard(self)

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        try:
            self._read()
        except h11.RemoteProtocolError as error:
            self._recorder.faults.append(f"{error}: {data[:300]!r}")
            self._transport.abort()

    def _read(self) -> None:
        while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                self._target, self._body = event.target.decode(), b""
                if event.method == b"GET":  # the hub reads an engine's metrics
                    self._transport.write(b"HTTP/1.1 404 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    self._transport.close()
                    return
            elif isinstance(event, h11.Data):
                self._body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self._recorder.got.append((self._target, self._body))
                self._say(_ANSWER)
                self._http.start_next_cycle()
            else:
                return

    def _say(self, body: bytes) -> None:
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        for event in (h11.Response(status_code=200, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self._transport.write(self._http.send(event) or b"")
