"""Weights of Revisions and unlike Variants behind one name."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

from headway.gateway.table import Endpoint, TokenPrice
from headway.policy.route import Slo
from tests.gateway.conftest import Start
from tests.support.gateway import GATE, ScriptedEngine, answers, eventually, gateway_here, route, sends
from tests.support.ports import free_port


def of(revision: str, engine: ScriptedEngine | str, **more: Any) -> Endpoint:
    url = engine if isinstance(engine, str) else engine.url
    name = f"chat-{more.get('variant', '')}{revision}"
    return Endpoint(id=f"{name}.1", replica=name, revision=revision, url=url, **more)


async def test_a_revision_gets_its_weight_and_keeps_its_users(tmp_path: Path, engine: Start) -> None:
    old, new = await engine(answers()), await engine(answers())
    ends = (of("r1", old), of("r2", new))
    users = [f"u{n}" for n in range(250)]

    async def all_ask() -> set[str]:
        new.asked.clear()
        for start in range(0, len(users), 10):
            found = await asyncio.gather(*(here.ask(user=user) for user in users[start : start + 10]))
            assert {each.status for each in found} == {200}
        return {asked.json["user"] for asked in new.asked}

    async with gateway_here(tmp_path, route(*ends, weights={"r1": 80, "r2": 20})) as here:
        some = await all_ask()
        assert abs(len(some) - 50) < 4 * math.sqrt(250 * 0.2 * 0.8)
        assert await all_ask() == some
        here.use(route(*ends, weights={"r1": 50, "r2": 50}))
        assert some <= await all_ask(), "whoever had the new one keeps it as its share grows"
        here.use(route(*ends, weights={"r1": 100, "r2": 0}))
        assert await all_ask() == set(), "0 gets nothing"
        here.use(route(of("r2", new), weights={"r1": 90, "r2": 10}))
        assert await all_ask() == set(users), "no Replica of the other is ready"
        dead = f"http://127.0.0.1:{free_port()}"
        here.use(route(of("r1", old), of("r2", dead), weights={"r1": 10, "r2": 90}))
        before = len(old.asked)
        await all_ask()
        assert len(old.asked) - before == 250, "those of one that does not answer fall back to the others"


async def test_the_same_users_get_the_new_revision_of_every_variant(tmp_path: Path, engine: Start) -> None:
    engines = {name: await engine(answers()) for name in ("a1", "a2", "b1", "b2")}
    ends = [of(name, each, variant=name[0]) for name, each in engines.items()]
    weights = {"a1": 50.0, "a2": 50.0, "b1": 50.0, "b2": 50.0}
    async with gateway_here(tmp_path, route(*ends, weights=weights, policy="round_robin")) as here:
        for number in range(120):
            await here.ask(user=f"u{number % 31}")
        users = {name: {asked.json["user"] for asked in each.asked} for name, each in engines.items()}
        assert not (users["a1"] | users["b1"]) & (users["a2"] | users["b2"])
        assert users["a1"] & users["b1"]


async def test_the_cheaper_variant_while_it_meets_the_slo(tmp_path: Path, engine: Start) -> None:
    cheap, dear = await engine(sends(GATE, then="hang")), await engine(answers())
    low, high = TokenPrice(100_000, 100_000, 100_000), TokenPrice(900_000, 900_000, 900_000)
    ends = (of("r1", dear, variant="h100", price=high), of("r2", cheap, variant="l4", price=low))
    async with gateway_here(tmp_path, route(*ends, slo=Slo(ttft=0.1))) as here:
        running = []
        for number in range(20):
            text = [{"role": "user", "content": f"{number} word " * 150}]
            running.append(asyncio.create_task(here.ask(messages=text)))
            await eventually(lambda n=number: len(cheap.asked) + len(dear.asked) == n + 1)  # type: ignore[misc]
            if dear.asked:
                break
        assert len(cheap.asked) >= 1
        assert len(dear.asked) == 1
        assert (await running[-1]).status == 200
        learned = here.worker.gateway.catalog.routes["chat"].learned
        assert set(learned.speeds) == {"h100", "l4"}, "what one variant can do says nothing of the other"
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        cheap.gate.set()
        await eventually(lambda: not cheap.running)
