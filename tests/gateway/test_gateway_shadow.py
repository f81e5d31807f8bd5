"""Shadows: a copy harms nobody, costs nobody anything, keeps its caps, and ends first."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from headway.gateway.record import Record
from headway.gateway.table import ModelRoute, TenantRule
from headway.policy.route import RouteRule, ShadowRule, Target
from tests.gateway.conftest import Start
from tests.support.gateway import (
    GATE,
    GatewayProcess,
    Here,
    answers,
    ask,
    completion,
    endpoint,
    eventually,
    gateway_here,
    key_for,
    route,
    sends,
    streams,
)
from tests.support.ports import free_port


def model(name: str, url: str, **more: Any) -> ModelRoute:
    return route(endpoint(url, f"{name}-0"), name=name, **more)


def shadowed(**more: Any) -> tuple[RouteRule, ...]:
    rule = ShadowRule("candidate", **({"share": 1.0, "most": 2, "rate": 60_000} | more))
    return (RouteRule("assistant", (Target("big"),), shadow=rule),)


def copies(here: Here) -> list[Record]:
    return [each for each in here.records() if each.shadow_of]


async def test_a_copy_is_answered_and_thrown_away(tmp_path: Path, engine: Start) -> None:
    big, candidate = (
        await engine(answers(), streams("a", "b")),
        await engine(answers(completion("x")), streams("c", "d")),
    )
    models = (model("big", big.url), model("candidate", candidate.url))
    async with gateway_here(tmp_path, *models, routes=shadowed()) as here:
        found = await here.ask(model="assistant", headers=["x-request-id: one"])
        assert "Paris" in found.body.decode()
        await eventually(lambda: len(copies(here)) == 1)
        (copy,) = copies(here)
        assert (copy.id, copy.shadow_of, copy.model, copy.status) == ("one.shadow", "one", "candidate", 200)
        assert copy.completion_tokens == 3
        asked = candidate.asked[0]
        assert asked.json == big.asked[0].json | {"model": "candidate"}
        assert "authorization" not in asked.headers
        streamed = await here.ask(model="assistant", stream=True)
        assert [each["choices"][0]["delta"]["content"] for each in streamed.events[:-1]] == ["a", "b"]
        await eventually(lambda: len(copies(here)) == 2)
        assert copies(here)[1].ttft is not None
        assert here.worker.gateway.tally.requests == 2, "a copy is no request"
        assert here.worker.gateway.tally.shadows == {"answered": 2}


async def test_what_becomes_of_it_is_nobodys_business(tmp_path: Path, engine: Start) -> None:
    """A candidate that is slow, refuses, fails or breaks off: callers get their answers all the same."""
    big = await engine(answers())
    slow = await engine(sends(GATE, then="hang"))
    broken = await engine(sends(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", then="reset"))
    failing = await engine(answers(b"oops", status=500))
    nobody = f"http://127.0.0.1:{free_port()}"
    async with gateway_here(tmp_path, routes=shadowed(most=3)) as here:
        for number, url in enumerate((broken.url, failing.url, nobody, slow.url)):
            candidate = route(endpoint(url, f"candidate-{number}"), name="candidate")
            here.use(model("big", big.url), candidate, routes=shadowed(most=3))
            found = await asyncio.gather(*(here.ask(model="assistant") for _ in range(20)))
            assert {each.status for each in found} == {200}
        assert slow.running == 3, "most, and no more"
        assert len(slow.asked) == 3
        await eventually(lambda: len(copies(here)) > 3)
        assert {each.status for each in copies(here)} <= {500, 502}
        asked = [each for each in here.records() if not each.shadow_of]
        assert all(len(each.attempts) == 1 and not each.attempts[0].failure for each in asked)
        here.worker.gateway.shadows.end_all()
        slow.gate.set()
        await eventually(lambda: slow.gone == 3, what="the engine sees that nobody wants its answer")


async def test_the_caps_hold_over_all_workers(tmp_path: Path, engine: Start) -> None:
    big, candidate = await engine(answers()), await engine(sends(GATE, then="hang"))
    live = GatewayProcess(
        tmp_path, model("big", big.url), model("candidate", candidate.url), workers=2, routes=shadowed(most=3)
    )
    try:
        for _ in range(10):
            await asyncio.gather(*(ask(live.port, model="assistant") for _ in range(8)))
        assert 1 <= len(candidate.asked) <= 3
        live.routes = shadowed(most=1000, rate=1)
        live.use(model("big", big.url), model("candidate", candidate.url))

        async def used() -> bool:
            return (await live.stats()).table_version == live.version

        await eventually(used)
        before = len(candidate.asked)
        for _ in range(10):
            await asyncio.gather(*(ask(live.port, model="assistant") for _ in range(8)))
        assert len(candidate.asked) - before <= 2, "one a minute, which each worker may begin with"
    finally:
        live.stop()


async def test_who_waits_ends_the_copies(tmp_path: Path, engine: Start) -> None:
    """The candidate serves real callers too: its only place is theirs."""
    big = await engine(answers())
    candidate = await engine(
        sends(GATE, then="hang"),
        answers(completion("for a real caller")),
    )
    models = (model("big", big.url), model("candidate", candidate.url, capacity=1))
    async with gateway_here(tmp_path, *models, routes=shadowed(most=1)) as here:
        assert (await here.ask(model="assistant")).status == 200
        await eventually(lambda: candidate.running == 1)
        found = await here.ask(model="candidate")
        assert "for a real caller" in found.body.decode()
        assert [each.error for each in copies(here)] == ["cancelled"]
        candidate.gate.set()


async def test_no_tenant_pays_and_a_silent_one_is_not_recorded(tmp_path: Path, engine: Start) -> None:
    key, entry = key_for("acme")
    big, candidate = (
        await engine(answers(completion(prompt=5, out=5))),
        await engine(answers(completion(prompt=50, out=50))),
    )
    live = GatewayProcess(
        tmp_path,
        model("big", big.url),
        model("candidate", candidate.url),
        tenants=(TenantRule("acme", models=("assistant",), day_tokens=100_000, rpm=10, log="none"),),
        keys=(entry,),
        routes=shadowed(),
    )
    try:
        for _ in range(10):
            assert (await ask(live.port, model="assistant", headers=[f"authorization: Bearer {key}"])).status == 200
        await eventually(lambda: len(candidate.asked) >= 5)
        assert (await ask(live.port, model="assistant", headers=[f"authorization: Bearer {key}"])).status == 429
        import sqlite3  # noqa: PLC0415

        def spent() -> int:
            with sqlite3.connect(live.socket.with_suffix(".ledger")) as database:
                row = database.execute(
                    "SELECT tokens FROM accounts WHERE tenant = 'acme' AND period = 'day'"
                ).fetchone()
            database.close()
            return int(row[0]) if row else 0

        await eventually(lambda: spent() == 100, what="what the caller was answered, and no copy")
        assert (await live.records()).records == []
    finally:
        live.stop()


async def test_a_draw_below_the_share_is_copied(tmp_path: Path, engine: Start) -> None:
    big, candidate = await engine(answers()), await engine(answers())
    models = (model("big", big.url), model("candidate", candidate.url))
    async with gateway_here(tmp_path, *models, routes=shadowed(share=0.5, most=1000)) as here:
        draws = iter([0.49, 0.5, 0.01, 0.99] * 50)
        gateway = here.worker.gateway
        for _ in range(20):
            value = next(draws)
            gateway.draw = lambda value=value: value  # type: ignore[misc]
            await here.ask(model="assistant")
        await eventually(lambda: len(copies(here)) == 10)
        assert len(candidate.asked) == 10
