"""Anthropic's Messages API at the gateway: its official client, its errors, and all that the gateway does for chat."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from headway.gateway.table import TenantRule
from tests.gateway.conftest import Start
from tests.support.gateway import (
    DONE,
    STREAM_HEAD,
    Answer,
    GatewayProcess,
    Here,
    answers,
    ask,
    chunked,
    completion,
    endpoint,
    event,
    gateway_here,
    key_for,
    raw,
    request_bytes,
    route,
    sends,
)
from tests.support.messages import MESSAGES, body, client_of, user
from tests.support.mock_engine import Engines, engines

TOOLS: Any = [
    {
        "name": "weather",
        "description": "The weather of a city.",
        "input_schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
    {"name": "clock", "input_schema": {"type": "object"}},
]


@pytest.fixture
async def mock() -> AsyncIterator[Engines]:
    async with engines("--alias", "chat") as running:
        yield running


@pytest.fixture
async def here(tmp_path: Path, mock: Engines) -> AsyncIterator[Here]:
    async with gateway_here(tmp_path, route(endpoint(mock.url)), route(name="embed", task="embedding")) as running:
        yield running


async def test_a_message_whole_and_streamed(here: Here) -> None:
    async with client_of(here.port) as client:
        said = await client.messages.create(model="chat", max_tokens=8, messages=user("Hello"), system="Be brief.")
        async with client.messages.stream(
            model="chat", max_tokens=8, messages=user("Hello"), system="Be brief."
        ) as stream:
            text = "".join([each async for each in stream.text_stream])
            last = await stream.get_final_message()
    assert said.content[0].type == "text"
    assert said.content[0].text == text
    assert (said.stop_reason, said.model, said.role) == (last.stop_reason, last.model, last.role)
    assert (said.stop_reason, said.usage.output_tokens, last.usage.output_tokens) == ("max_tokens", 8, 8)
    one, two = here.records()
    assert said.id == f"msg_{one.id.removeprefix('req-')}"
    assert said._request_id == one.id
    assert [(each.path, each.stream, each.status, each.completion_tokens) for each in (one, two)] == [
        (MESSAGES, False, 200, 8),
        (MESSAGES, True, 200, 8),
    ]
    metrics = (await ask(here.port, "/metrics", "GET")).body.decode()
    assert 'headway_gateway_requests_total{model="chat",operation="messages",status="200"} 2.0' in metrics


def test_the_client_that_waits(tmp_path: Path) -> None:
    """The client without asyncio, and a gateway as users run it."""

    def asks(port: int) -> tuple[str, str]:
        with anthropic.Anthropic(base_url=f"http://127.0.0.1:{port}", auth_token="x", max_retries=0) as client:
            whole = client.messages.create(model="chat", max_tokens=8, messages=user("Hello"))
            with client.messages.stream(model="chat", max_tokens=8, messages=user("Hello")) as stream:
                said = "".join(stream.text_stream)
            (block,) = whole.content
            assert block.type == "text"
            return block.text, said

    async def run() -> None:
        async with engines("--alias", "chat") as mock:
            live = GatewayProcess(tmp_path, route(endpoint(mock.url)))
            try:
                one, two = await asyncio.to_thread(asks, live.port)
            finally:
                live.stop()
            assert one == two != ""

    asyncio.run(run())


@pytest.mark.parametrize("stream", [False, True])
async def test_thinking_and_tools_there_and_back(here: Here, mock: Engines, stream: bool) -> None:
    asked: dict[str, Any] = {"model": "chat", "max_tokens": 100, "tools": TOOLS, "thinking": {"type": "adaptive"}}
    turns = user("Think first, then call all tools.")
    async with client_of(here.port) as client:
        if stream:
            async with client.messages.stream(**asked, messages=turns) as events:
                said: anthropic.types.Message = await events.get_final_message()
        else:
            said = await client.messages.create(**asked, messages=turns)
        thought, one, two = said.content
        assert thought.type == "thinking"
        assert len(thought.thinking) == 32
        assert one.type == two.type == "tool_use"
        assert (one.name, one.input, two.name, two.input) == ("weather", {"city": "text", "days": 1}, "clock", {})
        assert said.stop_reason == "tool_use"
        results: Any = [
            {"type": "tool_result", "tool_use_id": one.id, "content": "sunny"},
            {
                "type": "tool_result",
                "tool_use_id": two.id,
                "content": [{"type": "text", "text": "?"}],
                "is_error": True,
            },
        ]
        turns += [{"role": "assistant", "content": said.content}, {"role": "user", "content": results}]
        after = await client.messages.create(**asked, messages=turns)
    assert after.content[0].type == "text"
    assert after.usage.cache_read_input_tokens, "the conversation is found in the engine's cache"


async def test_the_models_are_shown(here: Here) -> None:
    async with client_of(here.port) as client:
        listed = [each async for each in client.models.list()]
        one = await client.models.retrieve("embed")
    assert [(each.id, each.type, each.display_name) for each in listed] == [
        ("chat", "model", "chat"),
        ("embed", "model", "embed"),
    ]
    assert one == listed[1]
    assert one.created_at.year == 1970


async def test_tokens_are_counted_by_the_engine(here: Here) -> None:
    asked: dict[str, Any] = {"model": "chat", "messages": user("Hello " * 50), "system": "Be brief.", "tools": TOOLS}
    async with client_of(here.port) as client:
        counted = await client.messages.count_tokens(**asked)
        said = await client.messages.create(**asked, max_tokens=1)
    assert counted.input_tokens == said.usage.input_tokens + (said.usage.cache_read_input_tokens or 0)
    assert here.records()[0].path == "/v1/messages/count_tokens"


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", MESSAGES, 405, "invalid_request_error"),
        ("POST", "/v1/messages/batches", 404, "not_found_error"),
        ("GET", "/v1/messages/batches", 404, "not_found_error"),
    ],
)
async def test_what_is_not_there(here: Here, method: str, path: str, status: int, kind: str) -> None:
    answer = await ask(here.port, path, method, body=b"")
    assert (answer.status, answer.json["error"]["type"]) == (status, kind)
    assert answer.json["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]


async def test_keys_limits_and_charges_are_those_of_chat(tmp_path: Path, engine: Start) -> None:
    key, entry = key_for("acme", models=("chat",))
    one = await engine(answers(completion(prompt=7, out=3)))
    live = GatewayProcess(
        tmp_path,
        route(endpoint(one.url)),
        route(endpoint(one.url), name="secret"),
        tenants=(TenantRule("acme", rpm=2),),
        keys=(entry,),
    )
    try:
        async with client_of(live.port, "hw-guess") as stranger:
            with pytest.raises(anthropic.AuthenticationError) as unknown:
                await stranger.messages.create(model="chat", max_tokens=9, messages=user("hi"))
            assert unknown.value.error_code == "invalid_api_key"
        async with client_of(live.port, key) as client:  # x-api-key, or authorization: it is one ring of keys
            with pytest.raises(anthropic.PermissionDeniedError):
                await client.messages.create(model="secret", max_tokens=9, messages=user("hi"))
            assert (await client.messages.create(model="chat", max_tokens=9, messages=user("hi"))).content
            bare = await ask(live.port, MESSAGES, body=body(), headers=[f"authorization: Bearer {key}"])
            assert bare.status == 200
            with pytest.raises(anthropic.RateLimitError) as limited:
                await client.messages.create(model="chat", max_tokens=9, messages=user("hi"))
            assert (limited.value.type, limited.value.error_code) == ("rate_limit_error", "rate_limit_exceeded")
            assert int(limited.value.response.headers["retry-after"]) > 0
        records = (await live.records()).records
        assert {each.tenant for each in records if each.status != 401} == {"acme"}
    finally:
        live.stop()


async def test_counting_costs_nothing(tmp_path: Path, engine: Start) -> None:
    key, entry = key_for("acme")
    one = await engine(answers(b'{"count": 5}'))
    rule = TenantRule("acme", day_tokens=5000)
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), tenants=(rule,), keys=(entry,))
    try:
        async with client_of(live.port, key) as client:
            for _ in range(20):  # of some 300 tokens each
                counted = await client.messages.count_tokens(model="chat", messages=user("word " * 250))
                assert counted.input_tokens == 5
    finally:
        live.stop()


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
async def test_bytes_may_come_as_they_like(tmp_path: Path, engine: Start, size: int) -> None:
    data = event("\u00e9\u2713 \u732b") + event("\n\ndata: x") + DONE
    pieces = [chunked(data[at : at + size]) for at in range(0, len(data), size)]
    one = await engine(sends(STREAM_HEAD, *pieces, b"0\r\n\r\n"))
    async with (
        gateway_here(tmp_path, route(endpoint(one.url))) as here,
        client_of(here.port) as client,
        client.messages.stream(model="chat", max_tokens=9, messages=user("hi")) as stream,
    ):
        assert "".join([each async for each in stream.text_stream]) == "\u00e9\u2713 \u732b\n\ndata: x"


async def test_an_answer_larger_than_is_held(tmp_path: Path, engine: Start) -> None:
    said = "x" * 60_000
    one = await engine(answers(completion(said)))
    async with gateway_here(tmp_path, route(endpoint(one.url)), held_bytes=10_000) as here:
        answer = await ask(here.port, f"{MESSAGES}?beta=true", body=body())
        assert answer.json["content"] == [{"type": "text", "text": said}]
        assert answer.headers["x-headway-replica"] == "chat-0"


async def test_one_connection_speaks_both(here: Here) -> None:
    first = request_bytes(MESSAGES, body=body(), close=False)
    chat = json.dumps({"model": "chat", "messages": user("hi"), "max_tokens": 4}).encode()
    data = await raw(here.port, first + first + request_bytes(body=chat))
    one = Answer.parse(data)
    two = Answer.parse(one.rest)
    three = Answer.parse(two.rest)
    assert (one.json["type"], two.json["type"], three.json["object"]) == ("message", "message", "chat.completion")
    assert here.worker.gateway.bodies.held == 0


async def test_what_engines_get_is_the_same_for_the_same_beginning(tmp_path: Path, engine: Start) -> None:
    """Marks of caches and Claude Code's changing first block do not hide from the index that a conversation goes on."""
    one = await engine(answers())
    mark = {"cache_control": {"type": "ephemeral"}}
    async with gateway_here(tmp_path, route(endpoint(one.url, upstream_model="big"))) as here:
        for number, marked in ((1, {}), (2, mark)):
            system = [
                {"type": "text", "text": f"x-anthropic-billing-header: cch={number};"},
                {"type": "text", "text": "You code.", **marked},
            ]
            answer = await ask(here.port, MESSAGES, body=body(system=system, metadata={"user_id": "u"}))
            assert answer.json["model"] == "chat"
    first, second = (each.json for each in one.asked)
    assert first == second
    assert (first["model"], first["user"]) == ("big", "u")
    assert [each.line for each in one.asked] == ["POST /v1/chat/completions HTTP/1.1"] * 2
    assert not {"x-api-key", "authorization", "anthropic-version"} & set(one.asked[0].headers)
