"""The hub's UNIX socket: `GET /stats` and `GET /records?since=SEQ`, for the control loop of the same user.

One answer a connection, in plain HTTP/1.1, so that `curl --unix-socket` reads it too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from headway.errors import ResourceError
from headway.wire.openai import Refusal

__all__ = ["Admin", "Query", "bind_private", "private_socket"]

Query = Mapping[str, str]
Answer = Callable[[Query], Awaitable[object]]
_ASK_SECONDS = 5.0


class Admin:
    """`answers`: path -> what makes its answer, which is sent as JSON. It raises ValueError for a bad query."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_ASK_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                status, body = await self._answer(head.decode("latin-1").partition("\r\n")[0])
                writer.write(_framed(status, body))
                await writer.drain()
        writer.close()

    async def _answer(self, line: str) -> tuple[int, bytes]:
        method, _, rest = line.partition(" ")
        target = urlsplit(rest.rpartition(" ")[0])
        answer = self._answers.get(target.path)
        if answer is None:
            known = ", ".join(self._answers)
            return 404, Refusal(404, "unknown_url", f"Known: {known}.").body()
        if method != "GET":
            return 405, Refusal(405, "method_not_allowed", "Use GET.").body()
        try:
            query = {name: values[0] for name, values in parse_qs(target.query).items()}
            return 200, msgspec.json.encode(await answer(query))
        except ValueError as error:
            return 400, Refusal(400, "bad_request", f"Not understood: {error}.").body()


def _framed(status: int, body: bytes) -> bytes:
    phrase = HTTPStatus(status).phrase
    lines = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return lines.encode() + b"connection: close\r\n\r\n" + body


def bind_private(path: Path) -> socket.socket:
    """A UNIX socket that only this user may open; one that a dead process left is replaced."""
    if path.is_socket():
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        hint = "choose a shorter path in a folder that exists"
        raise ResourceError(f"{path}: cannot listen there ({error.strerror or error})", hint=hint) from error
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener


def private_socket(part: str, port: int) -> Path:
    """Where a `part` that was told none listens: the same for the same port, so that one started anew finds what the
    one before left behind."""
    folder = Path(tempfile.gettempdir()) / f"headway-{os.getuid()}-{part}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ResourceError(f"{folder}: belongs to somebody else", hint="give --socket in a folder of your own")
    return folder / f"{port or os.getpid()}.sock"
