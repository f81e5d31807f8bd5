"""The cache of answers as callers see it: real gateway processes, an engine that never says the same twice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import anthropic
import openai

from headway.cli.tell_request import tell_request
from headway.policy.caching import CacheRule, CacheRules
from tests.gateway.conftest import Start
from tests.support.caches import (
    ANSWERS,
    FRESH,
    NOTHING,
    counted,
    counting,
    fared,
    is_empty,
    is_used,
    repeat,
    running,
    said,
    says,
    so_many_run,
)
from tests.support.gateway import (
    DONE,
    STREAM_HEAD,
    Answer,
    Asked,
    Peer,
    answer_bytes,
    ask,
    chunked,
    completion,
    endpoint,
    event,
    eventually,
    route,
)


async def test_the_second_time_the_engine_is_not_asked(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:
        first = await repeat(live)
        again = [await repeat(live) for _ in range(20)]
        assert (fared(first), first.headers["x-headway-replica"]) == ("miss", "chat-0")
        assert {fared(each) for each in again} == {"hit"}
        assert {each.body for each in again} == {first.body}
        assert all(int(each.headers["age"]) < 30 and "x-headway-replica" not in each.headers for each in again)
        assert {each.headers["content-type"] for each in again} == {first.headers["content-type"]}
        assert len({each.headers["x-request-id"] for each in [first, *again]}) == 21
        assert len(one.asked) == 1, "both workers find what one of them brought"
        assert (await repeat(live, user="somebody else")).body == first.body
        assert said(await repeat(live, max_tokens=5)) == "answer 2"
        records = (await live.records()).records
        assert Counter(record.cache for record in records) == {"hit": 21, "miss": 2}
        assert {(each.saved_tokens, each.prompt_tokens) for each in records if each.cache == "hit"} == {(10, None)}
        assert all("s old" in each.cache_note and not each.attempts for each in records if each.cache == "hit")
        figures = await counted(live)
        assert (figures["requests", "hit"], figures["requests", "miss"]) == (21, 2)
        assert (figures["tokens_saved", "input"], figures["tokens_saved", "output"]) == (21 * 7, 21 * 3)
        assert figures["entries", "chat"] == 2


async def test_explain_tells_what_the_cache_said_and_whom_a_request_waited_for(tmp_path: Path, engine: Start) -> None:
    async def gated(asked: Asked, peer: Peer) -> None:
        await peer.engine.gate.wait()
        await peer.send(answer_bytes(completion("late")))

    one = await engine(gated)
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:

        async def told(answer: Answer) -> str:
            found = json.loads(await live.admin(f"/explain?id={answer.headers['x-request-id']}"))
            return "\n".join(tell_request(found["story"]))

        asking = [asyncio.create_task(repeat(live)) for _ in range(2)]
        await eventually(lambda: so_many_run(live, 2))
        one.gate.set()
        by_result = {fared(each): each for each in await asyncio.gather(*asking)}
        assert "the gateway's cache: miss" in await told(by_result["miss"])
        waited = await told(by_result["hit"])
        assert "for the answer to an equal request" in waited
        assert "cache: hit (brought by an equal request at the same time), 10 tokens saved" in waited
        assert "cache: bypass (the caller wants nothing kept)" in await told(await repeat(live, headers=NOTHING))


async def test_a_model_without_a_cache_says_nothing_of_one(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    async with running(tmp_path, route(endpoint(one.url)), workers=1) as live:
        answers = [await repeat(live, seed=1) for _ in range(2)]
        assert [said(each) for each in answers] == ["answer 1", "answer 2"]
        assert [fared(each) for each in answers] == ["", ""]
        assert {record.cache for record in (await live.records()).records} == {""}


async def test_only_what_asks_to_be_repeatable_unless_told_otherwise(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    model = route(endpoint(one.url), cache=ANSWERS)
    async with running(tmp_path, model, workers=1) as live:
        for call in ({}, {"temperature": 0.7}, {"temperature": 0, "store": True}):
            assert [fared(await ask(live.port, **call)) for _ in range(2)] == ["bypass", "bypass"]
        for call in ({"temperature": 0}, {"seed": 5}, {"seed": 5, "temperature": 0.7}):
            assert [fared(await ask(live.port, **call)) for _ in range(2)] == ["miss", "hit"]
        notes = {record.cache_note for record in (await live.records()).records if record.cache == "bypass"}
        assert notes == {
            "it asks for no repeatable answer: neither temperature 0 nor a seed",
            "it asks for more than an answer",
        }
        live.use(route(endpoint(one.url), cache=CacheRules(CacheRule(which="all"))))
        await eventually(lambda: is_used(live, 2))
        assert [fared(await ask(live.port, temperature=0.7)) for _ in range(2)] == ["miss", "hit"]


async def test_a_stream_and_a_whole_answer_are_kept_each_in_its_form(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:
        whole, stream = await repeat(live), await repeat(live, stream=True)
        with_usage = await repeat(live, stream=True, stream_options={"include_usage": True})
        assert [said(each) for each in (whole, stream, with_usage)] == ["answer 1", "answer 2", "answer 3"]
        again = await repeat(live, stream=True, stream_options={"include_usage": True})
        assert [fared(each) for each in (whole, stream, with_usage, again)] == ["miss", "miss", "miss", "hit"]
        assert again.events == with_usage.events
        assert (await repeat(live, stream=True)).events == stream.events
        assert (await repeat(live)).body == whole.body
        base = f"http://127.0.0.1:{live.port}/v1"
        async with openai.AsyncOpenAI(base_url=base, api_key="none", max_retries=0) as client:
            ours: Any = {"model": "chat", "messages": [{"role": "user", "content": "?"}], "seed": 3, "stream": True}
            texts = []
            for _ in range(2):
                chunks = [chunk async for chunk in await client.chat.completions.create(**ours)]
                texts.append("".join(chunk.choices[0].delta.content or "" for chunk in chunks))
        assert texts == ["answer 4", "answer 4"]


async def test_messages_are_kept_as_the_chat_answers_that_they_are_made_of(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:
        call: Any = {"model": "chat", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}
        call["extra_body"] = {"temperature": 0}
        base = f"http://127.0.0.1:{live.port}"
        async with anthropic.AsyncAnthropic(base_url=base, api_key="none", max_retries=0) as client:
            whole = [(await client.messages.create(**call)).content[0] for _ in range(2)]
            streams = []
            for _ in range(2):
                async with client.messages.stream(**call) as stream:
                    streams.append("".join([text async for text in stream.text_stream]))
        assert [each.text for each in whole if each.type == "text"] == ["answer 1"] * 2
        assert streams == ["answer 2"] * 2
        assert len(one.asked) == 2
        assert Counter(record.cache for record in (await live.records()).records) == {"hit": 2, "miss": 2}


async def test_the_caller_says_how_fresh_and_whether_it_is_kept(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS), workers=1) as live:

        async def with_header(*headers: str) -> tuple[str, str]:
            answer = await ask(live.port, temperature=0, headers=headers)
            return fared(answer), said(answer)

        assert await with_header("x-headway-cache: no-store") == ("bypass", "answer 1")
        assert await with_header() == ("miss", "answer 2")
        assert await with_header("cache-control: private, No-Store") == ("bypass", "answer 3")
        assert await with_header("cache-control: max-age=600") == ("hit", "answer 2")
        assert await with_header("cache-control: only-if-cached") == ("hit", "answer 2")
        assert await with_header("cache-control: no-cache") == ("miss", "answer 4")
        assert await with_header() == ("hit", "answer 4")
        assert await with_header(*FRESH) == ("miss", "answer 5")
        assert await with_header("cache-control: max-age=0") == ("miss", "answer 6")
        assert await with_header() == ("hit", "answer 6")
        refused = await ask(live.port, temperature=0, headers=["x-headway-cache: never"])
        assert (refused.status, refused.error["code"], refused.error["param"]) == (
            400,
            "invalid_type",
            "x-headway-cache",
        )


async def test_what_is_too_old_is_asked_for_again(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    rule = CacheRule(ttl=0.2)
    async with running(tmp_path, route(endpoint(one.url), cache=CacheRules(rule)), workers=1) as live:
        await repeat(live)
        await eventually(lambda: says(live, "answer 2"))
        await eventually(lambda: is_empty(live))


async def test_memory_is_bounded_and_the_least_used_goes_first(tmp_path: Path, engine: Start) -> None:
    async def large(asked: Asked, peer: Peer) -> None:
        await peer.send(answer_bytes(completion("x" * 100_000)))

    one = await engine(large)
    rule = CacheRule(size=1_000_000)
    async with running(tmp_path, route(endpoint(one.url), cache=CacheRules(rule))) as live:
        for number in range(12):
            await repeat(live, seed=number)
            await repeat(live, seed=0)
        assert [fared(await repeat(live, seed=number)) for number in (0, 11, 1)] == ["hit", "hit", "miss"]
        figures = await counted(live)
        assert figures["bytes", "chat"] <= 1_000_000
        assert (figures["entries", "chat"], figures["dropped", "room"]) == (9, 4)


async def test_an_answer_that_is_too_long_is_passed_on_and_not_kept(tmp_path: Path, engine: Start) -> None:
    async def huge(asked: Asked, peer: Peer) -> None:
        await peer.send(answer_bytes(completion("x" * 1_500_000)))

    one = await engine(huge)
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:
        answers = await asyncio.gather(*(repeat(live) for _ in range(4)))
        assert {len(said(each)) for each in answers} == {1_500_000}
        assert {fared(each) for each in answers} == {"miss"}
        assert len(one.asked) == 4


NOT_GOOD = {
    "an error": (b'{"error":{"message":"no","type":"x","param":null,"code":"x"}}', 400),
    "a server's error": (b"oops", 500),
    "a filter's cut": (completion("cut").replace(b'"stop"', b'"content_filter"'), 200),
    "an end nobody knows": (completion("cut").replace(b'"stop"', b'"abort"'), 200),
    "no end at all": (completion("cut").replace(b'"stop"', b"null"), 200),
}
ENDED_BADLY = {
    "an error in the stream": b'data: {"error":{"message":"flagged","code":"content_filter"}}\n\n' + DONE,
    "a filter's cut": b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}\n\n' + DONE,
    "cut off": b"",
}


async def test_what_is_no_good_answer_is_not_kept(tmp_path: Path, engine: Start) -> None:
    async def script(asked: Asked, peer: Peer) -> None:
        if name := asked.json.get("whole"):
            await peer.send(answer_bytes(*NOT_GOOD[name]))
            return
        tail = ENDED_BADLY[asked.json["streamed"]]
        await peer.send(STREAM_HEAD + chunked(event("half ")) + (chunked(tail) if tail else b"") + b"0\r\n\r\n")

    one = await engine(script)
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS), workers=1) as live:
        for name, (_, status) in NOT_GOOD.items():
            answers = [await repeat(live, whole=name) for _ in range(2)]
            assert [(each.status, fared(each)) for each in answers] == [(status, "miss")] * 2, name
        for name in ENDED_BADLY:
            streams = [await repeat(live, streamed=name, stream=True) for _ in range(2)]
            assert [fared(each) for each in streams] == ["miss"] * 2, name
        assert len(one.asked) == 2 * (len(NOT_GOOD) + len(ENDED_BADLY))
        assert await is_empty(live)
