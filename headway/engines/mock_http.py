"""HTTP/1.1 as the mock engine speaks it: a Reply to write one answer with, a Caller for each connection.

A caller that leaves ends the work that was done for it; one that reads slowly slows it down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import httptools
import msgspec

__all__ = ["Answer", "Caller", "Reply"]

STATUS = {200: "OK", 400: "Bad Request", 404: "Not Found", 503: "Service Unavailable"}


class Reply:
    """Writes one answer to one caller, no faster than the caller reads."""

    def __init__(self, transport: asyncio.Transport, writable: asyncio.Event, keep_alive: bool) -> None:
        self._transport = transport
        self._writable = writable
        self._keep_alive = keep_alive

    def json(self, value: Mapping[str, Any], status: int = 200) -> None:
        self.send(status, "application/json", msgspec.json.encode(value))

    def error(self, status: int, message: str, kind: str) -> None:
        self.json({"error": {"message": message, "type": kind, "code": status, "param": None}}, status)

    def send(self, status: int, content_type: str, body: bytes) -> None:
        self._head(status, content_type, f"content-length: {len(body)}", body)

    def begin_stream(self) -> None:
        self._head(200, "text/event-stream", "transfer-encoding: chunked")

    async def event(self, value: Mapping[str, Any]) -> None:
        self._chunk(b"data: " + msgspec.json.encode(value) + b"\n\n")
        await self._writable.wait()

    def end_stream(self) -> None:
        self._chunk(b"data: [DONE]\n\n")
        self._transport.write(b"0\r\n\r\n")

    def _head(self, status: int, content_type: str, length: str, body: bytes = b"") -> None:
        connection = "keep-alive" if self._keep_alive else "close"
        lines = (
            f"HTTP/1.1 {status} {STATUS[status]}",
            f"content-type: {content_type}",
            length,
            f"connection: {connection}",
        )
        self._transport.write("\r\n".join((*lines, "", "")).encode() + body)

    def _chunk(self, data: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))


Answer = Callable[[Reply, str, str, bytes], Awaitable[None]]
"""Answers one request: method, path, body."""


class Caller(asyncio.Protocol):
    """One connection. A request at a time; pipelined ones wait for their turn."""

    def __init__(self, answer: Answer, fault: Callable[[str], None]) -> None:
        self._work, self._fault = answer, fault
        self._parser = httptools.HttpRequestParser(self)
        self._writable = asyncio.Event()
        self._url = b""
        self._body = bytearray()
        self._turn: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            Reply(self._transport, self._writable, False).error(400, str(error), "invalid_request_error")
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._turn is not None:
            self._turn.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def on_message_begin(self) -> None:
        self._url, self._body = b"", bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        method, path = self._parser.get_method().decode(), self._url.decode().partition("?")[0]
        keep_alive = self._parser.should_keep_alive()
        self._turn = asyncio.ensure_future(self._answer(self._turn, method, path, bytes(self._body), keep_alive))

    async def _answer(
        self, before: asyncio.Task[None] | None, method: str, path: str, body: bytes, keep_alive: bool
    ) -> None:
        if before is not None:
            await before
        try:
            await self._work(Reply(self._transport, self._writable, keep_alive), method, path, body)
        except Exception as error:
            self._fault(f"error: {method} {path}: {error!r}")
            self._transport.abort()
            raise
        if not keep_alive:
            self._transport.close()
