"""A real Envoy and a picker, while engines, workers or the picker are killed and tables change."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from tests.gateway.conftest import Start
from tests.gateway.picker.conftest import Fronted
from tests.support.envoy import BUFFERED, kill, ports, running, says, text_of
from tests.support.gateway import (
    STREAM_HEAD,
    Asked,
    Peer,
    answer_bytes,
    ask,
    chat_body,
    chunked,
    event,
    eventually,
    request_bytes,
    sends,
)


async def test_a_caller_who_leaves_in_mid_stream_frees_the_place(engine: Start, fronted: Fronted) -> None:
    one = await engine(sends(STREAM_HEAD, chunked(event("a")), then="hang"))
    envoy, picker = await fronted([one], *ports([one]))
    reader, writer = await asyncio.open_connection("127.0.0.1", envoy.port)
    writer.write(request_bytes(body=chat_body(stream=True)))
    await reader.readuntil(event("a"))
    assert await running(picker) == 1
    writer.close()

    async def free() -> bool:
        return await running(picker) == 0

    await eventually(free)
    await eventually(lambda: one.gone == 1)
    (record,) = (await picker.records()).records
    assert record.status == 499


async def test_an_endpoint_that_is_gone_is_left_out_and_its_request_served(engine: Start, fronted: Fronted) -> None:
    engines = [await engine(says(f"{number}")) for number in range(2)]
    envoy, picker = await fronted(engines, *ports(engines))
    await engines[0].stop()
    for number in range(6):
        answer = await ask(envoy.port, messages=[{"role": "user", "content": f"{number}" * 600}])
        assert answer.status == 200
        assert answer.headers["x-headway-replica"] == "chat-1"
    retried = [each for each in (await picker.records()).records if len(each.attempts) == 2]
    assert retried
    for each in retried:
        assert [attempt.endpoint for attempt in each.attempts] == ["chat-0.1", "chat-1.1"]
    endpoints = {each.id: each for each in (await picker.stats()).endpoints}
    assert endpoints["chat-0.1"].failures == len(retried)
    assert await running(picker) == 0


async def test_an_upstream_that_says_503_is_tried_elsewhere(engine: Start, fronted: Fronted) -> None:
    async def busy(asked: Asked, peer: Peer) -> None:
        await peer.send(answer_bytes(b"{}", 503))

    engines = [await engine(busy), await engine(says("1"))]
    envoy, picker = await fronted(engines, *ports(engines))
    for number in range(6):
        assert text_of(await ask(envoy.port, messages=[{"role": "user", "content": f"{number}" * 600}])) == "1"
    assert engines[0].asked
    assert all(each.status == 200 for each in (await picker.records()).records)


async def test_every_endpoint_is_gone(engine: Start, fronted: Fronted) -> None:
    engines = [await engine(says(f"{number}")) for number in range(2)]
    envoy, picker = await fronted(engines, *ports(engines))
    for each in engines:
        await each.stop()
    assert (await ask(envoy.port)).status == 503  # Envoy's own words
    (record,) = (await picker.records()).records
    assert record.status == 503
    assert record.attempts[-1].failure == "status 503"
    assert await running(picker) == 0


@pytest.mark.parametrize(
    ("allow", "mode", "expected"),
    [(False, {}, (500, 500)), (True, {}, (500, 200)), (True, BUFFERED, (200, 200))],
    ids=["closed", "open", "open-buffered"],
)
async def test_a_picker_that_is_killed(
    engine: Start, fronted: Fronted, allow: bool, mode: dict[str, str], expected: tuple[int, int]
) -> None:
    """Envoy fails open only as long as no piece of a body has left it: with FULL_DUPLEX_STREAMED that is no call."""
    call, read = expected
    engines = [await engine(says(f"{number}")) for number in range(2)]
    changed = {"failure_mode_allow": allow, "processing_mode": mode}
    envoy, picker = await fronted(engines, *ports(engines), envoy=changed)
    assert (await ask(envoy.port)).status == 200
    for each in (picker.child.pid, *picker.workers()):
        kill(each)
    picker.child.wait()

    async def noticed() -> bool:
        return (await ask(envoy.port)).status == call

    await eventually(noticed)
    for _ in range(3):
        answer = await ask(envoy.port)
        assert answer.status == call
        assert "x-headway-replica" not in answer.headers
        assert (await ask(envoy.port, "/v1/models", "GET")).status == read
    picker.start()

    async def asked_again() -> bool:
        return "x-headway-replica" in (await ask(envoy.port)).headers

    await eventually(asked_again, 20.0)


async def test_a_worker_that_dies_is_replaced(engine: Start, fronted: Fronted) -> None:
    one = await engine(says("0"))
    envoy, picker = await fronted([one], *ports([one]))
    assert (await ask(envoy.port)).status == 200
    (worker,) = picker.workers()
    kill(worker)

    async def served() -> bool:
        return (await ask(envoy.port)).status == 200

    await eventually(served, 20.0)


async def test_the_table_is_followed_and_nothing_is_dropped(engine: Start, fronted: Fronted) -> None:
    engines = [await engine(says(f"{number}")) for number in range(3)]
    models = ports(engines)
    envoy, picker = await fronted(engines, *models)
    ending = asyncio.Event()
    statuses: list[int] = []

    async def load() -> None:
        while not ending.is_set():
            statuses.append((await ask(envoy.port)).status)

    tasks = [asyncio.create_task(load()) for _ in range(4)]
    for number in range(10):
        keep = [engines[number % 3], engines[(number + 1) % 3]]
        picker.use(*ports(keep))
        version = picker.version

        async def in_use(version: int = version) -> bool:
            return (await picker.stats()).table_version == version

        await eventually(in_use)
    picker.use(*ports([engines[2]]))

    async def last_one() -> bool:
        return (await picker.stats()).table_version == picker.version

    await eventually(last_one)
    assert text_of(await ask(envoy.port)) == "2"
    ending.set()
    await asyncio.gather(*tasks)
    assert set(statuses) == {200}


async def test_the_next_hub_takes_over_from_one_that_was_killed(engine: Start, fronted: Fronted) -> None:
    one = await engine(says("0"))
    envoy, picker = await fronted([one], *ports([one]))
    (worker,) = picker.workers()
    kill(picker.child.pid)
    picker.child.wait()
    assert (await ask(envoy.port)).status == 200
    picker.start()
    assert picker.workers() != [worker]
    await eventually(lambda: not psutil.pid_exists(worker), 20.0)
    assert (await ask(envoy.port)).status == 200
