"""HTTP/1.1 to one address, for the load generator: connections that are kept and take one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, cast
from urllib.parse import urlsplit

import httptools
import msgspec

__all__ = ["CHAT", "Call", "Wire", "address", "chat_body", "encoded"]

CHAT = "/v1/chat/completions"
BODY = b'{"messages":[%b],"model":"%b","max_tokens":%d,"stream":true,"stream_options":{"include_usage":true}}'


class Call(Protocol):
    """Who asked. `status` 0: the connection broke, or there was none."""

    def body(self, data: bytes) -> None: ...
    def ended(self, status: int) -> None: ...


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80


def encoded(role: str, content: str) -> bytes:
    return msgspec.json.encode({"role": role, "content": content})


def chat_body(messages: Sequence[bytes], model: str, answer: int) -> bytes:
    """A request for a stream, with its parts in the order in which the official client writes them."""
    return BODY % (b",".join(messages), model.encode(), answer)


class Wire:
    """The connections to one server."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: list[_Line] = []
        self._all: set[_Line] = set()
        self._opening: set[asyncio.Task[None]] = set()

    def ask(self, request: bytes, call: Call) -> None:
        if self._idle:
            self._idle.pop().send(request, call)
            return
        task = asyncio.get_running_loop().create_task(self._open(request, call))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nhost: {self._host}:{self._port}\r\ncontent-type: application/json\r\n"
        return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    def close(self) -> None:
        for task in self._opening:
            task.cancel()
        for line in tuple(self._all):
            line.abort()

    async def _open(self, request: bytes, call: Call) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, line = await loop.create_connection(lambda: _Line(self._idle, self._all), self._host, self._port)
        except OSError:
            call.ended(0)
            return
        line.send(request, call)


class _Line(asyncio.Protocol):
    def __init__(self, idle: list[_Line], everyone: set[_Line]) -> None:
        self._idle, self._everyone = idle, everyone
        self._call: Call | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._everyone.add(self)

    def send(self, request: bytes, call: Call) -> None:
        self._call = call
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)

    def abort(self) -> None:
        self._call = None
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._everyone.discard(self)
        if self in self._idle:
            self._idle.remove(self)
        call, self._call = self._call, None
        if call:
            call.ended(0)

    # the parser's

    def on_body(self, data: bytes) -> None:
        if self._call:
            self._call.body(data)

    def on_message_complete(self) -> None:
        call, self._call = self._call, None
        status = self._parser.get_status_code()
        if self._parser.should_keep_alive():
            self._idle.append(self)
        else:
            self._transport.close()
        if call:
            call.ended(status)
