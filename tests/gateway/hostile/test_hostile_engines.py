"""Engines that answer with bytes that are no answer: no caller takes one for an answer, and no connection that brought
one brings the next."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.gateway.hostile.answers import EVIL, MALFORMED, SPENT, answer
from tests.gateway.hostile.corpus import chunks
from tests.gateway.hostile.fuzz import mutate
from tests.support.gateway import (
    CHAT,
    Answer,
    Asked,
    Peer,
    answer_bytes,
    ask,
    chat_body,
    completion,
    endpoint,
    eventually,
    gateway_here,
    read_request,
    request_bytes,
    route,
)

AT_ONCE, ANSWERS, SEED = 16, 2_000, 9112
AGAIN_AT_ONCE = {"retry_floor": 1e6, "cooldown_seconds": 0.0, "cooldown_max_seconds": 0.0, "tick_seconds": 0.01}


class Liar:
    """Answers the first request of each mark by what is told for it, and any other one well, by its mark."""

    def __init__(self) -> None:
        self.lies: dict[str, bytes] = {}
        self.lied_on: set[asyncio.StreamWriter] = set()
        self.asked_after_a_lie = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> Liar:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes what was let go

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                asked = await read_request(reader)
                if asked.line.startswith("GET"):
                    writer.write(answer_bytes(b"", 404))
                    break
                self.asked_after_a_lie += writer in self.lied_on
                mark = asked.json["messages"][0]["content"]
                lie = self.lies.pop(mark, None)
                if lie is None:
                    writer.write(answer_bytes(completion(mark)))
                    continue
                self.lied_on.add(writer)
                writer.write(lie)
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await reader.readuntil(b"\r\n\r\n")
                        self.asked_after_a_lie += 1
                break
        self.lied_on.discard(writer)
        self._tasks.discard(task)
        writer.close()


@pytest.fixture
async def liar() -> AsyncIterator[Liar]:
    one = await Liar().start()
    yield one
    await one.stop()


def question(mark: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": mark}]


def said_in(got: Answer) -> str:
    return str(got.json["choices"][0]["message"]["content"])


async def test_what_is_no_answer_is_never_given_as_one(tmp_path: Path, liar: Liar) -> None:
    wrong = {}
    async with gateway_here(tmp_path, route(endpoint(f"http://127.0.0.1:{liar.port}")), **AGAIN_AT_ONCE) as here:

        async def one(name: str, data: bytes) -> None:
            liar.lies[name] = data
            got = await here.ask(messages=question(name))
            if got.status != 200 or said_in(got) != name:
                wrong[name] = got

        await asyncio.gather(*(one(name, data) for name, data in MALFORMED.items()))
        assert list(wrong) == []
        assert liar.asked_after_a_lie == 0
        failed = [record for record in here.records() if record.attempts[0].failure]
        assert len(failed) == len(MALFORMED)


async def test_an_answer_with_something_behind_it_is_the_last_of_its_connection(tmp_path: Path, liar: Liar) -> None:
    async with gateway_here(tmp_path, route(endpoint(f"http://127.0.0.1:{liar.port}")), **AGAIN_AT_ONCE) as here:
        for name, data in SPENT.items():
            liar.lies[name] = data
            assert said_in(await here.ask(messages=question(name))) in ("good", name), name
            assert said_in(await here.ask(messages=question("next"))) == "next", name
        assert liar.asked_after_a_lie == 0


async def test_an_answer_before_the_whole_request_is_the_last_of_its_connection(tmp_path: Path, engine: Start) -> None:
    """Else the rest of a large body, which its caller wrote, would be read as requests by who reads on."""

    async def script(asked: Asked, peer: Peer) -> None:
        await peer.send(answer_bytes(completion(asked.json["messages"][0]["content"][:4])))

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer_bytes(b'{"error": {"message": "too long"}}', 413))
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await gone.wait()
        writer.close()
        closed.set()

    gone, closed = asyncio.Event(), asyncio.Event()
    one = await engine(script)
    server = await asyncio.start_server(early, "127.0.0.1", 0, limit=2**16)
    port = server.sockets[0].getsockname()[1]
    hasty, good = endpoint(f"http://127.0.0.1:{port}", "hasty"), endpoint(one.url)
    async with gateway_here(tmp_path, route(hasty)) as here:
        got = await here.ask(messages=question("x" * 2**24))
        assert got.status == 413
        (upstream,) = here.worker.gateway.catalog.upstreams()
        assert upstream.take() is None
        here.use(route(good))
        assert said_in(await here.ask(messages=question("next"))) == "next"
    gone.set()
    server.close()
    await closed.wait()
    await asyncio.sleep(0)


async def test_headers_that_are_for_the_connection_stay_there(tmp_path: Path, liar: Liar) -> None:
    lines = (b"connection: keep-alive, X-Own", b"x-own: 1", b"x-other: 2", b"content-length: %d" % len(EVIL))
    liar.lies["hop"] = answer(*lines)
    async with gateway_here(tmp_path, route(endpoint(f"http://127.0.0.1:{liar.port}"))) as here:
        got = await here.ask(messages=question("hop"))
    assert "x-own" not in got.headers
    assert got.headers["x-other"] == "2"


async def test_answers_broken_by_chance(tmp_path: Path, liar: Liar) -> None:
    """Whatever an engine says to one request: the caller gets one whole answer, and the next one gets its own."""
    draw = random.Random(SEED)  # noqa: S311 (the same each time)
    async with gateway_here(
        tmp_path, route(endpoint(f"http://127.0.0.1:{liar.port}")), **AGAIN_AT_ONCE, held_bytes=2**16
    ) as here:

        async def some(lane: int) -> None:
            for number in range(ANSWERS // AT_ONCE):
                mark = f"{lane} {number}"
                body = completion(mark)
                data = answer(b"content-length: %d" % len(body), body=body)
                if draw.random() < 0.5:
                    data = answer(b"transfer-encoding: chunked", body=chunks(body[:20], body[20:]))
                liar.lies[mark] = mutate(draw, data)
                got = await ask(here.port, headers=["x-headway-timeout: 5s"], messages=question(mark))
                assert 200 <= got.status < 600
                assert got.rest == b""
                next_one = f"{mark} next"
                got = await ask(here.port, messages=question(next_one))
                assert (got.status, said_in(got)) == (200, next_one)

        await asyncio.gather(*(some(lane) for lane in range(AT_ONCE)))
        gateway = here.worker.gateway
        await eventually(lambda: not gateway.connections)
        assert gateway.bodies.held == 0
        assert gateway.tally.running == 0


async def test_a_stream_that_turns_into_something_else_ends_with_an_error(tmp_path: Path, engine: Start) -> None:
    """It has begun: it can only be broken off, and visibly."""
    event = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

    async def script(asked: Asked, peer: Peer) -> None:
        await peer.send(head + chunks(event, last=b""))
        await peer.engine.gate.wait()
        await peer.send(b"0x5\r\nevil!\r\n")
        await peer.until_gone()

    one = await engine(script)
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(request_bytes(CHAT, body=chat_body(stream=True)))
        got = await reader.readuntil(b"\n\n")
        one.gate.set()
        got += await asyncio.wait_for(reader.read(), 10)
        writer.close()
        events = Answer.parse(got).events
        assert events[-1]["error"]["code"] == "engine_failed"
        assert "evil" not in json.dumps(events)
        await eventually(lambda: one.gone == 1)
