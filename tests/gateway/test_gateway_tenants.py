"""Keys, scopes, limits and budgets at the gateway, over all its workers, whoever is killed."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from headway.gateway.table import ModelRoute, TenantRule, TokenPrice
from tests.gateway.conftest import Start
from tests.support.gateway import (
    DONE,
    GATE,
    STREAM_HEAD,
    GatewayProcess,
    answers,
    ask,
    bearer,
    chunked,
    completion,
    endpoint,
    event,
    eventually,
    key_for,
    route,
    sends,
    streams,
)

ACME, ACME_KEY = key_for("acme")
OTHER, OTHER_KEY = key_for("other", models=("chat",))
PAST, PAST_KEY = key_for("acme", expires=1.0, models=("x",))
EVENT_TOKENS = 3


def spent(live: GatewayProcess, tenant: str) -> tuple[int, int]:
    """Tokens and micro-money of today, by the ledger."""
    with sqlite3.connect(live.socket.with_suffix(".ledger")) as database:
        rows = database.execute("SELECT tokens, micros FROM accounts WHERE tenant = ? AND period = 'day'", (tenant,))
        found = rows.fetchone() or (0, 0)
    database.close()
    return int(found[0]), int(found[1])


@pytest.fixture
async def closed(tmp_path: Path, engine: Start) -> AsyncIterator[GatewayProcess]:
    one = await engine(answers())
    live = GatewayProcess(
        tmp_path,
        route(endpoint(one.url)),
        route(endpoint(one.url), name="secret"),
        tenants=(TenantRule("acme"), TenantRule("other", models=("ch*",))),
        keys=(ACME_KEY, OTHER_KEY, PAST_KEY),
    )
    yield live
    live.stop()


async def test_who_has_no_key_is_told_so(closed: GatewayProcess) -> None:
    for headers in ([], bearer("hw-guess"), ["authorization: Basic eDp5"], bearer(PAST)):
        refused = await ask(closed.port, headers=headers)
        assert (refused.status, refused.error["code"]) == (401, "invalid_api_key")
        assert "hw-guess" not in refused.error["message"] or headers == bearer("hw-guess")
    assert (await ask(closed.port, headers=bearer(ACME))).status == 200
    assert (await ask(closed.port, headers=[f"x-api-key: {ACME}"])).status == 200
    assert (await ask(closed.port, "/v1/models", "GET")).status == 401
    assert (await ask(closed.port, "/healthz", "GET")).status == 200


async def test_a_tenant_sees_and_uses_only_what_it_may(closed: GatewayProcess) -> None:
    async def names(key: str) -> list[str]:
        listed = await ask(closed.port, "/v1/models", "GET", headers=bearer(key))
        return [each["id"] for each in listed.json["data"]]

    assert await names(ACME) == ["chat", "secret"]
    assert await names(OTHER) == ["chat"]
    refused = await ask(closed.port, model="secret", headers=bearer(OTHER))
    assert (refused.status, refused.error["code"]) == (403, "model_not_allowed")
    assert (await ask(closed.port, "/v1/models/secret", "GET", headers=bearer(OTHER))).status == 404
    unknown = await ask(closed.port, model="secrets", headers=bearer(OTHER))
    assert "secret'" not in unknown.error["message"], "names that it may not use are not told"
    records = (await closed.records()).records
    assert {record.tenant for record in records} == {"other"}


async def test_the_official_client_understands(closed: GatewayProcess) -> None:
    base = f"http://127.0.0.1:{closed.port}/v1"
    async with openai.AsyncOpenAI(base_url=base, api_key="hw-wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as wrong:
            await client.models.list()
    assert wrong.value.code == "invalid_api_key"
    async with openai.AsyncOpenAI(base_url=base, api_key=ACME, max_retries=0) as client:
        said = await client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "hi"}])
    assert said.choices[0].message.content == "Paris."


@pytest.mark.parametrize("workers", [1, 2])
async def test_rates_hold_over_all_workers(tmp_path: Path, engine: Start, workers: int) -> None:
    one = await engine(answers())
    live = GatewayProcess(
        tmp_path,
        route(endpoint(one.url)),
        workers=workers,
        tenants=(TenantRule("acme", rpm=20), TenantRule("other")),
        keys=(ACME_KEY, OTHER_KEY),
    )
    try:
        got = await asyncio.gather(*(ask(live.port, headers=bearer(ACME), max_tokens=4) for _ in range(40)))
        by_status = Counter(each.status for each in got)
        assert set(by_status) == {200, 429}
        assert 20 <= by_status[200] <= 22  # a token of the bucket comes every 3 s
        refused = next(each for each in got if each.status == 429)
        assert refused.error["code"] == "rate_limit_exceeded"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert (await ask(live.port, headers=bearer(OTHER))).status == 200, "it is another's limit"
    finally:
        live.stop()


@pytest.mark.parametrize("workers", [1, 2])
async def test_so_many_at_once_and_no_more(tmp_path: Path, engine: Start, workers: int) -> None:
    one = await engine(sends(STREAM_HEAD, chunked(event("a")), GATE, chunked(DONE), b"0\r\n\r\n"))
    live = GatewayProcess(
        tmp_path,
        route(endpoint(one.url)),
        workers=workers,
        tenants=(TenantRule("acme", parallel=3),),
        keys=(ACME_KEY,),
    )
    try:
        asking = [asyncio.create_task(ask(live.port, headers=bearer(ACME), stream=True)) for _ in range(8)]
        await eventually(lambda: sum(task.done() for task in asking) == 5)
        assert one.running == 3
        one.gate.set()
        assert Counter([(await task).status for task in asking]) == {200: 3, 429: 5}

        async def again() -> bool:
            return (await ask(live.port, headers=bearer(ACME), stream=True)).status == 200

        await eventually(again)
    finally:
        live.stop()


async def test_a_budget_is_spent_to_the_last_token_and_told(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers(completion(prompt=100, out=50)))
    priced = route(endpoint(one.url), price=TokenPrice(input=1_000_000, cached=500_000, output=4_000_000))
    live = GatewayProcess(
        tmp_path,
        priced,
        tenants=(TenantRule("acme", day_micros=2000), TenantRule("other", month_tokens=400)),
        keys=(ACME_KEY, OTHER_KEY),
    )
    try:
        # 98 prompt tokens at 1, 2 cached at 0.5, 50 answered at 4 micros each: 299
        for _ in range(5):
            assert (await ask(live.port, headers=bearer(ACME), max_tokens=50)).status == 200
        refused = await ask(live.port, headers=bearer(ACME), max_tokens=400)
        assert (refused.status, refused.error["code"]) == (429, "insufficient_quota")
        assert "budget of 0.002 USD a day" in refused.error["message"]
        await eventually(lambda: spent(live, "acme") == (5 * 150, 5 * 299))
        assert (await ask(live.port, headers=bearer(OTHER), max_tokens=50)).status == 200
        await eventually(lambda: spent(live, "other")[0] == 150)
        uncapped = await ask(live.port, headers=bearer(OTHER))
        assert uncapped.status == 200
        sent = json.loads(one.asked[-1].body)
        assert sent["max_tokens"] < 250, "who names no end gets one that fits what is left"
    finally:
        live.stop()


async def test_streams_are_charged_by_the_usage_that_their_callers_never_see(tmp_path: Path, engine: Start) -> None:
    tail = b'data: {"choices":[],"usage":{"prompt_tokens":40,"completion_tokens":2}}\n\n'
    one = await engine(streams("a", "b", tail=tail))
    live = GatewayProcess(
        tmp_path, route(endpoint(one.url)), tenants=(TenantRule("acme", day_tokens=10_000),), keys=(ACME_KEY,)
    )
    try:
        plain = await ask(live.port, headers=bearer(ACME), stream=True, max_tokens=5)
        assert [each for each in plain.events if each != "[DONE]" and not each["choices"]] == []
        assert plain.events[-1] == "[DONE]"
        asked: dict[str, Any] = json.loads(one.asked[0].body)
        assert asked["stream_options"] == {"include_usage": True}
        wanted = await ask(
            live.port, headers=bearer(ACME), stream=True, max_tokens=5, stream_options={"include_usage": True}
        )
        assert wanted.events[-2]["usage"]["prompt_tokens"] == 40
        await eventually(lambda: spent(live, "acme")[0] == 84)
    finally:
        live.stop()


async def test_without_tenants_nobody_from_elsewhere_gets_in(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    address = next(
        (
            each.address
            for found in psutil.net_if_addrs().values()
            for each in found
            if each.family.name == "AF_INET" and not each.address.startswith("127.")
        ),
        None,
    )
    if address is None:
        pytest.skip("this machine has only its loopback address")
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), more=("--host", "0.0.0.0"))
    try:
        assert (await ask(live.port)).status == 200
        reader, writer = await asyncio.open_connection(address, live.port)
        writer.write(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert b"add a Tenant" in answer
    finally:
        live.stop()


async def race(live: GatewayProcess, clients: int, *, kill: bool) -> Counter[int]:
    """So many callers at once, streams and not; some leave in mid-stream when workers are killed under them."""
    statuses: Counter[int] = Counter()

    async def one(number: int) -> None:
        try:
            answer = await ask(live.port, headers=bearer(ACME), stream=bool(number % 2), max_tokens=EVENT_TOKENS)
            statuses[answer.status] += 1
        except (ConnectionError, AssertionError, Exception) as error:
            if not kill:
                raise
            statuses[-1] += bool(error)

    async def killer() -> None:
        await eventually(lambda: statuses.total() >= clients // 4)
        psutil.Process(live.child.pid).children()[0].kill()

    tasks = [one(number) for number in range(clients)]
    await asyncio.gather(*tasks, *([killer()] if kill else []))
    return statuses


@pytest.mark.parametrize("kill", [False, True], ids=["in peace", "with kills"])
async def test_two_hundred_callers_on_a_budget_for_a_hundred(tmp_path: Path, engine: Start, kill: bool) -> None:
    usage = b'{"prompt_tokens":7,"completion_tokens":3}'

    async def counted(asked: Any, peer: Any) -> None:
        peer.engine.answered = getattr(peer.engine, "answered", 0) + 1
        if asked.json.get("stream"):
            await streams("a", "b", "c", tail=b'data: {"choices":[],"usage":%b}\n\n' % usage)(asked, peer)
        else:
            await answers(b'{"choices":[{"message":{"content":"abc"}}],"usage":%b}' % usage)(asked, peer)

    one = await engine(counted)
    rounds, budget = 5, 1000
    for number in range(rounds):
        folder = tmp_path / str(number)
        folder.mkdir()
        one.answered = 0  # type: ignore[attr-defined]
        live = GatewayProcess(
            folder,
            ModelRoute("chat", endpoints=(endpoint(one.url),)),
            workers=2,
            tenants=(TenantRule("acme", day_tokens=budget),),
            keys=(ACME_KEY,),
        )
        try:
            statuses = await race(live, 200, kill=kill)
            used = one.answered * 10  # type: ignore[attr-defined]
            assert used <= budget
            assert set(statuses) <= ({200, 429, -1, 503} if kill else {200, 429})
            if kill:  # what the killed worker had in flight is charged in full
                await eventually(lambda: spent(live, "acme")[0] >= used)  # noqa: B023
                assert spent(live, "acme")[0] <= budget
            else:
                assert statuses[200] * 10 == used
                await eventually(lambda: spent(live, "acme")[0] == used)  # noqa: B023
        finally:
            live.stop()
