"""Mock engines inside the test: the pure parts driven by a clock of the test's, and whole engines as a program."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from headway.engines.mock_answers import Prattle
from headway.engines.mock_batch import Batch
from headway.engines.mock_profile import Profile
from headway.engines.mock_sequence import Scheduler, Sequence

__all__ = ["Clocked", "Engines", "batch", "engines", "exchange", "profile", "prompt", "request", "sequence"]

ROOT = Path(__file__).parents[2]
DEADLINE = 30.0


def profile(**given: Any) -> Profile:
    """One second a step, unless said otherwise."""
    return msgspec.structs.replace(Profile(step_base=1.0), **given)


def prompt(tokens: int, of: str = "") -> bytes:
    """So many tokens, unlike those of any other name."""
    return "".join(f"{of[:1] or '-'}{index:03x}" for index in range(tokens)).encode()


def sequence(tokens: int, length: int, of: str = "", **given: Any) -> Sequence:
    text = prompt(tokens, of)
    return Sequence(text, Prattle(text), length, **given)


@dataclass
class Clocked:
    """A scheduler stepped to its end by a clock of its own. Each token is noted: (when, sequence)."""

    scheduler: Scheduler
    now: float = 0.0
    seconds: float | None = None
    tokens: list[tuple[float, Sequence]] = field(default_factory=list)
    steps: int = 0

    def submit(self, *sequences: Sequence) -> None:
        for each in sequences:
            self.scheduler.submit(each, self.now)

    def step(self) -> tuple[Sequence, ...]:
        """End the step under way, begin the next one."""
        self.now += self.seconds or 0.0
        step = self.scheduler.step(self.now)
        self.seconds = step.seconds
        self.steps += 1
        self.tokens += [(self.now, each) for each in step.produced]
        return step.produced

    def run(self, most: int = 20_000) -> None:
        """Until there is nothing left to do."""
        self.step()
        while self.seconds is not None:
            self.step()
            assert self.steps < most, "it does not come to an end"

    def firsts(self) -> list[Sequence]:
        """The sequences in the order of their first tokens."""
        return list(dict.fromkeys(each for _, each in self.tokens))


def batch(**given: Any) -> Clocked:
    return Clocked(Batch(profile(**given)))


@dataclass
class Engines:
    """A running program of one or more mock engines."""

    process: asyncio.subprocess.Process
    ports: tuple[int, ...]

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def get(self, path: str, index: int = 0) -> str:
        answer = await exchange(self.ports[index], request("GET", path))
        return answer.partition(b"\r\n\r\n")[2].decode()

    async def json(self, path: str, index: int = 0) -> Any:
        return msgspec.json.decode(await self.get(path, index))

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        """Status and decoded body of one request on a connection of its own."""
        raw = await exchange(self.port, request("POST", path, body, **headers))
        head, _, text = raw.partition(b"\r\n\r\n")
        decoded = msgspec.json.decode(text) if b"application/json" in head else text.decode()
        return int(head.split(b" ", 2)[1]), decoded


def request(method: str, path: str, body: Any = None, *, close: bool = True, **headers: str) -> bytes:
    data = b"" if body is None else msgspec.json.encode(body)
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(data)}", *(["connection: close"] if close else [])]
    return "\r\n".join((f"{method} {path} HTTP/1.1", "host: test", *lines, "", "")).encode() + data


async def exchange(port: int, sent: bytes) -> bytes:
    """Everything that the server writes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        return await asyncio.wait_for(reader.read(), DEADLINE)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def engines(*flags: str) -> AsyncIterator[Engines]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "headway.engines.mock_server", *flags, cwd=ROOT, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stderr is not None
    count = int(flags[flags.index("--count") + 1]) if "--count" in flags else 1
    ports: list[int] = []
    try:
        async with asyncio.timeout(DEADLINE):
            while len(ports) < count:
                line = (await process.stderr.readline()).decode()
                found = re.fullmatch(r"mock engine: listening on 127\.0\.0\.1:(\d+)\n", line)
                assert found, line
                ports.append(int(found[1]))
        yield Engines(process, tuple(ports))
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE):
            rest = await process.stderr.read()
            await process.wait()
    assert b"Traceback" not in rest, rest.decode()
