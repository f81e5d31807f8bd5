"""One HTTP/1.1 GET to an engine on this machine: a deadline for all of it, a bound on the answer, no connection kept.

Probes must work when the pool of a client library does not, and must not keep a connection that an engine counts as
a user's; so this is a socket and a few lines. It understands Content-Length, chunked and read-until-close bodies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway.errors import UnreachableError

__all__ = ["Answer", "get", "get_unix"]

_HEAD_LIMIT = 64 * 1024

_Opening = Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


async def get(host: str, port: int, path: str, *, timeout: float, limit: int = 4 << 20) -> Answer:
    """The answer, whatever its status. Raises UnreachableError: refused, silent until `timeout`, too large, no HTTP."""
    opening = asyncio.open_connection(host, port, limit=_HEAD_LIMIT)
    return await _in_time(opening, f"{host}:{port}", path, timeout, limit)


async def get_unix(socket: Path, path: str, *, timeout: float, limit: int = 64 << 20) -> Answer:
    """The same over a UNIX socket."""
    opening = asyncio.open_unix_connection(str(socket), limit=_HEAD_LIMIT)
    return await _in_time(opening, "localhost", path, timeout, limit)


async def _in_time(opening: _Opening, host: str, path: str, timeout: float, limit: int) -> Answer:
    try:
        async with asyncio.timeout(timeout):
            return await _get(opening, host, path, limit)
    except TimeoutError:
        raise UnreachableError(f"http://{host}{path}: no answer within {timeout:g} s") from None
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise UnreachableError(f"http://{host}{path}: {str(error) or type(error).__name__}") from error


async def _get(opening: _Opening, host: str, path: str, limit: int) -> Answer:
    reader, writer = await opening
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        writer.write(request.encode("ascii"))
        status, headers = await _head(reader)
        return Answer(status, await _body(reader, status, headers, limit))
    finally:
        writer.transport.abort()


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    while True:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise ValueError(f"no HTTP answer: {lines[0][:80]!r}")
        status = int(rest[:3])
        if status >= 200:  # 1xx only announces the answer
            pairs = (line.partition(":") for line in lines[1:] if line)
            return status, {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, status: int, headers: dict[str, str], limit: int) -> bytes:
    if status in (204, 304):
        return b""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _chunks(reader, limit)
    if "content-length" in headers:
        return await reader.readexactly(_bounded(int(headers["content-length"]), limit))
    body = bytearray()
    while part := await reader.read(65536):
        body += part
        _bounded(len(body), limit)
    return bytes(body)


async def _chunks(reader: asyncio.StreamReader, limit: int) -> bytes:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        _bounded(len(body) + size, limit)
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    return bytes(body)


def _bounded(size: int, limit: int) -> int:
    if not 0 <= size <= limit:
        raise ValueError(f"the answer is larger than {limit} bytes")
    return size
