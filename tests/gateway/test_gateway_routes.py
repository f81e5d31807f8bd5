"""Routes at the gateway: which Model answers, when the next one does, and that nobody sees the change."""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import openai

from headway.gateway.record import Record
from headway.gateway.table import ModelRoute, TenantRule, TokenPrice
from headway.policy.route import Fallback, Match, RouteRule, Slo, Target
from tests.gateway.conftest import Start
from tests.support.gateway import (
    GATE,
    STREAM_HEAD,
    GatewayProcess,
    ScriptedEngine,
    answers,
    ask,
    chunked,
    completion,
    endpoint,
    event,
    eventually,
    gateway_here,
    key_for,
    route,
    sends,
    streams,
)
from tests.support.ports import free_port

BIG, SMALL = Target("big", 90), Target("small", 10)


def model(name: str, url: str, **more: Any) -> ModelRoute:
    return route(endpoint(url, f"{name}-0"), name=name, **more)


def rule(*to: Target, **more: Any) -> RouteRule:
    return RouteRule("assistant", to, **more)


def taken(record: Record) -> list[tuple[str, str]]:
    return [(each.model, each.why) for each in record.steps if each.taken]


def passed(record: Record) -> dict[str, str]:
    return {each.model: each.why for each in record.steps if not each.taken}


async def cancelled(engine: ScriptedEngine, *asking: asyncio.Task[Any]) -> None:
    """Nobody asks any more, and the engine sees it."""
    for each in asking:
        each.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    engine.gate.set()
    await eventually(lambda: not engine.running)


async def test_weights_are_kept_and_a_user_stays(tmp_path: Path, engine: Start) -> None:
    big, small = await engine(answers()), await engine(answers())
    users = [f"user-{n}" for n in range(300)]
    live = GatewayProcess(
        tmp_path, model("big", big.url), model("small", small.url), workers=2, routes=(rule(BIG, SMALL),)
    )

    async def who(users: list[str]) -> None:
        for user in users:
            found = await ask(live.port, model="assistant", user=user)
            assert found.status == 200, found.body

    try:
        for _ in range(2):
            await asyncio.gather(*(who(users[n::8]) for n in range(8)))
        at_small = Counter(asked.json["user"] for asked in small.asked)
        at_big = Counter(asked.json["user"] for asked in big.asked)
        assert not at_small.keys() & at_big.keys(), "a user stays, whichever worker answers"
        assert set((at_small + at_big).values()) == {2}
        expected, spread = 30, 4 * math.sqrt(300 * 0.1 * 0.9)
        assert abs(len(at_small) - expected) < spread
        assert {asked.json["model"] for asked in big.asked} == {"big"}, "an engine is told its own name"
        found = {record.route for record in (await live.records()).records}
        assert found == {"assistant"}
        # a change of the weights, while requests run
        running = [asyncio.create_task(who(users[n::8])) for n in range(8)]
        live.routes = (rule(Target("big", 1), Target("small", 0)),)
        live.use(model("big", big.url), model("small", small.url))
        await asyncio.gather(*running)

        async def swapped() -> bool:
            return (await live.stats()).table_version == live.version

        await eventually(swapped)
        before = len(small.asked)
        await who(users)
        assert len(small.asked) == before, "a weight of 0 gets nothing"
    finally:
        live.stop()


async def test_a_route_is_a_model_to_callers(tmp_path: Path, engine: Start) -> None:
    big = await engine(streams("Par", "is."), answers())
    route_rule = rule(Target("big"), created=7)
    async with gateway_here(tmp_path, model("big", big.url), route(name="cold"), routes=(route_rule,)) as here:
        listed = await here.ask(path="/v1/models", method="GET")
        assert [each["id"] for each in listed.json["data"]] == ["big", "cold", "assistant"], "ready or not"
        assert (await here.ask(path="/v1/models/assistant", method="GET")).json["created"] == 7
        async with openai.AsyncOpenAI(base_url=here.url, api_key="-", max_retries=0) as client:
            stream = await client.chat.completions.create(
                model="assistant", messages=[{"role": "user", "content": "hi"}], stream=True
            )
            said = "".join([piece.choices[0].delta.content or "" async for piece in stream])
        assert said == "Paris."
        assert taken(here.last) == [("big", "only_one")]
        assert (here.last.route, here.last.model) == ("assistant", "big")
        wrong = await here.ask(path="/v1/embeddings", body=b'{"model": "assistant", "input": "x"}')
        assert (wrong.status, wrong.error["code"]) == (404, "wrong_endpoint")
        assert "'assistant'" in wrong.error["message"]
        unknown = await here.ask(model="assistent")
        assert "Did you mean 'assistant'?" in unknown.error["message"]


async def test_a_route_whose_models_are_all_gone(tmp_path: Path, engine: Start) -> None:
    other = await engine(answers())
    routes = (rule(BIG, SMALL, fallback=(Fallback("spare"),)),)
    async with gateway_here(tmp_path, model("other", other.url), routes=routes) as here:
        answer = await here.ask(model="assistant")
        assert (answer.status, answer.error["code"]) == (503, "model_not_ready"), "it is none of the caller's fault"
        assert answer.headers["retry-after"] == "5"
        assert passed(here.last) == dict.fromkeys(("big", "small", "spare"), "no_such_model")


async def test_messages_and_their_counting_go_by_route_too(tmp_path: Path, engine: Start) -> None:
    """The caller's side is another one there, and goes on with the request all the same."""
    small = await engine(answers(), streams("Par", "is."), answers(b'{"count": 9}'))
    routes = (rule(Target("big"), fallback=(Fallback("small"),)),)
    call = {"model": "assistant", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    async with gateway_here(tmp_path, route(name="big"), model("small", small.url), routes=routes) as here:
        said = await here.ask(path="/v1/messages", body=json.dumps(call).encode())
        assert said.json["content"][0]["text"] == "Paris."
        streamed = await here.ask(path="/v1/messages", body=json.dumps(call | {"stream": True}).encode())
        assert b"message_stop" in streamed.body
        counted = await here.ask(path="/v1/messages/count_tokens", body=json.dumps(call).encode())
        assert counted.json["input_tokens"] == 9
        assert {each.model for each in here.records()} == {"small"}
        assert not here.stats().running


async def test_a_header_decides(tmp_path: Path, engine: Start) -> None:
    big, small = await engine(answers()), await engine(answers())
    matched = rule(Target("small"), match=(Match("x-team", "research", "big"), Match("x-team", "old", "gone")))
    async with gateway_here(tmp_path, model("big", big.url), model("small", small.url), routes=(matched,)) as here:
        for header, wanted in (("x-team: research", "big"), ("x-team: Research", "small"), ("x-team: old", "small")):
            assert (await here.ask(model="assistant", headers=[header])).status == 200
            assert here.last.model == wanted
        assert passed(here.last) == {"gone": "no_such_model"}


async def test_it_falls_back_before_the_first_byte(tmp_path: Path, engine: Start) -> None:
    small = await engine(answers(completion("from small")))
    fallback = rule(Target("big"), fallback=(Fallback("small"),))
    nobody = f"http://127.0.0.1:{free_port()}"
    failing = await engine(
        answers(b"oops", status=500),
        answers(b"{}", status=429),
        sends(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{", then="reset"),
        sends(STREAM_HEAD, then="reset"),
        answers(b"oops", status=503),
    )
    tables = [(nobody, "refused", "on_error")] + [(failing.url, "", "on_error")] * 5
    tables[2] = (failing.url, "status 429", "on_saturated")
    async with gateway_here(tmp_path, route(name="big"), model("small", small.url), routes=(fallback,)) as here:
        found = await here.ask(model="assistant")
        assert "from small" in found.body.decode()
        assert taken(here.last) == [("big", "only_one"), ("small", "on_error")], "no replica is an error at once"
        for number, (url, failure, why) in enumerate(tables):
            here.use(route(endpoint(url, f"big-{number}"), name="big"), model("small", small.url), routes=(fallback,))
            found = await here.ask(model="assistant", stream=number == 4)
            assert found.status == 200
            assert "from small" in found.body.decode()
            assert taken(here.last) == [("big", "only_one"), ("small", why)]
            assert here.last.model == "small"
            assert failure in here.last.attempts[0].failure


async def test_an_endpoint_whose_errors_others_answer_is_ejected_all_the_same(tmp_path: Path, engine: Start) -> None:
    """A fallback hides the error from the caller, not from the gateway."""
    good, bad, small = await engine(answers()), await engine(answers(b"{}", 500)), await engine(answers())
    fallback = rule(Target("big"), fallback=(Fallback("small"),))
    big = route(endpoint(good.url, "good"), endpoint(bad.url, "bad"), name="big", policy="round_robin")
    async with gateway_here(tmp_path, big, model("small", small.url), routes=(fallback,), eject_seconds=30) as here:
        upstream = next(each for each in here.worker.gateway.catalog.upstreams() if each.replica == "bad")
        for _ in range(100):
            assert (await here.ask(model="assistant")).status == 200
            if upstream.health.ejected:
                break
        assert upstream.health.ejected
        seen = len(bad.asked)
        assert {(await here.ask(model="assistant")).status for _ in range(6)} == {200}
        assert len(bad.asked) == seen, "it is passed over"


async def test_never_after_the_first_byte(tmp_path: Path, engine: Start) -> None:
    small = await engine(answers())
    cut = await engine(sends(STREAM_HEAD, chunked(event("Par")), then="reset"))
    fallback = rule(Target("big"), fallback=(Fallback("small"),), within=0.2)
    async with gateway_here(tmp_path, model("big", cut.url), model("small", small.url), routes=(fallback,)) as here:
        found = await here.ask(model="assistant", stream=True)
        assert found.events[-1]["error"]["code"] == "engine_failed"
        assert small.asked == []
        cut.scripts.append(sends(STREAM_HEAD, chunked(event("Par")), GATE, b"0\r\n\r\n"))
        asking = asyncio.create_task(here.ask(model="assistant", stream=True))
        await eventually(lambda: len(cut.asked) == 2)
        await asyncio.sleep(0.5)  # longer than the Model has to begin; it has begun
        assert not asking.done()
        cut.gate.set()
        await asking
        assert small.asked == []


async def test_the_deadline_of_a_model(tmp_path: Path, engine: Start) -> None:
    silent = await engine(sends(GATE, then="hang"))
    small = await engine(answers(completion("from small")))
    models = (model("big", silent.url), model("small", small.url))
    fallback = rule(Target("big"), fallback=(Fallback("small", on=("deadline",)),), within=0.2)
    async with gateway_here(tmp_path, *models, routes=(fallback,)) as here:
        found = await here.ask(model="assistant")
        assert "from small" in found.body.decode()
        assert taken(here.last) == [("big", "only_one"), ("small", "on_deadline")]
        assert here.last.attempts[0].failure == "timeout"
        here.use(*models, routes=(rule(Target("big"), fallback=(Fallback("small", on=("deadline",)),)),))
        found = await here.ask(model="assistant", headers=["x-headway-timeout: 1s"])
        assert "from small" in found.body.decode(), "half of the time is left for it"
        here.use(*models, routes=(rule(Target("big"), fallback=(Fallback("small", on=("error",)),)),))
        found = await here.ask(model="assistant", headers=["x-headway-timeout: 300ms"])
        assert (found.status, found.error["code"]) == (504, "deadline_exceeded")
        await cancelled(silent)


async def test_saturation(tmp_path: Path, engine: Start) -> None:
    busy = await engine(sends(GATE, then="hang"))
    small = await engine(answers(completion("from small")))
    models = (model("big", busy.url, capacity=1), model("small", small.url))
    fallback = rule(Target("big"), fallback=(Fallback("small", on=("saturated",)),))
    async with gateway_here(tmp_path, *models, routes=(fallback,)) as here:
        first = asyncio.create_task(here.ask(model="assistant", headers=["x-headway-timeout: 3s"]))
        await eventually(lambda: busy.running)
        found = await here.ask(model="assistant")
        assert "from small" in found.body.decode()
        assert taken(here.last) == [("big", "only_one"), ("small", "on_saturated")]
        await cancelled(busy, first)


async def test_what_cannot_answer_is_passed_over(tmp_path: Path, engine: Start) -> None:
    last = await engine(answers(completion("from last")))
    chain = (
        Fallback("gone"),
        Fallback("embed"),
        Fallback("cold"),
        Fallback("later", on=("deadline",)),
        Fallback("last"),
    )
    models = (
        route(name="big"),
        model("embed", last.url, task="embedding"),
        route(name="cold"),
        model("later", last.url),
        model("last", last.url),
    )
    async with gateway_here(tmp_path, *models, routes=(rule(Target("big"), fallback=chain),)) as here:
        assert "from last" in (await here.ask(model="assistant")).body.decode()
        assert passed(here.last) == {
            "gone": "no_such_model",
            "embed": "wrong_task",
            "cold": "not_ready",
            "later": "not_for_this",
        }
        here.use(route(name="big", expected=False), routes=(rule(Target("big"), fallback=chain),))
        refused = await here.ask(model="assistant")
        assert (refused.status, refused.error["code"]) == (503, "model_not_ready")
        assert "'assistant'" in refused.error["message"], "not what it is called inside"


async def test_the_cheapest_until_it_would_be_late(tmp_path: Path, engine: Start) -> None:
    cheap, dear = await engine(sends(GATE, then="hang")), await engine(answers(completion("from dear")))
    low, high = TokenPrice(100_000, 100_000, 100_000), TokenPrice(900_000, 900_000, 900_000)
    models = (model("cheap", cheap.url, price=low), model("dear", dear.url, price=high))
    wanted = rule(Target("dear"), Target("cheap"), cheapest=True, slo=Slo(ttft=0.1))
    async with gateway_here(tmp_path, *models, routes=(wanted,)) as here:
        running: list[asyncio.Task[Any]] = []
        for number in range(12):
            text = [{"role": "user", "content": f"{number} word " * 150}]  # nothing of it is cached anywhere
            headers = ["x-headway-timeout: 4s"]
            running.append(asyncio.create_task(here.ask(model="assistant", messages=text, headers=headers)))
            await eventually(lambda n=number: len(cheap.asked) + len(dear.asked) == n + 1)  # type: ignore[misc]
            if dear.asked:
                break
        assert dear.asked, "once its predicted time to first token is over the SLO, the dearer one answers"
        assert len(cheap.asked) >= 1, "while it is predicted to be in time the cheap one is used"
        await running[-1]
        assert taken(here.last) == [("dear", "cheapest")]
        assert passed(here.last) == {"cheap": "misses_slo"}
        assert "ttft" in here.last.steps[0].detail
        await cancelled(cheap, *running)


async def test_a_budget_of_a_fallback_is_kept_and_told(tmp_path: Path, engine: Start) -> None:
    provider = await engine(answers(completion("from provider", prompt=8, out=2)))
    priced = model("provider", provider.url, price=TokenPrice(1_000_000, 1_000_000, 1_000_000))
    fallback = rule(Target("big"), fallback=(Fallback("provider", day_tokens=250),))
    live = GatewayProcess(tmp_path, route(name="big", expected=False), priced, workers=2, routes=(fallback,))
    try:

        async def one() -> int:
            return (await ask(live.port, model="assistant", max_tokens=20)).status

        async def served_one() -> bool:
            return await one() == 200

        await eventually(served_one)  # a hub that has just begun may take its time to lend
        statuses = [200, *[await one() for _ in range(29)]]
        served = statuses.count(200)
        assert 100 <= 10 * served <= 250, "each used 10 tokens, and reserved ten times as many while it ran"
        assert statuses[served:] == [503] * (30 - served)
        assert len(provider.asked) == served
        last = (await live.records()).records[-1]
        assert passed(last)["provider"] == "budget_spent"
        assert "250 tokens a day" in next(each.detail for each in last.steps if each.why == "budget_spent")
        assert (last.status, last.model) == (503, "big")
        assert (await ask(live.port, model="provider")).status == 200, "asked for by its own name it has no such limit"
        kept = [each for each in fallback.fallback if each.limited]
        assert fallback.account(kept[0]) == "assistant/provider"
    finally:
        live.stop()


async def test_a_tenant_may_use_a_route_without_its_models(tmp_path: Path, engine: Start) -> None:
    big, small = (
        await engine(answers(completion(prompt=10, out=10))),
        await engine(answers(completion(prompt=10, out=10))),
    )
    key, entry = key_for("acme")
    low, high = TokenPrice(1_000_000, 1_000_000, 1_000_000), TokenPrice(5_000_000, 5_000_000, 5_000_000)
    models = (model("big", big.url, price=high), model("small", small.url, price=low))
    live = GatewayProcess(
        tmp_path,
        *models,
        tenants=(TenantRule("acme", models=("assist*",), day_micros=10_000),),
        keys=(entry,),
        routes=(rule(Target("small"), match=(Match("x-team", "a", "big"),)),),
    )
    headers = [f"authorization: Bearer {key}"]
    try:
        listed = await ask(live.port, "/v1/models", "GET", headers=headers)
        assert [each["id"] for each in listed.json["data"]] == ["assistant"]
        assert (await ask(live.port, model="big", headers=headers)).status == 403
        assert (await ask(live.port, model="assistant", headers=headers, max_tokens=50)).status == 200

        def spent() -> int:
            import sqlite3  # noqa: PLC0415

            with sqlite3.connect(live.socket.with_suffix(".ledger")) as database:
                rows = database.execute("SELECT micros FROM accounts WHERE tenant = 'acme' AND period = 'day'")
                found = rows.fetchone()
            database.close()
            return int(found[0]) if found else 0

        await eventually(lambda: spent() == 20, what="charged at the price of the Model that answered")
        found = await ask(live.port, model="assistant", headers=[*headers, "x-team: a"], max_tokens=50)
        assert found.status == 200
        await eventually(lambda: spent() == 120)
    finally:
        live.stop()
