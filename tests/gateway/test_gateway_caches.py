"""The cache of answers as callers see it: real gateway processes, an engine that never says the same twice."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import psutil

from headway.cli.tell_request import tell_request
from headway.gateway.table import ModelRoute, TenantRule, TokenPrice
from headway.policy.caching import CacheRule, CacheRules
from tests.gateway.conftest import Start
from tests.support.gateway import (
    DONE,
    STREAM_HEAD,
    Answer,
    Asked,
    GatewayProcess,
    Peer,
    Script,
    Truncated,
    answer_bytes,
    ask,
    chat_body,
    chunked,
    completion,
    endpoint,
    event,
    eventually,
    key_for,
    raw,
    request_bytes,
    route,
)

ANSWERS = CacheRules(responses=CacheRule())
ACME, ACME_KEY = key_for("acme")
OTHER, OTHER_KEY = key_for("other")
THIRD, THIRD_KEY = key_for("third")
FRESH = ["x-headway-cache: refresh"]
NOTHING = ["cache-control: no-store"]


def counting(**more: Any) -> Script:
    """`answer 1`, `answer 2`, …, as a stream when asked for one."""
    numbers = itertools.count(1)

    async def script(asked: Asked, peer: Peer) -> None:
        text = f"answer {next(numbers)}"
        if not asked.json.get("stream"):
            await peer.send(answer_bytes(completion(text), **more))
            return
        usage = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n'
        end = event("").replace(b'"finish_reason": null', b'"finish_reason": "stop"')
        asked_for = (asked.json.get("stream_options") or {}).get("include_usage")
        pieces = [event(text[:3]), event(text[3:]), end, usage if asked_for else b"", DONE]
        await peer.send(STREAM_HEAD + b"".join(chunked(piece) for piece in pieces if piece) + b"0\r\n\r\n")

    return script


def said(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    if answer.headers["content-type"].startswith("text/event-stream"):
        chunks = [each["choices"][0]["delta"].get("content") or "" for each in answer.events[:-1] if each["choices"]]
        return "".join(chunks)
    return str(answer.json["choices"][0]["message"]["content"])


def fared(answer: Answer) -> str:
    return answer.headers.get("x-headway-cache", "")


def bearer(key: str) -> list[str]:
    return [f"authorization: Bearer {key}"]


@contextlib.asynccontextmanager
async def running(folder: Path, *models: ModelRoute, **more: Any) -> AsyncIterator[GatewayProcess]:
    live = GatewayProcess(folder, *models, **({"workers": 2} | more))
    try:
        yield live
    finally:
        assert live.stop() in (0, -signal.SIGKILL)
        assert "Traceback" not in live.log.read_text()


async def repeat(live: GatewayProcess, **call: Any) -> Answer:
    return await ask(live.port, **({"temperature": 0} | call))


async def counted(live: GatewayProcess) -> dict[tuple[str, str], float]:
    """(metric, its last label) -> value, of the caches of the model chat."""
    found = {}
    for line in (await ask(live.port, "/metrics", "GET")).body.decode().splitlines():
        if line.startswith("headway_gateway_cache") and 'model="chat"' in line and 'cache="responses"' in line:
            name, _, rest = line.removeprefix("headway_gateway_cache_").partition("{")
            label = rest.partition("}")[0].split(",")[-1].split("=")[1].strip('"')
            found[name.removesuffix("_total"), label] = float(line.split()[-1])
    return found


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
        await eventually(lambda: _running(live, 2))
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
        await eventually(lambda: _is_used(live, 2))
        assert [fared(await ask(live.port, temperature=0.7)) for _ in range(2)] == ["miss", "hit"]


async def _is_used(live: GatewayProcess, version: int) -> bool:
    return (await live.stats()).table_version == version


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
        await eventually(lambda: _says(live, "answer 2"))
        await eventually(lambda: _is_empty(live))


async def _says(live: GatewayProcess, text: str) -> bool:
    return said(await repeat(live)) == text


async def _is_empty(live: GatewayProcess) -> bool:
    return (await counted(live))["entries", "chat"] == 0


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
        assert await _is_empty(live)


# who gets whose answers


async def test_tenants_never_get_each_others_answers(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    tenants = TenantRule("acme"), TenantRule("other")
    keys = ACME_KEY, OTHER_KEY
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS), tenants=tenants, keys=keys) as live:
        mine = [await repeat(live, headers=bearer(ACME)) for _ in range(3)]
        theirs = [await repeat(live, headers=bearer(OTHER)) for _ in range(3)]
        assert [said(each) for each in mine + theirs] == ["answer 1"] * 3 + ["answer 2"] * 3
        assert [fared(each) for each in theirs] == ["miss", "hit", "hit"]


async def test_answers_are_shared_where_the_file_and_both_tenants_say_so(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    keys = ACME_KEY, OTHER_KEY, THIRD_KEY
    shared = TenantRule("acme", answers="shared"), TenantRule("other", answers="shared"), TenantRule("third")
    model = route(endpoint(one.url), cache=CacheRules(CacheRule(shared=True)))
    async with running(tmp_path, model, tenants=shared, keys=keys, workers=1) as live:
        assert said(await repeat(live, headers=bearer(ACME))) == "answer 1"
        assert said(await repeat(live, headers=bearer(OTHER))) == "answer 1"
        assert said(await repeat(live, headers=bearer(THIRD))) == "answer 2", "it has not agreed to that"
        live.use(route(endpoint(one.url), cache=ANSWERS))
        await eventually(lambda: _is_used(live, 2))
        assert said(await repeat(live, headers=bearer(OTHER))) == "answer 3", "the file says so no more"


async def test_a_tenant_may_have_nothing_kept(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    tenants = (TenantRule("acme", answers="none"),)
    model = route(endpoint(one.url), cache=ANSWERS)
    async with running(tmp_path, model, tenants=tenants, keys=(ACME_KEY,), workers=1) as live:
        assert [fared(await repeat(live, headers=bearer(ACME))) for _ in range(2)] == ["bypass", "bypass"]
        assert await _is_empty(live)


async def test_a_hit_costs_a_request_and_nothing_else(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    price = TokenPrice(1_000_000, 1_000_000, 1_000_000)
    tenants = (TenantRule("acme", rpm=5, day_tokens=10_000, month_micros=1_000_000),)
    model = route(endpoint(one.url), cache=ANSWERS, price=price)
    async with running(tmp_path, model, tenants=tenants, keys=(ACME_KEY,), workers=1) as live:
        answers = [await repeat(live, headers=bearer(ACME), max_tokens=9) for _ in range(7)]
        assert [each.status for each in answers] == [200] * 5 + [429] * 2
        assert answers[-1].error["code"] == "rate_limit_exceeded"
        assert [fared(each) for each in answers[:5]] == ["miss"] + ["hit"] * 4
        assert live.stop() == 0
    import sqlite3  # noqa: PLC0415

    with contextlib.closing(sqlite3.connect(live.socket.with_suffix(".ledger"))) as ledger:
        assert ledger.execute("SELECT tokens FROM accounts WHERE period = 'day'").fetchone() == (10,)


async def test_an_answer_that_a_budget_cut_short_is_not_given_to_one_that_has_more(
    tmp_path: Path, engine: Start
) -> None:
    """The gateway caps what has no max_tokens: the cap is a part of the question."""
    one = await engine(counting())
    model = route(endpoint(one.url), cache=CacheRules(CacheRule(shared=True)))
    tenants = TenantRule("acme", answers="shared", day_tokens=400), TenantRule("other", answers="shared")
    async with running(tmp_path, model, tenants=tenants, keys=(ACME_KEY, OTHER_KEY), workers=1) as live:
        assert said(await repeat(live, headers=bearer(ACME))) == "answer 1"
        assert "max_tokens" in one.asked[0].json
        assert said(await repeat(live, headers=bearer(OTHER))) == "answer 2"


# what is served


async def test_another_revision_has_other_answers(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())

    def serving(revision: str) -> ModelRoute:
        place = endpoint(one.url)
        return route(type(place)(place.id, place.replica, revision, place.url), cache=ANSWERS)

    async with running(tmp_path, serving("r1")) as live:
        assert [said(await repeat(live)) for _ in range(2)] == ["answer 1"] * 2
        live.use(serving("r2"))
        await eventually(lambda: _is_used(live, 2))
        assert [said(await repeat(live)) for _ in range(2)] == ["answer 2"] * 2
        live.use(route(endpoint(one.url)))
        await eventually(lambda: _is_used(live, 3))
        assert fared(await repeat(live)) == ""


async def test_an_answer_that_was_under_way_while_the_revision_changed_is_not_kept(
    tmp_path: Path, engine: Start
) -> None:
    async def gated(asked: Asked, peer: Peer) -> None:
        await peer.engine.gate.wait()
        await peer.send(answer_bytes(completion("old")))

    one = await engine(gated, counting())
    place = endpoint(one.url)
    async with running(tmp_path, route(place, cache=ANSWERS), workers=1) as live:
        old = asyncio.create_task(repeat(live))
        await eventually(lambda: len(one.asked) == 1)
        live.use(route(type(place)(place.id, place.replica, "r2", place.url), cache=ANSWERS))
        await eventually(lambda: _is_used(live, 2))
        one.gate.set()
        assert said(await old) == "old"
        assert said(await repeat(live)) == "answer 1"


# equal requests at the same time


async def test_of_equal_requests_at_once_one_goes_to_the_engine(tmp_path: Path, engine: Start) -> None:
    numbers = itertools.count(1)

    async def gated(asked: Asked, peer: Peer) -> None:
        text = f"answer {next(numbers)}"
        await peer.engine.gate.wait()
        await peer.send(answer_bytes(completion(text)))

    one = await engine(gated)
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:
        asking = [asyncio.create_task(repeat(live)) for _ in range(30)]
        await eventually(lambda: _running(live, 30))
        await eventually(lambda: len(one.asked) == 1)
        one.gate.set()
        answers = await asyncio.gather(*asking)
        assert {said(each) for each in answers} == {"answer 1"}
        assert Counter(map(fared, answers)) == {"hit": 29, "miss": 1}
        assert len(one.asked) == 1


async def _running(live: GatewayProcess, count: int) -> bool:
    return (await live.stats()).running == count


async def test_nobody_waits_where_the_rule_says_so_nor_longer_than_it_says(tmp_path: Path, engine: Start) -> None:
    async def gated(asked: Asked, peer: Peer) -> None:
        await peer.engine.gate.wait()
        await peer.send(answer_bytes(completion("late")))

    one = await engine(gated)
    for number, wait in enumerate((0.0, 0.3)):
        one.gate.clear()
        model = route(endpoint(one.url), cache=CacheRules(CacheRule(wait=wait)))
        (tmp_path / str(number)).mkdir()
        async with running(tmp_path / str(number), model) as live:
            before = len(one.asked)
            asking = [asyncio.create_task(repeat(live)) for _ in range(3)]
            await eventually(lambda before=before: len(one.asked) == before + 3)
            one.gate.set()
            assert [said(each) for each in await asyncio.gather(*asking)] == ["late"] * 3


async def test_when_the_leader_fails_the_next_one_tries(tmp_path: Path, engine: Start) -> None:
    """Its engine breaks in mid-stream: its caller is told, nobody else is."""

    async def breaking(asked: Asked, peer: Peer) -> None:
        await peer.send(STREAM_HEAD + chunked(event("half ")))
        await peer.engine.gate.wait()
        peer.reset()

    one = await engine(breaking, counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:
        asking = [asyncio.create_task(repeat(live, stream=True)) for _ in range(8)]
        await eventually(lambda: _running(live, 8))
        one.gate.set()
        answers = await asyncio.gather(*asking)
        failed = [each for each in answers if "error" in each.events[-1]]
        good = [each for each in answers if each not in failed]
        assert (len(failed), len(one.asked)) == (1, 2)
        assert {said(each) for each in good} == {"answer 1"}
        assert Counter(map(fared, good)) == {"miss": 1, "hit": 6}


async def test_a_caller_that_leaves_while_it_leads_hands_over(tmp_path: Path, engine: Start) -> None:
    async def hanging(asked: Asked, peer: Peer) -> None:
        await peer.until_gone()

    one = await engine(hanging, counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:
        _, leaver = await asyncio.open_connection("127.0.0.1", live.port)
        leaver.write(request_bytes(body=chat_body(temperature=0)))
        await eventually(lambda: len(one.asked) == 1)
        asking = [asyncio.create_task(repeat(live)) for _ in range(4)]
        waiter_gone = asyncio.create_task(raw(live.port, request_bytes(body=chat_body(temperature=0))))
        await eventually(lambda: _running(live, 6))
        waiter_gone.cancel()
        await eventually(lambda: _running(live, 5))
        leaver.close()
        assert {said(each) for each in await asyncio.gather(*asking)} == {"answer 1"}
        assert (len(one.asked), one.gone) == (2, 1)
        records = (await live.records()).records
        assert Counter((each.status, each.cache) for each in records) == {
            (499, "miss"): 2,
            (200, "hit"): 3,
            (200, "miss"): 1,
        }


async def test_a_deadline_ends_the_wait_for_another(tmp_path: Path, engine: Start) -> None:
    async def hanging(asked: Asked, peer: Peer) -> None:
        await peer.until_gone()

    one = await engine(hanging, counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS), workers=1) as live:
        first = asyncio.create_task(raw(live.port, request_bytes(body=chat_body(temperature=0))))
        await eventually(lambda: len(one.asked) == 1)
        late = await ask(live.port, temperature=0, headers=["x-headway-timeout: 200ms"])
        assert (late.status, late.error["code"]) == (504, "deadline_exceeded")
        assert len(one.asked) == 1
        first.cancel()
        await eventually(lambda: _says(live, "answer 1"))


# processes that die


async def test_no_torn_answer_is_ever_given_whoever_is_killed(tmp_path: Path, engine: Start) -> None:
    """Answers of many packets, and workers killed with -9 while they bring them."""

    async def large(asked: Asked, peer: Peer) -> None:
        await peer.send(answer_bytes(completion(str(asked.json["seed"]) * 400_000)))

    one = await engine(large)
    stop, seen = asyncio.Event(), Counter[str]()
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS)) as live:

        async def storm(seed: int) -> None:
            for turn in itertools.count():
                try:
                    answer = await ask(live.port, seed=seed, headers=FRESH if turn % 2 else [])
                except (Truncated, OSError):  # its worker was killed
                    seen["killed"] += 1
                else:
                    assert said(answer) == str(seed) * 400_000
                    seen[fared(answer)] += 1
                if stop.is_set():
                    return

        storms = [asyncio.create_task(storm(seed)) for seed in range(1, 5)]
        hub = psutil.Process(live.child.pid)
        for kills in range(1, 5):
            await eventually(lambda kills=kills: min(seen["hit"], seen["miss"]) >= 4 * kills)
            await eventually(lambda: len(hub.children()) == 2)
            for worker in hub.children():
                worker.kill()
        stop.set()
        await asyncio.gather(*storms)
        assert seen["killed"] > 0
        for seed in range(1, 5):
            assert said(await ask(live.port, seed=seed)) == str(seed) * 400_000


async def test_without_its_hub_the_gateway_answers_and_says_so(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS), workers=1) as live:
        await repeat(live)
        (worker,) = psutil.Process(live.child.pid).children()
        live.child.kill()
        live.child.wait()
        try:
            answers = [await repeat(live) for _ in range(2)]
            assert [fared(each) for each in answers] == ["bypass", "bypass"]
        finally:
            worker.terminate()
            worker.wait(10)


async def test_a_hub_that_hangs_delays_an_answer_and_keeps_none(tmp_path: Path, engine: Start) -> None:
    one = await engine(counting())
    async with running(tmp_path, route(endpoint(one.url), cache=ANSWERS), workers=1) as live:
        await repeat(live)
        os.kill(live.child.pid, signal.SIGSTOP)
        try:
            assert said(await repeat(live)) == "answer 2"
        finally:
            os.kill(live.child.pid, signal.SIGCONT)
        await eventually(lambda: _says(live, "answer 2"))
        assert json.loads(one.asked[0].body)["temperature"] == 0
