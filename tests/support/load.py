"""The load generator inside a test: planned requests sent by one process' worth of it, to a server that the test
scripts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from time import monotonic
from typing import Any, Literal

import msgspec

from headway.bench.callers import Callers, Phase
from headway.bench.desk import Desk
from headway.bench.pace import Pace
from headway.bench.plan import Target
from headway.bench.pool import Pool
from headway.bench.prompts import Prompts
from headway.bench.record import Record
from headway.bench.requests import Requests
from headway.bench.target import Heads, address_of, trust_of
from headway.perf.traffic.planned import Operation, Piece, Planned
from tests.support.gateway import Asked, Peer, Script, ScriptedEngine

__all__ = [
    "DONE", "Sending", "call", "call_on", "data", "endless", "said", "scripted", "send", "sending", "spaced", "sse",
    "tells", "usage",
]  # fmt: skip

DEADLINE = 20.0


@asynccontextmanager
async def scripted(*scripts: Script, tls: Any = None) -> AsyncIterator[ScriptedEngine]:
    """Answers the n-th request by the n-th script; the last one repeats."""
    engine = await ScriptedEngine(*scripts).start(tls)
    try:
        yield engine
    finally:
        await engine.stop()


def call(number: int = 0, at: float = 0.0, **fields: Any) -> Planned:
    """A short streamed chat."""
    operation: Operation = fields.pop("operation", "chat")
    fields.setdefault("stream", operation != "embedding")
    prompt = fields.pop("prompt", (Piece(number, 8),))
    return Planned(number, at, 0, operation, fields.pop("model", "m"), prompt, fields.pop("output_tokens", 5), **fields)


class Sending:
    """A pool, a desk and what they told, for one target."""

    def __init__(
        self, target: Target, *, timeout: float, sockets: int, dialect: Literal["engine", "openai"], keep_text: int
    ) -> None:
        address = address_of(target.url)
        self.pool = Pool(address, trust_of(target, address), sockets, timeout)
        self.requests = Requests(Heads(target, address, "test"), Prompts(1), dialect)
        self.records: list[Record] = []
        self.desk = Desk(self.pool, monotonic() + 0.05, timeout, self.records.append, keep_text)
        self.sent_all = asyncio.Event()

    async def home(self) -> list[Record]:
        """Until everything has ended."""
        async with asyncio.timeout(DEADLINE):
            await self.sent_all.wait()
            while self.desk.flying:
                self.desk.look(self.desk.clock())
                await asyncio.sleep(0.005)
        return sorted(self.records, key=lambda record: (record.due, record.number))


@asynccontextmanager
async def sending(
    url: str,
    *,
    timeout: float = 10.0,
    sockets: int = 100,
    dialect: Literal["engine", "openai"] = "engine",
    keep_text: int = 0,
    **target: Any,
) -> AsyncIterator[Sending]:
    made = Sending(Target(url=url, **target), timeout=timeout, sockets=sockets, dialect=dialect, keep_text=keep_text)
    try:
        yield made
    finally:
        made.pool.close()
        await asyncio.sleep(0)  # connections that were dropped are closed by the loop


async def send(url: str, *planned: Planned, end: float = 60.0, **more: Any) -> list[Record]:
    """The open loop: every Record, as they were due."""
    async with sending(url, **more) as one:
        pace = Pace(iter(planned), one.requests, one.desk, end, one.sent_all.set)
        pace.prepare()
        pace.start()
        return await one.home()


async def call_on(url: str, callers: int, seconds: float, planned: Iterator[Planned], **more: Any) -> list[Record]:
    """The closed loop."""
    async with sending(url, **more) as one:
        phases = [Phase(0.0, seconds, callers, planned)]
        loop = Callers(phases, one.requests, one.desk, one.sent_all.set)
        loop.prepare()
        loop.start()
        return await one.home()


def endless(**fields: Any) -> Iterator[Planned]:
    return (call(number, **fields) for number in count())


def data(**chunk: Any) -> bytes:
    """One event; `delta` is put where it belongs, as is `text`."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": chunk.pop("finish", None)}
    for name in ("delta", "text"):
        if name in chunk:
            choice[name] = chunk.pop(name)
    fixed = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choices = [choice] if len(choice) > 2 or choice["finish_reason"] else []
    return b"data: %b\n\n" % msgspec.json.encode({**fixed, "choices": choices, **chunk})


def said(text: str, **more: Any) -> bytes:
    return data(delta={"content": text}, **more)


def spaced(text: str) -> bytes:
    """As Python's own json writes it."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return b"data: " + json.dumps({"id": "c", "choices": [choice]}).encode() + b"\n\n"


def usage(prompt: int, output: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output, **more}


DONE = b"data: [DONE]\n\n"


def sse(*events: bytes) -> bytes:
    """A whole answer, each event a chunk."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events) + b"0\r\n\r\n"


def tells(*pieces: bytes) -> Script:
    """So it answers, and goes on to the next request of the connection."""

    async def script(asked: Asked, peer: Peer) -> None:
        for piece in pieces:
            await peer.send(piece)

    return script
