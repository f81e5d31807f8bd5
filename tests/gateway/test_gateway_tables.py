"""Tables that change under load, and tables that are none."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.gateway.conftest import Start
from tests.support.gateway import (
    Asked,
    GatewayProcess,
    Peer,
    answer_bytes,
    answers,
    ask,
    chat_body,
    completion,
    endpoint,
    eventually,
    gateway_here,
    route,
)


async def test_new_tables_under_load_drop_nothing(tmp_path: Path, engine: Start) -> None:
    hold = asyncio.Event()

    async def held(asked: Asked, peer: Peer) -> None:
        await hold.wait()
        await peer.send(answer_bytes(completion("old")))

    old, new = await engine(held), await engine(answers())
    async with gateway_here(tmp_path, route(endpoint(old.url, "old"))) as here:
        running = [asyncio.create_task(ask(here.port)) for _ in range(4)]
        await eventually(lambda: old.running == 4)
        here.use(route(endpoint(new.url, "new")))
        assert {s.id: s.running for s in here.stats().endpoints} == {"old.1": 4, "new.1": 0}
        assert (await ask(here.port)).headers["x-headway-replica"] == "new"
        hold.set()
        for task in running:
            answer = await task
            assert (answer.status, answer.headers["x-headway-replica"]) == (200, "old")
        assert [s.id for s in here.stats().endpoints] == ["new.1"]
        await eventually(lambda: len(old._tasks) == 0)  # its idle connections were closed too


async def test_swapping_back_and_forth_under_load(tmp_path: Path, engine: Start) -> None:
    engines = [await engine(answers()) for _ in range(3)]
    ends = [endpoint(one.url, f"e{n}") for n, one in enumerate(engines)]
    async with gateway_here(tmp_path, route(*ends)) as here:
        statuses: list[int] = []

        async def caller() -> None:
            for _ in range(40):
                statuses.append((await ask(here.port)).status)

        async def swapper() -> None:
            turn = 0
            while len(statuses) < 300:
                turn += 1
                here.use(route(*ends[turn % 3 :]))
                await asyncio.sleep(0)

        await asyncio.gather(swapper(), *(caller() for _ in range(8)))
        assert statuses == [200] * 320
        assert {s.running for s in here.stats().endpoints} == {0}


async def test_a_bad_table_keeps_the_old_one(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    live = GatewayProcess(tmp_path, route(endpoint(one.url)))
    try:
        for number, bad in enumerate((b"", b'{"version":2,"models":[{"name":3}]}', b'{"version":2,"odd":1}', b"\xff")):
            live.table.write_bytes(bad)
            await eventually(lambda: live.log.read_text().count("what is in use stays") == number + 1)  # noqa: B023
            assert (await ask(live.port)).status == 200
        live.table.unlink()
        await eventually(lambda: "not there yet" in live.log.read_text())
        assert (await ask(live.port, body=chat_body())).status == 200
        assert (await live.stats()).table_version == 1
    finally:
        live.stop()


async def test_an_address_that_is_none_is_left_out(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    bad = [endpoint(url, f"bad{n}") for n, url in enumerate(("", "nope", "ftp://x", "http://", "http://h:99999"))]
    async with gateway_here(tmp_path, route(*bad, endpoint(one.url, "good"))) as here:
        for _ in range(3):
            assert (await ask(here.port)).headers["x-headway-replica"] == "good"
