"""What the gateway's tests are built from: an engine that misbehaves as told, a gateway, and a caller that is
exact.

The caller reads answers strictly: a truncated body or chunk raises, it never passes for an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headway.gateway.board import Board
from headway.gateway.hub.archive import Archive
from headway.gateway.hub.crew import Crew
from headway.gateway.hub.ports import listeners
from headway.gateway.hub.treasurer import Treasurer
from headway.gateway.record import Record, Records, Stats
from headway.gateway.settings import Settings, Tunable
from headway.gateway.table import Endpoint, KeyEntry, ModelRoute, RoutingTable, TenantRule, write_table
from headway.gateway.worker import Place, Worker
from headway.policy.route import RouteRule

CHAT = "/v1/chat/completions"
ROOT = Path(__file__).resolve().parent.parent.parent


async def eventually(
    predicate: Callable[[], object | Awaitable[object]], deadline: float = 10.0, what: str = ""
) -> None:
    """Wait until the predicate, which may be a coroutine function, is true."""
    end = time.monotonic() + deadline
    while True:
        found = predicate()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return
        assert time.monotonic() < end, f"did not happen within {deadline} s: {what or predicate}"
        await asyncio.sleep(0.01)


# -------------------- a scripted engine


@dataclass
class Asked:
    """One request as the engine got it."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Peer:
    """The engine's side of one connection while it answers."""

    def __init__(self, engine: ScriptedEngine, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.engine, self.reader, self.writer = engine, reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def close(self) -> None:
        """FIN after what was sent."""
        self.writer.close()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_gone(self) -> None:
        """The gateway broke the connection."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        self.engine.gone += 1


Script = Callable[[Asked, Peer], Awaitable[None]]


class ScriptedEngine:
    """Answers the n-th request by the n-th script; the last script repeats. Counts what a test wants to
    know."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.asked: list[Asked] = []
        self.connections = 0
        self.running = 0
        self.gone = 0
        self.port = 0
        self.gate = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, tls: Any = None) -> ScriptedEngine:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        await asyncio.sleep(0)  # who was accepted a moment ago has a task now
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()  # TLS would wait for the other side
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while not writer.is_closing():
                    asked = await read_request(reader)
                    if asked.line.startswith("GET /metrics"):  # the hub's question, not a caller's
                        self.connections -= 1
                        writer.write(answer_bytes(b"", 404))
                        break
                    self.asked.append(asked)
                    script = self.scripts[min(len(self.asked), len(self.scripts)) - 1]
                    self.running += 1
                    try:
                        await script(asked, Peer(self, reader, writer))
                    finally:
                        self.running -= 1
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            if not isinstance(writer.get_extra_info("ssl_object"), ssl.SSLObject):
                self._writers.discard(writer)


async def read_request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (text.partition(": ") for text in lines if text)}
    if headers.get("transfer-encoding") == "chunked":
        return Asked(line, headers, await read_chunks(reader))
    return Asked(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


def answer_bytes(body: bytes, status: int = 200, headers: str = "", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{headers}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def completion(text: str = "Paris.", prompt: int = 7, out: int = 3) -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": out, "prompt_tokens_details": {"cached_tokens": 2}}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    fixed = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    return json.dumps({**fixed, "choices": [choice], "usage": usage}).encode()


def event(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    fixed = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + json.dumps({**fixed, "choices": [choice]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def answers(body: bytes | None = None, status: int = 200, headers: str = "", kind: str = "application/json") -> Script:
    async def script(asked: Asked, peer: Peer) -> None:
        await peer.send(answer_bytes(completion() if body is None else body, status, headers, kind))

    return script


def streams(*texts: str, done: bool = True, tail: bytes = b"") -> Script:
    async def script(asked: Asked, peer: Peer) -> None:
        await peer.send(STREAM_HEAD)
        for text in texts:
            await peer.send(chunked(event(text)))
        await peer.send((chunked(tail) if tail else b"") + (chunked(DONE) if done else b"") + b"0\r\n\r\n")

    return script


GATE = b"the engine waits here until the test sets its gate"


def sends(*pieces: bytes, then: str = "close") -> Script:
    """Raw bytes, then `close` (FIN), `reset`, or `hang` until the gateway goes."""

    async def script(asked: Asked, peer: Peer) -> None:
        for piece in pieces:
            if piece == GATE:
                await peer.engine.gate.wait()
            else:
                await peer.send(piece)
        if then == "close":
            peer.close()
        elif then == "reset":
            peer.reset()
        else:
            await peer.until_gone()

    return script


# -------------------- a gateway


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """For localhost, signed by itself: certificate and key."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run([*argv, *names, *files], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the openssl command to make a certificate")
    return certificate, key


def endpoint(url: str, name: str = "chat-0", incarnation: int = 1, **more: Any) -> Endpoint:
    return Endpoint(id=f"{name}.{incarnation}", replica=name, revision="r1", url=url, **more)


def route(*endpoints: Endpoint, name: str = "chat", task: Any = "chat", **more: Any) -> ModelRoute:
    return ModelRoute(name=name, task=task, endpoints=endpoints, **more)


def key_for(tenant: str, **more: Any) -> tuple[str, KeyEntry]:
    """A key as its owner has it, and as the table has it."""
    key = f"hw-{tenant}-{len(more)}"
    return key, KeyEntry(hashlib.sha256(key.encode()).hexdigest(), f"{tenant}-1", tenant, **more)


def bearer(key: str) -> list[str]:
    return [f"authorization: Bearer {key}"]


@dataclass
class Here:
    """A gateway in this process."""

    worker: Worker
    port: int
    crew: Crew
    version: int = 1
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def use(self, *models: ModelRoute, routes: tuple[RouteRule, ...] = ()) -> None:
        self.version += 1
        use(self.worker, RoutingTable(self.version, models, routes=routes))

    def stats(self) -> Stats:
        return self.worker.gateway.stats()

    def records(self) -> list[Record]:
        return self.worker.gateway.journal.since(0).records

    @property
    def last(self) -> Record:
        return self.records()[-1]

    async def ask(self, **more: Any) -> Answer:
        return await ask(self.port, **more)


def use(worker: Worker, table: RoutingTable) -> None:
    ids = dict.fromkeys(endpoint.id for model in table.models for endpoint in model.endpoints)
    worker.gateway.use(table, {each: slot for slot, each in enumerate(ids)}, b"a key of the tests")


@contextlib.asynccontextmanager
async def gateway_here(
    folder: Path,
    *models: ModelRoute,
    archive: Archive | None = None,
    routes: tuple[RouteRule, ...] = (),
    worker_of: Callable[..., Worker] = Worker,
    **settings: Any,
) -> AsyncIterator[Here]:
    """A worker of this process with the crew that hubs have; tables are handed to it at once."""
    loop, made = asyncio.get_running_loop(), []
    chosen = Settings(**({"drain_seconds": 0.5} | settings))

    def start(number: int, workers: int, listener: socket.socket, board: Board) -> tuple[None, socket.socket]:
        ours, theirs = (each for each in socket.socketpair())
        for each in (ours, theirs):
            each.setblocking(False)
        made.append(worker_of(Place(number, listener.dup(), theirs, board), chosen, loop))
        return None, ours

    listener = listeners("127.0.0.1", 0, 1, shared=False)
    board = Board.create(folder / "g.board", 1)
    treasurer = Treasurer(str(folder / "g.ledger"), folder / "g.leases")
    crew = Crew(listener, board, treasurer, chosen, start, archive=archive)
    await crew.start()
    worker: Worker = made[0]
    await worker.start()
    use(worker, RoutingTable(1, models, routes=routes))
    try:
        yield Here(worker, listener[0].getsockname()[1], crew=crew)
    finally:
        crew.signal(signal.SIGTERM)
        await worker.stop()
        await crew.until_gone(1)
        board.close()


class GatewayProcess:
    """A gateway as users run it."""

    def __init__(
        self,
        folder: Path,
        *models: ModelRoute,
        port: int = 0,
        workers: int = 1,
        more: tuple[str, ...] = (),
        tenants: tuple[TenantRule, ...] = (),
        keys: tuple[KeyEntry, ...] = (),
        routes: tuple[RouteRule, ...] = (),
        settings: Tunable | None = None,
    ) -> None:
        self.folder, self.table, self.socket = folder, folder / "table.json", folder / "g.sock"
        self.version = 0
        self.tenants, self.keys, self.routes, self.settings = tenants, keys, routes, settings
        self.log = folder / "gateway.log"
        if models:
            self.use(*models, hang_up=False)
        argv = [sys.executable, "-m", "headway.gateway", "--table", str(self.table), "--port", str(port)]
        with self.log.open("ab") as log:
            more = ("--socket", str(self.socket), "--workers", str(workers), *more)
            self.child = subprocess.Popen([*argv, *more], stderr=log, cwd=ROOT)
        self.port = 0
        try:
            self.wait_listening()
        except BaseException:
            self.child.kill()
            self.child.wait()
            raise

    def wait_listening(self) -> None:
        end = time.monotonic() + 20
        while b"listening on" not in self.log.read_bytes():
            assert self.child.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.01)
        self.port = int(re.findall(r"listening on https?://[^ ]*:(\d+)", self.log.read_text())[-1])

    def use(self, *models: ModelRoute, hang_up: bool = True) -> None:
        self.version += 1
        beside = {"routes": self.routes, "settings": self.settings}
        write_table(self.table, RoutingTable(self.version, models, self.tenants, self.keys, **beside))
        if hang_up:
            os.kill(self.child.pid, signal.SIGHUP)

    async def admin(self, path: str) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self.socket)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        data = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return Answer.parse(data).body

    async def stats(self) -> Stats:
        return msgspec.json.decode(await self.admin("/stats"), type=Stats)

    async def records(self, since: int = 0) -> Records:
        return msgspec.json.decode(await self.admin(f"/records?since={since}"), type=Records)

    def stop(self) -> int:
        if self.child.poll() is None:
            self.child.terminate()
        try:
            return self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()


# -------------------- a caller


class Truncated(Exception):
    """The answer stopped before its end."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    rest: bytes = b""  # of the next answer on the connection

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error

    @property
    def events(self) -> list[Any]:
        """The data of each event: JSON, or the text `[DONE]`."""
        pieces = self.body.split(b"\n\n")
        assert pieces.pop() == b"", "the body ends in mid-event"
        texts = [piece.removeprefix(b"data: ") for piece in pieces if not piece.startswith(b":")]
        return ["[DONE]" if text == b"[DONE]" else json.loads(text) for text in texts]

    @classmethod
    def parse(cls, data: bytes, method: str = "POST") -> Answer:
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            raise Truncated(data)
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (text.partition(": ") for text in lines)}
        status = int(line.split()[1])
        if method == "HEAD" or status in (100, 204):
            return cls(status, headers, b"", rest)
        if headers.get("transfer-encoding") == "chunked":
            body, rest = unchunk(rest)
            return cls(status, headers, body, rest)
        if "content-length" in headers:
            length = int(headers["content-length"])
            if len(rest) < length:
                raise Truncated(data)
            return cls(status, headers, rest[:length], rest[length:])
        return cls(status, headers, rest)


def unchunk(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, found, data = data.partition(b"\r\n")
        if not found or len(data) < int(size, 16) + 2:
            raise Truncated(body)
        length = int(size, 16)
        body += data[:length]
        assert data[length : length + 2] == b"\r\n"
        data = data[length + 2 :]
        if not length:
            return body, data


def request_bytes(
    path: str = CHAT, method: str = "POST", body: bytes = b"", headers: Iterable[str] = (), close: bool = True
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", *headers]
    if close:
        lines.append("connection: close")
    if body or method == "POST":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def chat_body(model: str = "chat", stream: bool = False, **more: Any) -> bytes:
    call: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}
    if stream:
        call["stream"] = True
    return json.dumps(call).encode()


async def raw(port: int, *pieces: bytes, deadline: float = 20.0) -> bytes:
    """Send the pieces, then all that comes until the gateway closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(deadline):
            while data := await reader.read(65536):
                got += data
    except ConnectionError:
        pass
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return got


async def ask(
    port: int,
    path: str = CHAT,
    method: str = "POST",
    body: bytes | None = None,
    headers: Iterable[str] = (),
    *,
    deadline: float = 20.0,
    **call: Any,
) -> Answer:
    """One request on its own connection; `call` are fields of a chat call."""
    if body is None:
        body = chat_body(**call) if method == "POST" else b""
    data = await raw(port, request_bytes(path, method, body, headers), deadline=deadline)
    return Answer.parse(data, method)
