"""The cache of embeddings: only what is missing is asked for, and callers cannot tell but by the header."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from headway.gateway.table import Endpoint, TenantRule
from headway.policy.caching import CacheRule, CacheRules
from tests.gateway.conftest import Start
from tests.support.gateway import (
    Answer,
    Asked,
    GatewayProcess,
    Peer,
    answer_bytes,
    ask,
    endpoint,
    eventually,
    key_for,
    route,
)
from tests.support.mock_engine import Engines, engines

EMBEDDINGS = "/v1/embeddings"
KEPT = CacheRules(embeddings=CacheRule())
ACME, ACME_KEY = key_for("acme")
OTHER, OTHER_KEY = key_for("other")


def call(*texts: Any, **more: Any) -> bytes:
    return json.dumps({"model": "embed", "input": list(texts)} | more).encode()


async def embed(live: GatewayProcess, *texts: Any, headers: tuple[str, ...] = (), **more: Any) -> Answer:
    return await ask(live.port, EMBEDDINGS, body=call(*texts, **more), headers=headers)


async def embed_many(live: GatewayProcess, texts: list[str]) -> tuple[str, int]:
    """How it fared, and the number of vectors; with a client that is fast enough for megabytes."""

    def asking() -> tuple[str, int]:
        connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
        connection.request("POST", EMBEDDINGS, call(*texts))
        answer = connection.getresponse()
        found = len(json.loads(answer.read())["data"])
        connection.close()
        return str(answer.headers["x-headway-cache"]), found

    return await asyncio.to_thread(asking)


def vectors(answer: Answer) -> list[Any]:
    assert answer.status == 200, answer.body
    assert [each["index"] for each in answer.json["data"]] == list(range(len(answer.json["data"])))
    return [each["embedding"] for each in answer.json["data"]]


def fared(answer: Answer) -> str:
    return answer.headers.get("x-headway-cache", "")


@pytest.fixture
async def mock() -> AsyncIterator[Engines]:
    async with engines("--dimensions", "8") as running:
        yield running


@pytest.fixture
async def live(tmp_path: Path, mock: Engines) -> AsyncIterator[GatewayProcess]:
    """The mock engine behind two names: one with a cache, one without to compare."""
    place = endpoint(mock.url, "embed-0", upstream_model="mock")
    models = [
        route(place, name="embed", task="embedding", cache=KEPT),
        route(place, name="plain", task="embedding"),
    ]
    tenants, keys = (TenantRule("acme", tpm=1_000_000), TenantRule("other")), (ACME_KEY, OTHER_KEY)
    started = GatewayProcess(tmp_path, *models, workers=2, tenants=tenants, keys=keys)
    yield started
    started.stop()
    assert "Traceback" not in started.log.read_text()


async def test_only_missing_texts_are_asked_for_and_all_come_in_order(live: GatewayProcess) -> None:
    mine = (f"authorization: Bearer {ACME}",)
    first = await embed(live, "one", "two words", headers=mine)
    mixed = await embed(live, "three", "two words", "three", "one", "four", headers=mine)
    plain = await embed(live, "three", "two words", "three", "one", "four", headers=mine, model="plain")
    assert (fared(first), fared(mixed), fared(plain)) == ("miss", "partial", "")
    assert vectors(mixed) == vectors(plain)
    assert mixed.json["model"] == plain.json["model"]
    only_new = await embed(live, "three", "four", headers=mine, model="plain")
    assert mixed.json["usage"] == only_new.json["usage"] != plain.json["usage"]
    again = await embed(live, "four", "three", "two words", "one", headers=mine)
    assert fared(again) == "hit"
    plain = await embed(live, "four", "three", "two words", "one", headers=mine, model="plain")
    assert vectors(again) == vectors(plain)
    assert again.json["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
    single = await ask(
        live.port, EMBEDDINGS, headers=mine, body=json.dumps({"model": "embed", "input": "one"}).encode()
    )
    assert (fared(single), vectors(single)) == ("hit", vectors(first)[:1]), "a text alone or in a list is one text"
    theirs = await embed(live, "one", headers=(f"authorization: Bearer {OTHER}",))
    assert fared(theirs) == "miss"
    records = [each for each in (await live.records()).records if each.model == "embed" and each.tenant == "acme"]
    assert [each.cache for each in records] == ["miss", "partial", "hit", "hit"]
    assert [each.cache_note for each in records][1] == "3 of 5 inputs" or records[1].cache_note == "2 of 5 inputs"
    assert [each.prompt_tokens for each in records][2:] == [None, None]


async def test_each_encoding_and_size_is_kept_for_itself(live: GatewayProcess) -> None:
    mine = (f"authorization: Bearer {ACME}",)
    forms: list[dict[str, Any]] = [
        {},
        {"encoding_format": "float"},
        {"encoding_format": "base64"},
        {"dimensions": 4},
        {"dimensions": 4, "encoding_format": "base64"},
    ]
    for form in forms:
        assert fared(await embed(live, "a", "b", headers=mine, **form)) == "miss"
    for form in forms:
        found = await embed(live, "b", "c", "a", headers=mine, **form)
        assert fared(found) == "partial"
        assert vectors(found) == vectors(await embed(live, "b", "c", "a", headers=mine, model="plain", **form))


async def test_the_official_client_gets_numbers(live: GatewayProcess) -> None:
    """It asks for base64 and decodes it."""
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{live.port}/v1", api_key=ACME, max_retries=0) as client:
        plain = await client.embeddings.create(model="plain", input=["x", "y", "z"])
        await client.embeddings.create(model="embed", input=["y"])
        for _ in range(2):
            found = await client.embeddings.create(model="embed", input=["x", "y", "z"])
            assert [each.embedding for each in found.data] == [each.embedding for each in plain.data]


async def test_refresh_asks_for_all_and_keeps_it(live: GatewayProcess) -> None:
    mine = (f"authorization: Bearer {ACME}",)
    assert [fared(await embed(live, "r", headers=mine)) for _ in range(2)] == ["miss", "hit"]
    fresh = await embed(live, "r", headers=(*mine, "cache-control: no-cache"))
    assert (fared(fresh), fresh.json["usage"]["prompt_tokens"] > 0) == ("miss", True)
    nothing = await embed(live, "s", headers=(*mine, "cache-control: no-store"))
    assert (fared(nothing), fared(await embed(live, "s", headers=mine))) == ("bypass", "miss")


# what a mock engine does not do


def embedding(number: int, text: str) -> dict[str, Any]:
    return {"object": "embedding", "index": number, "embedding": [len(text), 0.5]}


def place(url: str) -> Endpoint:
    return endpoint(url, "embed-0")


async def test_equal_lists_at_once_go_to_the_engine_once(tmp_path: Path, engine: Start) -> None:
    async def gated(asked: Asked, peer: Peer) -> None:
        await peer.engine.gate.wait()
        data = [embedding(number, text) for number, text in enumerate(asked.json["input"])]
        await peer.send(answer_bytes(json.dumps({"object": "list", "data": data, "usage": {}}).encode()))

    one = await engine(gated)
    live = GatewayProcess(tmp_path, route(place(one.url), name="embed", task="embedding", cache=KEPT), workers=2)
    try:
        asking = [asyncio.create_task(embed(live, "a", "bb")) for _ in range(10)]

        async def all_wait() -> bool:
            return (await live.stats()).running == 10

        await eventually(all_wait)
        one.gate.set()
        assert [vectors(each) for each in await asyncio.gather(*asking)] == [[[1, 0.5], [2, 0.5]]] * 10
        assert len(one.asked) == 1
        await embed(live, "bb", "ccc", "ccc")
        assert one.asked[-1].json["input"] == ["ccc"]
    finally:
        live.stop()


async def test_an_engine_that_answers_to_other_texts_is_told_of_and_not_kept(tmp_path: Path, engine: Start) -> None:
    async def short(asked: Asked, peer: Peer) -> None:
        data = [embedding(0, "only one")]
        await peer.send(answer_bytes(json.dumps({"object": "list", "data": data, "usage": {}}).encode()))

    one = await engine(short)
    live = GatewayProcess(tmp_path, route(place(one.url), name="embed", task="embedding", cache=KEPT))
    try:
        assert fared(await embed(live, "a")) == "miss"
        broken = await embed(live, "a", "b", "c")
        assert (broken.status, broken.error["code"]) == (502, "engine_failed")
        assert (await live.records()).records[-1].error == "engine_failed"
        unread = await embed(live, "b", "c")
        assert (unread.status, len(unread.json["data"])) == (200, 1), "passed on as the engine says it"
        assert fared(await embed(live, "b", "c")) == "miss"
        assert fared(await embed(live, {"text": "a"})) == "bypass"
        assert vectors(await embed(live, "a")) == [[len("only one"), 0.5]]
    finally:
        live.stop()


async def test_large_lists_are_put_together_and_larger_ones_are_passed_on(tmp_path: Path, engine: Start) -> None:
    """2,000 texts of some kilobytes each; beyond 32 MiB the engine is asked for all of them."""

    async def wide(asked: Asked, peer: Peer) -> None:
        wide = "x" * (4_000 if len(asked.json["input"][0]) < 9 else 40_000)
        data = [embedding(number, text) | {"embedding": wide} for number, text in enumerate(asked.json["input"])]
        await peer.send(answer_bytes(json.dumps({"object": "list", "data": data, "usage": {}}).encode()))

    one = await engine(wide)
    live = GatewayProcess(tmp_path, route(place(one.url), name="embed", task="embedding", cache=KEPT))
    try:
        texts = [f"text {number}" for number in range(2_000)]
        assert await embed_many(live, texts[:1_000]) == ("miss", 1_000)
        assert await embed_many(live, texts) == ("partial", 2_000)
        assert len(one.asked[-1].json["input"]) == 1_000
        longer = [f"long text {number}" for number in range(1_000)]
        assert await embed_many(live, longer[:1]) == ("miss", 1)
        assert await embed_many(live, longer) == ("miss", 1_000)
        assert len(one.asked[-1].json["input"]) == 1_000, "40 MB are not put together"
    finally:
        live.stop()
