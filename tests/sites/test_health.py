"""When is a ready engine taken for dead: silence, soon; errors, late; errors while tokens come, never."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from headway.engines.signals import Signals
from headway.sites.local.health import until_ready, until_unwell
from headway.sites.local.marks import Marks
from tests.support.sites import QUICK, eventually

SETTINGS = replace(QUICK, live_probe_every=0.01, sick_seconds=0.2)


class Answers:
    """An engine whose /health says `status` and that counts how often it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.asked = 0
        self.tokens = 0
        self.makes_tokens = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async def signals(self) -> Signals:
        self.tokens += self.makes_tokens
        return Signals(generated_tokens=self.tokens)


@asynccontextmanager
async def engine() -> AsyncIterator[tuple[Answers, Marks]]:
    answers = Answers()
    server = await asyncio.start_server(answers.handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield answers, Marks("/s", "chat-0", "chat", "abc", 1, 0, port, 1, 0, (), 1.0, "/health", 0.2)


async def asked_more(answers: Answers, times: int) -> None:
    goal = answers.asked + times
    await eventually(lambda: answers.asked >= goal)


async def test_a_client_error_is_well_and_a_lasting_server_error_is_not() -> None:
    async with engine() as (answers, marks):
        watching = asyncio.create_task(until_unwell(marks, SETTINGS, answers.signals))
        answers.status = 404
        await asked_more(answers, 40)
        assert not watching.done()
        answers.status = 503
        assert await asyncio.wait_for(watching, 30) == "was ready, then /health answered 503 for 0.2 s"


async def test_a_busy_engine_that_answers_503_and_makes_tokens_is_left_alone() -> None:
    async with engine() as (answers, marks):
        answers.status, answers.makes_tokens = 503, True
        watching = asyncio.create_task(until_unwell(marks, SETTINGS, answers.signals))
        await asked_more(answers, 60)
        assert not watching.done()
        answers.makes_tokens = False
        assert "answered 503" in await asyncio.wait_for(watching, 30)


async def test_a_refused_connection_is_silence() -> None:
    async with engine() as (answers, marks):
        pass
    told = await asyncio.wait_for(until_unwell(marks, SETTINGS, answers.signals), 30)
    assert told.startswith("was ready, then no answer to 2 probes in a row: ")


async def test_not_ready_in_time_tells_what_was_said_last() -> None:
    async with engine() as (answers, marks):
        answers.status = 503
        told = await asyncio.wait_for(until_ready(marks, SETTINGS), 30)
        assert told == "not ready within 0.2 s; /health answers 503"
        answers.status = 200
        assert await until_ready(marks, SETTINGS) is None
