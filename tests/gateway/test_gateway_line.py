"""Who waits for a place: in which order, for how long, and what becomes of them when the hub dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from headway.gateway.table import TenantRule
from tests.gateway.conftest import Start
from tests.support.gateway import (
    Answer,
    Asked,
    GatewayProcess,
    Peer,
    answers,
    ask,
    bearer,
    endpoint,
    eventually,
    key_for,
    route,
)

ACME, ACME_KEY = key_for("acme")
OTHER, OTHER_KEY = key_for("other", models=("chat",))


class Turnstile:
    """An engine that answers one request at a time, when it is told to, and remembers who they were."""

    def __init__(self) -> None:
        self.gate = asyncio.Semaphore(0)
        self.order: list[str] = []

    async def script(self, asked: Asked, peer: Peer) -> None:
        self.order.append(asked.json["messages"][0]["content"])
        await self.gate.acquire()
        await answers()(asked, peer)


def say(live: GatewayProcess, who: str, key: str = "", *more: str) -> asyncio.Task[Answer]:
    headers = [*(bearer(key) if key else []), *more]
    message = [{"role": "user", "content": who}]
    return asyncio.create_task(ask(live.port, headers=headers, messages=message, max_tokens=8, deadline=60))


async def waits(live: GatewayProcess, count: int) -> None:
    async def so_many() -> bool:
        return (await live.stats()).running == count

    await eventually(so_many)


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_flood_does_not_keep_others_waiting(tmp_path: Path, engine: Start, workers: int) -> None:
    turnstile = Turnstile()
    one = await engine(turnstile.script)
    live = GatewayProcess(
        tmp_path,
        route(endpoint(one.url), capacity=1),
        workers=workers,
        tenants=(TenantRule("acme"), TenantRule("other")),
        keys=(ACME_KEY, OTHER_KEY),
    )
    try:
        first = say(live, "first", ACME)
        await eventually(lambda: turnstile.order == ["first"])
        flood = []
        for _ in range(10):
            flood.append(say(live, "flood", ACME))
            await waits(live, 1 + len(flood))
        few = [say(live, "few", OTHER) for _ in range(3)]
        await waits(live, 14)
        for done in range(1, 14):
            turnstile.gate.release()
            await eventually(lambda: len(turnstile.order) == done + 1)  # noqa: B023
        turnstile.gate.release()
        assert {(await task).status for task in [first, *flood, *few]} == {200}
        assert one.asked[0].json["messages"][0]["content"] == "first"
        # Who floods has had one request already; then they take turns.
        assert turnstile.order[1:7].count("few") == 3, turnstile.order
    finally:
        live.stop()


async def test_priority_goes_first_and_can_only_be_lowered(tmp_path: Path, engine: Start) -> None:
    turnstile = Turnstile()
    one = await engine(turnstile.script)
    live = GatewayProcess(
        tmp_path,
        route(endpoint(one.url), capacity=1),
        tenants=(TenantRule("acme"), TenantRule("other", priority="high")),
        keys=(ACME_KEY, OTHER_KEY),
    )
    try:
        asking = [say(live, "first", ACME)]
        await eventually(lambda: turnstile.order == ["first"])
        for who, key, more in (
            ("normal", ACME, ()),
            ("asks for high", ACME, ("x-headway-priority: high",)),
            ("high, lowered", OTHER, ("x-headway-priority: low",)),
            ("high", OTHER, ()),
        ):
            asking.append(say(live, who, key, *more))
            await waits(live, len(asking))
        for done in range(1, 5):
            turnstile.gate.release()
            await eventually(lambda: len(turnstile.order) == done + 1)  # noqa: B023
        turnstile.gate.release()
        assert [(await task).status for task in asking] == [200] * 5
        assert turnstile.order == ["first", "high", "normal", "asks for high", "high, lowered"]
    finally:
        live.stop()


async def test_who_leaves_the_line_or_finds_it_full(tmp_path: Path, engine: Start) -> None:
    turnstile = Turnstile()
    one = await engine(turnstile.script)
    live = GatewayProcess(tmp_path, route(endpoint(one.url), capacity=1))
    try:
        first = say(live, "first")
        await eventually(lambda: turnstile.order == ["first"])
        impatient = say(live, "impatient", "", "x-headway-timeout: 300ms")
        assert (await impatient).error["code"] == "deadline_exceeded"
        leaves = say(live, "leaves")
        await waits(live, 2)
        leaves.cancel()
        await waits(live, 1)
        last = say(live, "last")
        await waits(live, 2)
        turnstile.gate.release()
        await eventually(lambda: turnstile.order == ["first", "last"])
        turnstile.gate.release()
        assert [(await task).status for task in (first, last)] == [200, 200]
        records = (await live.records()).records
        assert next(each for each in records if each.status == 200 and each.waited).waited > 0
    finally:
        live.stop()


async def test_a_dead_hub_lets_everybody_go(tmp_path: Path, engine: Start) -> None:
    turnstile = Turnstile()
    one = await engine(turnstile.script)
    live = GatewayProcess(tmp_path, route(endpoint(one.url), capacity=1))
    workers = psutil.Process(live.child.pid).children()
    try:
        asking = [say(live, "first")]
        await eventually(lambda: turnstile.order == ["first"])
        asking += [say(live, "second"), say(live, "third")]
        await waits(live, 3)
        live.child.kill()
        await eventually(lambda: len(turnstile.order) == 3)  # the engine's own queue has to do
        for _ in range(3):
            turnstile.gate.release()
        assert [(await task).status for task in asking] == [200] * 3
    finally:
        live.stop()
        for worker in workers:
            worker.kill()


async def test_a_line_too_long_for_a_deadline_says_so(tmp_path: Path, engine: Start) -> None:
    """Once it knows its pace: an answer after the deadline would help nobody."""
    turnstile = Turnstile()
    one = await engine(turnstile.script)
    live = GatewayProcess(tmp_path, route(endpoint(one.url), capacity=1))
    try:
        crowd = [say(live, str(number)) for number in range(50)]
        await waits(live, 50)
        for number in range(25):
            await asyncio.sleep(0.04)  # the pace of this engine
            turnstile.gate.release()
            await eventually(lambda n=number: len(turnstile.order) == n + 2)
        got = await say(live, "late", "", "x-headway-timeout: 300ms")  # 25 of them are before it
        assert (got.status, got.error["code"]) == (503, "saturated")
        assert int(got.headers["retry-after"]) >= 1
        for _ in range(25):
            turnstile.gate.release()
        assert {(await task).status for task in crowd} == {200}
    finally:
        live.stop()
