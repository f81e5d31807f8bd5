"""Each script, stall and capacity on the wire of a real mock engine; its log of arrivals against what was promised."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

from headway.engines.mock_arrivals import Arrival
from tests.support.bench import read_arrivals
from tests.support.mock_engine import DEADLINE, Engines, engines, exchange, request

CHAT = "/v1/chat/completions"
ASK = {"messages": [{"role": "user", "content": "go"}], "max_tokens": 10, "stream": True}
WITH_USAGE = {**ASK, "stream_options": {"include_usage": True}}


async def raw(to: Engines, body: Any, script: str, fault: str = "none", path: str = CHAT) -> bytes:
    return await exchange(to.port, request("POST", path, body, x_mock_script=script, x_mock_fault=fault))


def unchunked(answer: bytes) -> bytes:
    """The body, whose chunks are whole."""
    _, _, rest = answer.partition(b"\r\n\r\n")
    body = b""
    while rest and (size := int(rest.partition(b"\r\n")[0], 16)):
        rest = rest.partition(b"\r\n")[2]
        body, rest = body + rest[:size], rest[size + 2 :]
    return body


def events(answer: bytes) -> list[Any]:
    """What the data lines say, without [DONE]."""
    said = [line[6:] for line in unchunked(answer).decode().split("\n\n") if line.startswith("data: ")]
    assert said[-1] == "[DONE]"
    return [msgspec.json.decode(each) for each in said[:-1]]


def text(seen: list[Any]) -> str:
    return "".join(each["choices"][0]["delta"].get("content") or "" for each in seen if each["choices"])


@contextlib.asynccontextmanager
async def held(to: Engines, script: str, tokens: int) -> AsyncIterator[asyncio.StreamReader]:
    """A stream that falls silent after so many tokens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", to.port)
    writer.write(request("POST", CHAT, ASK, x_mock_script=script, x_mock_fault=f"stall-after={tokens}"))
    try:
        async with asyncio.timeout(DEADLINE):
            yield reader
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_several_tokens_an_event_with_the_usage_so_far() -> None:
    async with engines() as to:
        plain = events(await raw(to, ASK, ""))
        seen = events(await raw(to, ASK, "chunk=4 usage=continuous"))
        assert [each["usage"]["completion_tokens"] for each in seen] == [0, 1, 5, 9, 10, 10, 10]
        assert text(seen) == text(plain)
        assert len(plain) == 12  # the role, ten tokens, the end
        asked = {**ASK, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
        seen = events(await raw(to, asked, ""))
        assert [each["usage"]["completion_tokens"] for each in seen] == [0, *range(1, 11), 10, 10]


async def test_usage_is_told_as_the_script_says() -> None:
    async with engines() as to:
        assert "usage" not in events(await raw(to, WITH_USAGE, "usage=none"))[-1]
        last = events(await raw(to, ASK, "usage=last"))[-1]
        assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 10)
        _, whole = await to.post(CHAT, {**ASK, "stream": False}, x_mock_script="usage=none")
        assert "usage" not in whole


async def test_more_and_fewer_tokens_than_asked() -> None:
    async with engines() as to:
        more, fewer = [events(await raw(to, WITH_USAGE, f"tokens={each}")) for each in ("+5", "-5")]
        assert (more[-1]["usage"]["completion_tokens"], more[-2]["choices"][0]["finish_reason"]) == (15, "length")
        assert (fewer[-1]["usage"]["completion_tokens"], fewer[-2]["choices"][0]["finish_reason"]) == (5, "stop")
        assert text(more).startswith(text(fewer))


async def test_an_empty_first_event_comes_before_any_token() -> None:
    async with engines() as to, held(to, "first=empty", 0) as reader:
        await reader.readuntil(b"\r\n\r\n")
        event = (await reader.readuntil(b"\n\n")).partition(b"data: ")[2]
        assert msgspec.json.decode(event)["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert (await to.json("/mock/totals"))["under_way"]["running"] == 1
        plain = await raw(to, {"prompt": "a", "max_tokens": 3, "stream": True}, "first=empty", path="/v1/completions")
        assert events(plain)[0]["choices"][0]["text"] == ""


async def test_comments_go_on_while_nothing_else_comes() -> None:
    async with engines() as to:
        async with held(to, "keep-alive=5ms", 0) as reader:
            for _ in range(3):
                await reader.readuntil(b": keep-alive\n\n")
        assert len(events(await raw(to, ASK, "keep-alive=1s"))) == 12


@pytest.mark.parametrize("split", ["utf8", "tcp"])
async def test_an_event_comes_in_two_segments(split: str) -> None:
    """When the engine falls silent after 3 tokens, the beginning of the fourth event is there, cut as promised."""
    async with engines() as to:
        async with held(to, f"split={split}", 3) as reader:
            data = b""
            while data.count(b"\n\n\r\n") < 3 or not (half := data.rpartition(b"\n\n\r\n")[2]):
                data += await reader.read(4096)
        assert not half.endswith(b"\n\n")
        if split == "utf8":
            with pytest.raises(UnicodeDecodeError, match="unexpected end of data"):
                half.decode()
        whole = events(await raw(to, ASK, f"split={split} chunk=3"))
        assert len(text(whole).encode()) == 40
        assert text(whole) == text(events(await raw(to, ASK, f"split={split}")))


async def test_the_official_client_reads_what_is_cut_anywhere() -> None:
    async with engines() as to, openai.AsyncOpenAI(base_url=f"{to.url}/v1", api_key="none", max_retries=0) as ask:
        said = []
        for script in ("split=utf8 first=empty", "split=tcp chunk=3 usage=continuous", "keep-alive=5ms"):
            seen = await ask.chat.completions.create(
                model="mock", messages=[{"role": "user", "content": "go"}], max_tokens=40, stream=True,
                extra_headers={"x-mock-script": script},
            )  # fmt: skip
            said.append("".join([event.choices[0].delta.content or "" async for event in seen if event.choices]))
        assert [len(each.encode()) for each in said] == [160, 160, 160]
        assert said[1] == said[2]
        assert not said[0].isascii()


async def test_an_error_in_mid_stream_and_the_connection_goes_on() -> None:
    async with engines() as to:
        seen = events(await raw(to, ASK, "", "error-after=4"))
        assert seen[-1]["error"]["code"] == 500
        assert len(text(seen[:-1])) == 16
        assert (await to.post(CHAT, {**ASK, "stream": False}, x_mock_fault="error-after=4"))[0] == 500
        totals = await to.json("/mock/totals")
        assert totals["aborted"]["requests"] == 2
        assert totals["faults"] == {"error-after": 2}
        both = request("POST", CHAT, ASK, close=False, x_mock_fault="error-after=2") + request("GET", "/health")
        assert b'"status":"ok"' in await exchange(to.port, both)


async def test_requests_take_the_scripts_in_turn_and_a_header_is_laid_over() -> None:
    async with engines("--script", "tokens=+1", "--script", "tokens=+2 usage=last") as to:
        lengths = [len(text(events(await raw(to, ASK, script)))) // 4 for script in ("", "", "chunk=2", "tokens=+9")]
        assert lengths == [11, 12, 11, 19]


async def test_times_of_a_request_need_an_engine_without_a_batch() -> None:
    async with engines() as to:
        status, answer = await to.post(CHAT, ASK, x_mock_script="ttft=5ms")
        assert (status, "start it with --ttft or --itl" in answer["error"]["message"]) == (400, True)
        status, answer = await to.post(CHAT, ASK, x_mock_script="speed=9")
        assert (status, "use some of ttft" in answer["error"]["message"]) == (400, True)


def lateness(seen: Arrival, ttft: float, itl: float) -> tuple[float, float]:
    """Of the first and the last token, against when they were due."""
    assert seen.first is not None
    assert seen.last is not None
    last = seen.came + ttft + (seen.tokens - 1) * itl
    return seen.first - seen.came - ttft, seen.last - last


async def test_tokens_are_never_early_and_nothing_drifts(tmp_path: Path) -> None:
    """The best of many is on time to well under a millisecond, the hundredth token too. Those of one go end together,
    so that one moment in which the machine is busy makes all of them late: hence several goes."""
    log, goes = tmp_path / "arrivals.jsonl", 0
    firsts, lasts = [1.0], [1.0]
    async with engines("--ttft", "0.05", "--itl", "0.004", "--arrivals", str(log)) as to:
        await raw(to, {**ASK, "max_tokens": 3}, "ttft=200ms itl=100ms")
        while max(min(firsts), min(lasts)) > 0.001:
            goes += 1
            assert goes <= 40, f"never on time: first tokens by {min(firsts)} s at best, last ones by {min(lasts)} s"
            await asyncio.gather(*(raw(to, {**ASK, "max_tokens": 100}, "") for _ in range(5)))
            _, *seen = read_arrivals(log)
            firsts, lasts = zip(*(lateness(each, 0.05, 0.004) for each in seen), strict=True)
    own, *many = read_arrivals(log)
    assert (len(many), own.tokens, own.status, own.number) == (5 * goes, 3, 200, 0)
    assert min(*firsts, *lasts, *lateness(own, 0.2, 0.1)) > -1e-6


async def test_what_is_let_in(tmp_path: Path) -> None:
    log = tmp_path / "arrivals.jsonl"
    async with engines("--capacity", "50", "--ttft", "0.01", "--arrivals", str(log)) as to:
        await asyncio.gather(*(raw(to, {**ASK, "max_tokens": 1}, "") for _ in range(10)))
    seen = sorted(read_arrivals(log), key=lambda each: each.first or 0)
    begun = min(each.came for each in seen)
    firsts = [each.first or 0 for each in seen]
    assert all(first >= begun + 0.01 + index * 0.02 - 1e-6 for index, first in enumerate(firsts))
    assert statistics.median(b - a for a, b in itertools.pairwise(firsts)) == pytest.approx(0.02, abs=0.01)


async def test_a_stall_stops_the_whole_engine(tmp_path: Path) -> None:
    log = tmp_path / "arrivals.jsonl"
    async with engines("--itl", "0.01", "--stall", "100ms..400ms", "--arrivals", str(log)) as to:
        reader, writer = await asyncio.open_connection("127.0.0.1", to.port)
        writer.write(request("POST", CHAT, {**ASK, "max_tokens": 50}, close=False))
        many = await asyncio.gather(*(raw(to, ASK, "", f"slow={0.02 * index}") for index in range(20)))
        await asyncio.wait_for(reader.readuntil(b"[DONE]"), DEADLINE)
        writer.close()
        await writer.wait_closed()
    seen = read_arrivals(log)
    begun = min(each.came for each in seen)
    assert len(many) == 20
    assert [each for each in seen if 0.1 < (each.first or 0) - begun < 0.4] == []
    whole = next(each for each in seen if each.tokens == 50)
    assert (whole.last or 0) - whole.came >= 49 * 0.01 + 0.3


async def test_the_log_knows_how_each_request_ended(tmp_path: Path) -> None:
    log = tmp_path / "arrivals.jsonl"
    async with engines("--count", "2", "--arrivals", str(log)) as to:
        await raw(to, ASK, "")
        await raw(to, ASK, "", "status=429")
        async with held(to, "", 2) as reader:
            await reader.readuntil(b"data: ")
        await exchange(to.ports[1], request("POST", "/v1/embeddings", {"input": "a"}, x_request_id="mine"))
        async with asyncio.timeout(DEADLINE):
            while len(seen := read_arrivals(log)) < 4:  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.02)
    told = {each.number: (each.status, each.tokens, each.engine, each.id) for each in seen}
    assert told[0] == (200, 10, 0, "")
    assert told[1] == (429, 0, 0, "")
    assert told[2][0] == 200
    assert told[3] == (200, 0, 1, "mine")
    assert all(each.came <= each.ended for each in seen)
