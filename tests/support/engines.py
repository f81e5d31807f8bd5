"""Starts an engine's Launch as a real program on a free port, and waits on conditions with a deadline, never
on a clock."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import openai

from headway.engines import llama_build, registry
from headway.engines.base import Launch, Progress, Slot
from headway.paths import cache_dir
from headway.spec.revision import Revision
from tests.support.ports import free_port

REAL_CACHE = cache_dir()
"""As it is before any test points elsewhere."""

DEADLINE = 60.0
PATIENCE = 1.0
"""How long silence must last to count as silence."""


@dataclass(frozen=True)
class Answer:
    status: int
    text: str


async def get(url: str, *, body: bytes | None = None) -> Answer:
    """One HTTP request by hand (POST when there is a body): what the server writes until it closes."""
    address, _, path = url.removeprefix("http://").partition("/")
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        verb = "GET" if body is None else "POST"
        length = "" if body is None else f"content-length: {len(body)}\r\ncontent-type: application/json\r\n"
        writer.write(
            f"{verb} /{path} HTTP/1.1\r\nhost: {address}\r\n{length}connection: close\r\n\r\n".encode() + (body or b"")
        )
        raw = await asyncio.wait_for(reader.read(), DEADLINE)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    head, _, text = raw.partition(b"\r\n\r\n")
    return Answer(int(head.split(b" ", 2)[1]) if head else 0, text.decode(errors="replace"))


async def eventually(check: Callable[[], object], *, deadline: float = DEADLINE) -> None:
    """Poll a condition; AssertionError when it does not come true in time."""
    async with asyncio.timeout(deadline):
        while not check():  # noqa: ASYNC110 - files and processes have no events to wait for
            await asyncio.sleep(0.02)


@dataclass
class Program:
    """A started engine."""

    process: asyncio.subprocess.Process
    port: int
    log_path: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def send_signal(self, number: int) -> None:
        self.process.send_signal(number)

    async def exit_code(self) -> int:
        return await asyncio.wait_for(self.process.wait(), DEADLINE)

    async def logged(self, words: str) -> None:
        await eventually(lambda: words in self.log())

    async def is_listening(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async def listening(self) -> None:
        async with asyncio.timeout(DEADLINE):
            while not await self.is_listening():
                self._alive()
                await asyncio.sleep(0.02)

    async def ready(self, path: str, *, deadline: float = DEADLINE) -> None:
        """Until GET path answers 200."""
        await self.until(lambda _: True, path, deadline=deadline)

    async def until(self, check: Callable[[str], object], path: str, *, deadline: float = DEADLINE) -> None:
        async with asyncio.timeout(deadline):
            while True:
                self._alive()
                with suppress(OSError):
                    answer = await get(self.url + path)
                    if answer.status == 200 and check(answer.text):
                        return
                await asyncio.sleep(0.05)

    async def answers(self, path: str) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                await get(self.url + path)
        except TimeoutError:
            return False
        return True

    def _alive(self) -> None:
        assert self.process.returncode is None, f"ended with {self.process.returncode}:\n{self.log()}"


@asynccontextmanager
async def engine_program(launch: Callable[[int], Launch]) -> AsyncIterator[Program]:
    """Run what `launch(port)` says, in its own process group; killed at the end."""
    port = free_port()
    plan = launch(port)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "engine.log"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(
                *plan.argv, env={**os.environ, **plan.env}, stdout=out, stderr=out, start_new_session=True
            )
        try:
            yield Program(process, port, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


class Reports(list[Progress]):
    """A Report that keeps what it is told."""

    def __call__(self, progress: Progress) -> None:
        self.append(progress)


def find_llama_server() -> Path | None:
    """A built one: named by HEADWAY_TEST_LLAMA_SERVER, else as Headway finds it in the real cache."""
    if named := os.environ.get("HEADWAY_TEST_LLAMA_SERVER") or shutil.which("llama-server"):
        return Path(named)
    return llama_build.cached(REAL_CACHE)


@asynccontextmanager
async def serving(revision: Revision, *, threads: int = 2) -> AsyncIterator[Program]:
    """A Replica of that Revision, prepared and launched by its own engine, and ready."""
    engine = registry.get(revision.engine)
    prepared = await asyncio.to_thread(engine.prepare, revision, Reports())
    slot = Slot(f"{revision.model}-0", "127.0.0.1", 0, threads)
    async with engine_program(lambda port: engine.launch(revision, prepared, replace(slot, port=port))) as program:
        await program.ready(engine.ready_path)
        yield program


def asking(program: Program) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{program.url}/v1", api_key="none", max_retries=0, timeout=DEADLINE)
