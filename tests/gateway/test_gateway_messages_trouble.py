"""Anthropic's Messages API when something goes wrong: what its client is told, in its own kinds of errors."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.gateway.conftest import Start
from tests.support.gateway import (
    GATE,
    STREAM_HEAD,
    Answer,
    answers,
    ask,
    chunked,
    endpoint,
    event,
    eventually,
    gateway_here,
    raw,
    request_bytes,
    route,
    sends,
    streams,
)
from tests.support.messages import MESSAGES, body, client_of, listen, user
from tests.support.mock_engine import engines


async def test_an_engine_that_cannot_count_is_told_as_it_is(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers(b'{"tokens":[]}'), answers(b"no such path", 404))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here, client_of(here.port) as client:
        with pytest.raises(anthropic.NotFoundError) as refused:
            await client.messages.count_tokens(model="chat", messages=user("hi"))
        assert "cannot count" in str(refused.value)
        assert here.stats().running == 0
    assert [each.line.split()[1] for each in one.asked] == ["/tokenize", "/v1/chat/completions/input_tokens"]


async def test_a_caller_of_a_count_may_leave(tmp_path: Path, engine: Start) -> None:
    one = await engine(sends(then="hang"))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        asking = asyncio.create_task(ask(here.port, f"{MESSAGES}/count_tokens", body=body()))
        await eventually(lambda: one.running)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await eventually(lambda: one.gone == 1)
        assert (here.last.status, here.last.error) == (499, "client_closed")


async def test_errors_are_of_the_clients_own_kinds(tmp_path: Path, engine: Start) -> None:
    one = await engine(
        answers(b'{"error":{"message":"too long","type":"exceed_context_size_error","code":400}}', 400),
        answers(b"boom", 500),
        answers(b"", 429, headers="retry-after: 7\r\n"),
        answers(b'{"choices":[]}'),
    )
    models = route(endpoint(one.url)), route(name="embed", task="embedding"), route(name="late", expected=False)
    async with gateway_here(tmp_path, *models, wait_seconds=0.2) as here, client_of(here.port) as client:

        async def fails(kind: type[anthropic.APIStatusError], **more: Any) -> anthropic.APIStatusError:
            asked: dict[str, Any] = {"model": "chat", "max_tokens": 9, "messages": user("hi"), **more}
            with pytest.raises(kind) as failed:
                await client.messages.create(**asked)
            assert failed.value.request_id == here.last.id
            return failed.value

        engines = [
            await fails(kind)
            for kind in (anthropic.BadRequestError, anthropic.InternalServerError, anthropic.RateLimitError)
        ]
        assert [(each.type, each.api_message) for each in engines] == [
            ("invalid_request_error", "prompt is too long: too long"),
            ("api_error", "boom"),
            ("rate_limit_error", "The engine answered with status 429."),
        ]
        assert engines[2].response.headers["retry-after"] == "7"
        unreadable = await fails(anthropic.InternalServerError)
        assert (unreadable.status_code, unreadable.error_code) == (502, "engine_failed")
        wrong = await fails(anthropic.BadRequestError, messages=[{"role": "user", "content": [{"type": "video"}]}])
        assert "messages[0].content[0].type" in str(wrong.api_message)
        assert here.last.error == "invalid_type"
        assert (await fails(anthropic.NotFoundError, model="chad")).error_code == "model_not_found"
        assert "use /v1/embeddings" in str((await fails(anthropic.NotFoundError, model="embed")).api_message)
        missing = await fails(anthropic.ServiceUnavailableError, model="late")
        assert (missing.type, missing.error_code) == ("api_error", "model_not_ready")
        assert here.stats().running == 0


async def test_too_much_is_said_in_anthropics_way(tmp_path: Path, engine: Start) -> None:
    one = await engine(sends(then="hang"))
    limits = {"body_bytes": 500, "waiting_max": 1}
    models = route(endpoint(one.url)), route(name="none")
    async with gateway_here(tmp_path, *models, **limits) as here, client_of(here.port) as client:
        with pytest.raises(anthropic.ContentTooLargeError) as large:
            await client.messages.create(model="chat", max_tokens=9, messages=user("x" * 600))
        assert large.value.body["error"]["type"] == "request_too_large"  # type: ignore[index]
        waiting = asyncio.create_task(ask(here.port, MESSAGES, body=body("none")))
        await eventually(lambda: here.stats().waiting == 1)
        with pytest.raises(anthropic.OverloadedError) as full:
            await client.messages.create(model="none", max_tokens=9, messages=user("x"))
        assert (full.value.type, full.value.error_code) == ("overloaded_error", "queue_full")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_body_that_does_not_come_is_a_timeout(tmp_path: Path) -> None:
    async with gateway_here(tmp_path, route(), body_idle_seconds=0.1, tick_seconds=0.02) as here:
        answer = Answer.parse(await raw(here.port, request_bytes(MESSAGES, body=body())[:-5]))
        assert (answer.status, answer.json["error"]["type"]) == (408, "timeout_error")


async def test_a_deadline_is_a_timeout(tmp_path: Path, engine: Start) -> None:
    one = await engine(sends(then="hang"), sends(STREAM_HEAD, chunked(event("a")), then="hang"))
    async with gateway_here(tmp_path, route(endpoint(one.url)), tick_seconds=0.02) as here, client_of(here.port) as to:
        soon: dict[str, Any] = {"extra_headers": {"x-headway-timeout": "1s"}}
        with pytest.raises(anthropic.GatewayTimeoutError) as late:
            await to.messages.create(model="chat", max_tokens=9, messages=user("hi"), **soon)
        assert late.value.type == "timeout_error"
        got: list[str] = []
        with pytest.raises(anthropic.APIStatusError) as cut:
            await listen(to, got, **soon)
        assert got[-1] == "content_block_delta"
        assert (cut.value.type, cut.value.error_code) == ("timeout_error", "deadline_exceeded")


async def test_an_engine_that_dies_in_mid_stream(tmp_path: Path, engine: Start) -> None:
    one = await engine(sends(STREAM_HEAD, chunked(event("a")), GATE))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here, client_of(here.port) as client:
        got: list[str] = []
        with pytest.raises(anthropic.APIStatusError) as died:
            await listen(client, got, one.gate)
        assert got == ["message_start", "content_block_start", "content_block_delta"]
        assert (died.value.type, died.value.error_code) == ("api_error", "engine_failed")
        assert (here.last.status, here.last.error) == (200, "engine_failed")


async def test_an_engine_that_cannot_be_understood_is_stopped(tmp_path: Path, engine: Start) -> None:
    one = await engine(sends(STREAM_HEAD, chunked(event("a")), chunked(b"data: {]\n\n"), then="hang"))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        answer = await ask(here.port, MESSAGES, body=body(stream=True))
        last = answer.body.split(b"\n\n")[-2]
        assert last.startswith(b'event: error\ndata: {"type":"error","error":{"type":"api_error"')
        assert answer.body.count(b"event: error") == 1
        await eventually(lambda: one.gone == 1)
        assert (here.last.status, here.last.error) == (200, "engine_failed")
        assert here.last.attempts[0].failure == "malformed"
        assert here.stats().running == 0


async def test_an_engine_that_dies_before_is_not_seen(tmp_path: Path, engine: Start) -> None:
    bad, good = await engine(sends()), await engine(streams("Pa", "ris"))
    ends = endpoint(bad.url, "bad"), endpoint(good.url, "good")
    async with gateway_here(tmp_path, route(*ends, policy="round_robin")) as here, client_of(here.port) as client:
        for _ in range(2):
            async with client.messages.stream(model="chat", max_tokens=9, messages=user("hi")) as stream:
                assert [each async for each in stream.text_stream] == ["Pa", "ris"]
    assert len(bad.asked) == 1


async def test_a_caller_that_leaves_in_mid_stream_stops_the_engine(tmp_path: Path) -> None:
    async with (
        engines("--alias", "chat", "--itl", "0.02") as mock,
        gateway_here(tmp_path, route(endpoint(mock.url))) as here,
        client_of(here.port) as client,
    ):
        stream = await client.messages.create(model="chat", max_tokens=10_000, messages=user("hi"), stream=True)
        async for each in stream:
            if each.type == "content_block_delta":
                break
        await stream.close()

        async def stopped() -> bool:
            return bool((await mock.json("/mock/totals"))["aborted"]["requests"] == 1)

        await eventually(stopped)
        assert (here.last.status, here.last.error) == (499, "client_closed")
