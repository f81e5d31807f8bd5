"""Caches of a Route: under its name and the Model that is to answer, never across Models, Revisions or Tenants."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from headway.cli.tell_request import tell_request
from headway.gateway.record import Record
from headway.gateway.table import Endpoint, ModelRoute, TenantRule
from headway.policy.caching import CacheRule, CacheRules
from headway.policy.route import Fallback, Match, RouteRule, ShadowRule, Target
from tests.gateway.conftest import Start
from tests.support.caches import ACME, ACME_KEY, ANSWERS, OTHER, OTHER_KEY
from tests.support.gateway import (
    Answer,
    Asked,
    GatewayProcess,
    Peer,
    Script,
    answer_bytes,
    answers,
    ask,
    chat_body,
    completion,
    endpoint,
    eventually,
    raw,
    request_bytes,
    route,
)
from tests.support.mock_engine import engines


def numbered(name: str) -> Script:
    """`NAME 1`, `NAME 2`, …"""
    numbers = itertools.count(1)

    async def script(asked: Asked, peer: Peer) -> None:
        await peer.send(answer_bytes(completion(f"{name} {next(numbers)}")))

    return script


async def failing(asked: Asked, peer: Peer) -> None:
    await peer.send(answer_bytes(b"oops", 500))


async def silent(asked: Asked, peer: Peer) -> None:
    await peer.engine.gate.wait()


def model(name: str, url: str, **more: Any) -> ModelRoute:
    return route(endpoint(url, f"{name}-0"), name=name, **more)


def rule(*to: str | Target, cache: CacheRules | None = ANSWERS, **more: Any) -> RouteRule:
    targets = tuple(Target(each) if isinstance(each, str) else each for each in to)
    return RouteRule("assistant", targets, cache=cache, **more)


@contextlib.asynccontextmanager
async def running(folder: Path, *models: ModelRoute, **more: Any) -> AsyncIterator[GatewayProcess]:
    live = GatewayProcess(folder, *models, **({"workers": 2} | more))
    try:
        yield live
    finally:
        assert live.stop() == 0
        assert "Traceback" not in live.log.read_text()


async def call(live: GatewayProcess, **fields: Any) -> Answer:
    return await ask(live.port, **({"model": "assistant", "temperature": 0} | fields))


def fared(answer: Answer) -> str:
    return answer.headers.get("x-headway-cache", "")


def said(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    return str(answer.json["choices"][0]["message"]["content"])


async def records(live: GatewayProcess) -> list[Record]:
    return sorted((await live.records()).records, key=lambda each: each.at)


async def test_a_split_stays_a_split_and_each_model_has_its_own_answers(tmp_path: Path, engine: Start) -> None:
    big, small = await engine(numbered("big")), await engine(numbered("small"))
    models = model("big", big.url), model("small", small.url)
    routes = (rule(Target("big", 70), Target("small", 30)),)
    async with running(tmp_path, *models, routes=routes) as live:
        users = [f"user-{n}" for n in range(60)]
        found = [await call(live, user=user) for user in users]
        assert {said(each) for each in found} == {"big 1", "small 1"}
        assert (len(big.asked), len(small.asked)) == (1, 1)
        assert Counter(fared(each) for each in found) == {"miss": 2, "hit": 58}
        who = Counter(said(each) for each in found)
        assert 5 <= who["small 1"] <= 35, "about 30 of 100, as without a cache"
        assert [said(await call(live, user=user)) for user in users] == [said(each) for each in found], "a user stays"
        told = await records(live)
        assert {(each.cache_of, each.route) for each in told} == {("assistant", "assistant")}
        assert {each.model for each in told} == {"big", "small"}
        own = await call(live, model="big")
        assert (fared(own), said(own)) == ("", "big 2"), "by its own name the Model has no cache"


async def test_the_route_has_its_say_under_its_name_and_the_model_under_its_own(tmp_path: Path, engine: Start) -> None:
    one = await engine(numbered("big"))
    models = (model("big", one.url, cache=ANSWERS),)
    async with running(tmp_path, *models, routes=(rule("big"),)) as live:
        assert [said(await call(live, model=name)) for name in ("big", "assistant", "big", "assistant")] == [
            "big 1",
            "big 2",
            "big 1",
            "big 2",
        ]
        metrics = (await ask(live.port, "/metrics", "GET")).body.decode()
        for name in ("big", "assistant"):
            labels = f'{{cache="responses",model="{name}"'
            alike = f'{{model="{name}",cache="responses"'
            lines = [line for line in metrics.splitlines() if labels in line or alike in line]
            counts = {line.partition("{")[0]: float(line.split()[-1]) for line in lines if 'result="hit"' in line}
            assert counts == {"headway_gateway_cache_requests_total": 1.0}, lines
            assert any("cache_entries" in line and line.endswith(" 1.0") for line in lines), lines
        hit = next(each for each in await records(live) if each.route and each.cache == "hit")
        told = json.loads(await live.admin(f"/explain?id={hit.id}"))
        assert "the gateway's cache, of the Route assistant: hit" in "\n".join(tell_request(told["story"]))
        live.routes = (rule("big", cache=None),)
        live.use(*models)
        await eventually(lambda: _is_used(live, 2))
        assert said(await call(live)) == "big 1", "a Route that says nothing goes by the Model's"
        assert [each.cache_of for each in await records(live) if each.table == 2] == [""]
        live.routes = (rule("big", cache=CacheRules(embeddings=CacheRule())),)
        live.use(*models)
        await eventually(lambda: _is_used(live, 3))
        assert fared(await call(live)) == "bypass", "its own stands in place of the Model's as a whole"


async def _is_used(live: GatewayProcess, version: int) -> bool:
    return (await live.stats()).table_version == version


async def test_a_new_revision_never_has_the_old_ones_answers(tmp_path: Path, engine: Start) -> None:
    old, new = await engine(numbered("old")), await engine(numbered("new"))

    def at(url: str, revision: str) -> ModelRoute:
        return route(Endpoint(f"big-{revision}.1", f"big-{revision}", revision, url), name="big")

    async with running(tmp_path, at(old.url, "r1"), routes=(rule("big"),)) as live:
        assert [said(await call(live)) for _ in range(2)] == ["old 1"] * 2
        live.use(at(new.url, "r2"))
        await eventually(lambda: _is_used(live, 2))
        assert [said(await call(live)) for _ in range(2)] == ["new 1"] * 2


async def test_a_fallbacks_answers_are_its_own(tmp_path: Path, engine: Start) -> None:
    """While the first Model fails, equal requests get what its fallback said once; and nothing of it afterwards."""
    first, second = await engine(failing, failing, numbered("first")), await engine(numbered("second"))
    models = model("big", first.url), model("spare", second.url)
    routes = (rule("big", fallback=(Fallback("spare", on=("error",)),)),)
    async with running(tmp_path, *models, routes=routes, workers=1) as live:
        given = [await call(live) for _ in range(4)]
        assert [said(each) for each in given] == ["second 1", "second 1", "first 1", "first 1"]
        assert [fared(each) for each in given] == ["miss", "hit", "miss", "hit"]
        assert [(each.model, each.cache, len(each.attempts)) for each in await records(live)] == [
            ("spare", "miss", 2),
            ("spare", "hit", 1),
            ("big", "miss", 1),
            ("big", "hit", 0),
        ]
        assert len(second.asked) == 1
        told = await raw(live.port, request_bytes(body=chat_body(model="assistant", temperature=0)))
        assert told.count(b"x-headway-cache: ") == 1


async def test_who_waits_for_an_equal_request_is_not_held_by_a_model_that_says_nothing(
    tmp_path: Path, engine: Start
) -> None:
    """The time that a Model has to begin counts while an equal request's answer is waited for, too; then all of them
    go on, and one of them asks the fallback."""
    first, second = await engine(silent), await engine(numbered("second"))
    models = model("big", first.url), model("spare", second.url)
    routes = (rule("big", within=0.3, fallback=(Fallback("spare"),), cache=CacheRules(CacheRule(wait=20))),)
    async with running(tmp_path, *models, routes=routes) as live:
        given = await asyncio.gather(*(call(live) for _ in range(8)))
        assert {said(each) for each in given} == {"second 1"}
        assert len(second.asked) == 1
        assert Counter(fared(each) for each in given) == {"miss": 1, "hit": 7}
        assert {each.model for each in await records(live)} == {"spare"}
        first.gate.set()


async def test_vectors_of_two_models_never_stand_in_one_answer(tmp_path: Path, engine: Start) -> None:
    """Some texts are kept of the first Model, which then fails: the fallback is asked for all of them."""
    row = {"object": "embedding", "index": 0, "embedding": [9.5]}
    first = await engine(answers(json.dumps({"object": "list", "data": [row], "model": "m"}).encode()), failing)
    async with engines("--dimensions", "8") as mock:
        models = (
            model("one", first.url, task="embedding"),
            route(endpoint(mock.url, "two-0", upstream_model="mock"), name="two", task="embedding"),
        )
        kept = CacheRules(embeddings=CacheRule())
        routes = (rule("one", cache=kept, fallback=(Fallback("two", on=("error",)),)),)

        async def embed(*texts: str) -> Answer:
            body = json.dumps({"model": "assistant", "input": list(texts)}).encode()
            return await ask(live.port, "/v1/embeddings", body=body)

        async with running(tmp_path, *models, routes=routes, workers=1) as live:
            assert (fared(alone := await embed("a")), alone.json["data"][0]["embedding"]) == ("miss", [9.5])
            both = await embed("a", "b")
            assert fared(both) == "miss", "of the fallback nothing was kept"
            assert [len(each["embedding"]) for each in both.json["data"]] == [8, 8]
            assert [len(json.loads(each.body)["input"]) for each in first.asked] == [1, 1], (
                "the first was asked for the rest"
            )
            third = await embed("b", "a")
            assert fared(third) == "hit"
            assert third.json["data"][1]["embedding"] == both.json["data"][0]["embedding"]


async def test_tenants_are_kept_apart_unless_the_file_says_otherwise(tmp_path: Path, engine: Start) -> None:
    one = await engine(numbered("big"))
    tenants = TenantRule("acme", answers="shared", models=("assistant",)), TenantRule("other", answers="shared")
    keys = ACME_KEY, OTHER_KEY
    mine, theirs = ([f"authorization: Bearer {key}"] for key in (ACME, OTHER))
    models = (model("big", one.url),)
    async with running(tmp_path, *models, routes=(rule("big"),), tenants=tenants, keys=keys) as live:
        assert [said(await call(live, headers=headers)) for headers in (mine, theirs, mine)] == [
            "big 1",
            "big 2",
            "big 1",
        ]
        live.routes = (rule("big", cache=CacheRules(CacheRule(shared=True))),)
        live.use(*models)
        await eventually(lambda: _is_used(live, 2))
        shared = [said(await call(live, headers=headers)) for headers in (mine, theirs)]
        assert shared == ["big 3", "big 3"]
        assert (await call(live, headers=mine, model="big")).status == 403


async def test_a_hit_is_copied_to_nobody_and_a_copy_fills_no_cache(tmp_path: Path, engine: Start) -> None:
    one, candidate = await engine(numbered("big")), await engine(numbered("candidate"))
    models = model("big", one.url), model("candidate", candidate.url, cache=ANSWERS)
    routes = (rule("big", shadow=ShadowRule("candidate", 1.0, most=4, rate=6000)),)
    async with running(tmp_path, *models, routes=routes, workers=1) as live:
        assert [fared(await call(live)) for _ in range(3)] == ["miss", "hit", "hit"]
        await eventually(lambda: len(candidate.asked) == 1)
        await eventually(lambda: _has_shadow(live))
        assert said(await call(live, model="candidate")) == "candidate 2", "what the copy was answered is not kept"
        assert len(candidate.asked) == 2


async def _has_shadow(live: GatewayProcess) -> bool:
    return any(each.shadow_of for each in (await live.records()).records)


async def test_a_header_goes_before_the_cache(tmp_path: Path, engine: Start) -> None:
    big, small = await engine(numbered("big")), await engine(numbered("small"))
    models = model("big", big.url), model("small", small.url)
    routes = (rule("small", match=(Match("x-team", "research", "big"),)),)
    async with running(tmp_path, *models, routes=routes) as live:
        assert said(await call(live)) == "small 1"
        assert said(await call(live, headers=["x-team: research"])) == "big 1"
        assert said(await call(live)) == "small 1"
        assert said(await call(live, headers=["x-headway-cache: refresh"])) == "small 2"
        assert said(await call(live)) == "small 2"
