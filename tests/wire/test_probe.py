"""The probe against real sockets: each way a body can end, and each way an answer can be wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from headway.errors import UnreachableError
from headway.wire.probe import get, get_unix

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def saying(answer: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    return handle


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read()  # until the caller has had enough
    writer.close()


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[int]:
    """All that the handler holds is closed when this ends."""
    handling: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handler(reader, writer)
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handling.add(asyncio.create_task(handle(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        if handling:
            await asyncio.wait(handling, timeout=10)


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore", 200, b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3;x=y\r\nabc\r\n0\r\n\r\n", 200, b"okabc"),
        (b"HTTP/1.0 503 Busy\r\n\r\nuntil close", 503, b"until close"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:0\r\n\r\n", 200, b""),
    ],
)
async def test_answers(answer: bytes, status: int, body: bytes) -> None:
    async with serving(saying(answer)) as port:
        found = await get("127.0.0.1", port, "/health", timeout=5)
    assert (found.status, found.body) == (status, body)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_one_error(answer: bytes) -> None:
    async with serving(saying(answer)) as port:
        with pytest.raises(UnreachableError, match=f"127.0.0.1:{port}/health: "):
            await get("127.0.0.1", port, "/health", timeout=5, limit=1000)


async def test_silence_ends_at_the_deadline() -> None:
    async with serving(silent) as port:
        with pytest.raises(UnreachableError, match=r"no answer within 0\.05 s"):
            await get("127.0.0.1", port, "/health", timeout=0.05)


async def test_nobody_there() -> None:
    async with serving(silent) as port:
        pass
    with pytest.raises(UnreachableError):
        await get("127.0.0.1", port, "/health", timeout=5)


async def test_over_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = await asyncio.start_unix_server(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), path)
    async with server:
        assert (await get_unix(path, "/stats", timeout=5)).text == "ok"
    with pytest.raises(UnreachableError):
        await get_unix(tmp_path / "none", "/stats", timeout=5)
