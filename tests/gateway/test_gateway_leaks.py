"""Nothing of a request is left when it has ended, however it ended: neither objects, nor work for the collector."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.support.gateway import (
    CHAT,
    Asked,
    Here,
    Peer,
    answer_bytes,
    ask,
    chat_body,
    completion,
    endpoint,
    eventually,
    gateway_here,
    request_bytes,
    route,
)

BEFORE, REQUESTS = 60, 240
FULL = {"records_max": 16, "sessions_max": 16, "index_blocks": 64, "cooldown_seconds": 0.0}
FULL |= {"keepalive_seconds": 2.0, "deadline_seconds": 2.0}  # each tick until then may have its place in the wheel
"""All that is bounded is full after a few requests."""


async def engine_of_all_kinds(asked: Asked, peer: Peer) -> None:
    call = asked.json
    if call.get("user") == "fails":
        await peer.send(b"HTTP/1.1 500 X\r\ncontent-length: 2\r\n\r\n{}")
    elif call.get("user") == "breaks" and len(peer.engine.asked) % 2:
        peer.reset()
    elif call.get("user") == "waits":
        await peer.until_gone()
    elif call.get("stream"):
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        await peer.send(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
    else:
        await peer.send(answer_bytes(completion()))


Kind = Callable[[Here, int], Awaitable[object]]


def asks(status: int, **call: object) -> Kind:
    async def one(here: Here, number: int) -> None:
        text = f"{number} " * 200  # as long as a block of the index
        got = await ask(here.port, messages=[{"role": "user", "content": text}], prompt_cache_key=str(number), **call)
        assert got.status == status

    return one


async def is_malformed(here: Here, number: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    writer.write(b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: x%d\r\n\r\n" % number)
    assert (await reader.read()).startswith(b"HTTP/1.1 400")
    writer.close()


async def leaves(here: Here, number: int) -> None:
    """Once the engine has it, by a reset."""
    _, writer = await asyncio.open_connection("127.0.0.1", here.port)
    before = here.worker.gateway.tally.running
    writer.write(request_bytes(CHAT, body=chat_body(user="waits", stream=bool(number % 2))))
    await at_once(lambda: here.worker.gateway.tally.running > before)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    await at_once(lambda: here.worker.gateway.tally.running == before)


async def at_once(predicate: Callable[[], bool]) -> None:
    """Both sides run in this loop: a few of its turns will do."""
    async with asyncio.timeout(10):
        while not predicate():  # noqa: ASYNC110 (no event is set by what is watched)
            await asyncio.sleep(0)


KINDS: dict[str, Kind] = {
    "whole": asks(200),
    "stream": asks(200, stream=True),
    "an engine's error": asks(500, user="fails"),
    "tried again": asks(200, user="breaks"),
    "no such model": asks(404, model="other"),
    "malformed": is_malformed,
    "left by its caller": leaves,
}


def alive() -> Counter[str]:
    """What the collector knows, by type, after it has collected."""
    gc.collect()
    names = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    for deadline_of_a_test in ("asyncio.events.TimerHandle", "_contextvars.Context"):
        names.pop(deadline_of_a_test, None)
    return names


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
async def test_nothing_is_left_of_a_request(tmp_path: Path, engine: Start, kind: Kind) -> None:
    one = await engine(engine_of_all_kinds)
    async with gateway_here(tmp_path, route(endpoint(one.url)), **FULL) as here:
        for number in range(BEFORE):
            await kind(here, number)
        one.asked.clear()
        before, blocks = alive(), sys.getallocatedblocks()
        for number in range(REQUESTS):
            await kind(here, BEFORE + number)
        one.asked.clear()
        await eventually(lambda: not here.worker.gateway.connections)
        await asyncio.sleep(0)
        grown = {name: count for name, count in (alive() - before).items() if count > REQUESTS / 2}
        assert grown == {}
        assert sys.getallocatedblocks() - blocks < REQUESTS


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
async def test_nothing_of_a_request_waits_for_the_collector(tmp_path: Path, engine: Start, kind: Kind) -> None:
    """A cycle a request is memory that comes and goes in waves, and a pause for all others when it goes."""
    one = await engine(engine_of_all_kinds)
    async with gateway_here(tmp_path, route(endpoint(one.url)), **FULL) as here:
        await kind(here, 0)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for number in range(10):
                await kind(here, number)
            await eventually(lambda: not here.worker.gateway.connections)
            await asyncio.sleep(0)
            gc.collect()
            cyclic = Counter(type(each).__qualname__ for each in gc.garbage if _is_ours(each))
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert cyclic == Counter()


def _is_ours(each: object) -> bool:
    return type(each).__module__.startswith(("headway", "httptools"))
