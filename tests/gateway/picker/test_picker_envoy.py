"""A real Envoy asks the picker, and sends real requests where it says. Its configuration is the one of the docs."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from typing import Any

import openai
import pytest

from headway.gateway.table import Objective, TenantRule
from tests.gateway.conftest import Start
from tests.gateway.picker.conftest import Fronted
from tests.support.envoy import BUFFERED, ports, running, says, text_of
from tests.support.gateway import (
    DONE,
    GATE,
    STREAM_HEAD,
    ask,
    chat_body,
    chunked,
    endpoint,
    event,
    eventually,
    key_for,
    request_bytes,
    route,
    sends,
)
from tests.support.picker import PickerProcess


def hint(value: str) -> dict[str, Any]:
    """Of a data plane that knows which endpoints are allowed: a filter that says so."""
    return {
        "name": "envoy.filters.http.set_metadata",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
            "metadata": [
                {
                    "metadata_namespace": "envoy.lb.subset_hint",
                    "value": {"x-gateway-destination-endpoint-subset": value},
                }
            ],
        },
    }


async def counted(picker: PickerProcess, requests: int) -> bool:
    return (await picker.stats()).running == requests


async def test_a_cluster_that_goes_where_the_header_says(engine: Start, fronted: Fronted) -> None:
    engines = [await engine(says(f"{number}")) for number in range(3)]
    by_header = {"use_http_header": True, "http_header_name": "x-gateway-destination-endpoint"}
    cluster = {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "original_dst_lb_config": by_header}
    envoy, picker = await fronted(engines, *ports(engines), more=("--fallbacks", "0"), envoy={"cluster": cluster})
    for number in range(6):
        answer = await ask(envoy.port, messages=[{"role": "user", "content": f"{number}" * 3000}])
        assert answer.headers["x-headway-replica"] == f"chat-{text_of(answer)}"
    assert [len(each.attempts) for each in (await picker.records()).records] == [1] * 6


async def test_requests_reach_the_endpoint_that_was_picked(engine: Start, fronted: Fronted) -> None:
    engines = [await engine(says(f"{number}")) for number in range(3)]
    envoy, picker = await fronted(engines, *ports(engines))
    for _ in range(12):
        answer = await ask(envoy.port, max_tokens=5)
        assert answer.status == 200
        assert answer.headers["x-headway-replica"] == f"chat-{text_of(answer)}"
    for number, each in enumerate(engines):
        for asked in each.asked:
            assert asked.headers["x-gateway-destination-endpoint"].startswith(f"127.0.0.1:{each.port}"), number
            assert asked.body == chat_body(max_tokens=5)
    records = (await picker.records()).records
    assert [each.status for each in records] == [200] * 12
    assert {(each.prompt_tokens, each.completion_tokens, each.cached_tokens) for each in records} == {(7, 3, 2)}
    assert await running(picker) == 0
    metrics = await ask(picker.port, "/metrics", "GET")
    assert b'headway_gateway_requests_total{model="chat",operation="chat",status="200"} 12.0' in metrics.body


async def test_a_conversation_stays_where_its_beginning_is_cached(engine: Start, fronted: Fronted) -> None:
    engines = [await engine(says(f"{number}")) for number in range(3)]
    envoy, _ = await fronted(engines, *ports(engines))
    went: dict[str, set[str]] = {}
    for turn in range(4):
        for who in "abcdef":
            turns = [{"role": "user", "content": who * 6000 + str(each)} for each in range(turn + 1)]
            went.setdefault(who, set()).add(text_of(await ask(envoy.port, messages=turns)))
    assert all(len(each) == 1 for each in went.values())
    assert len(set.union(*went.values())) > 1


async def test_only_allowed_endpoints_are_used(engine: Start, fronted: Fronted) -> None:
    engines = [await engine(says(f"{number}")) for number in range(3)]
    allowed = f"127.0.0.1:{engines[1].port},127.0.0.1:{engines[2].port}"
    envoy, _ = await fronted(engines, *ports(engines), envoy={"before": hint(allowed)})
    for number in range(9):
        assert text_of(await ask(envoy.port, messages=[{"role": "user", "content": f"{number}" * 3000}])) in "12"
    assert not engines[0].asked


async def test_a_header_can_narrow_it_too_and_nothing_left_is_503(engine: Start, fronted: Fronted) -> None:
    engines = [await engine(says(f"{number}")) for number in range(2)]
    envoy, _ = await fronted(engines, *ports(engines))
    name = "x-gateway-destination-endpoint-subset"
    for _ in range(4):
        answer = await ask(envoy.port, headers=[f"{name}: 127.0.0.1:{engines[1].port}"])
        assert text_of(answer) == "1"
    answer = await ask(envoy.port, headers=[f"{name}: 10.0.0.1:80"])
    assert (answer.status, answer.json["error"]["code"]) == (503, "model_not_ready")


async def test_what_cannot_be_served(engine: Start, fronted: Fronted) -> None:
    one = await engine(says("0"))
    empty = route(name="none", reason="no GPU is free")
    envoy, _ = await fronted([one], *ports([one]), empty)
    answer = await ask(envoy.port, model="nope")
    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
    answer = await ask(envoy.port, model="none")
    assert answer.status == 503
    assert "no GPU is free" in answer.json["error"]["message"]
    assert int(answer.headers["retry-after"]) > 0
    answer = await ask(envoy.port, body=b"{")
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_json")
    assert not one.asked
    assert (await ask(envoy.port, "/v1/models", "GET")).status == 200  # the engine's own answer
    assert len(one.asked) == 1


async def test_a_sheddable_request_is_429_and_others_wait(engine: Start, fronted: Fronted) -> None:
    one = await engine(sends(STREAM_HEAD, chunked(event("a")), GATE, chunked(DONE), b"0\r\n\r\n"), says("0"))
    model = route(endpoint(one.url), capacity=1)
    envoy, picker = await fronted([one], model, objectives=(Objective("batch", -1),))
    first = asyncio.create_task(ask(envoy.port, stream=True))
    await eventually(lambda: one.asked)
    shed = await ask(envoy.port, headers=["x-gateway-inference-objective: batch"])
    assert (shed.status, shed.json["error"]["code"]) == (429, "request_shed")
    second = asyncio.create_task(ask(envoy.port, headers=["x-gateway-inference-fairness-id: blue"]))

    await eventually(partial(counted, picker, 2))
    assert len(one.asked) == 1
    one.gate.set()
    assert (await first).events[-1] == "[DONE]"
    assert text_of(await second) == "0"
    waited = (await picker.records()).records[-1]
    assert waited.tenant == "blue"
    assert waited.waited > 0


async def test_streams_pass_as_they_come_and_their_usage_is_learned(engine: Start, fronted: Fronted) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}}
    last = json.dumps(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage}
    ).encode()
    pieces = [chunked(event("a")), GATE, chunked(event("b")), chunked(b"data: " + last + b"\n\n" + DONE)]
    one = await engine(sends(STREAM_HEAD, *pieces, b"0\r\n\r\n", then="hang"))
    envoy, picker = await fronted([one], *ports([one]))
    base = f"http://127.0.0.1:{envoy.port}/v1"
    async with openai.AsyncOpenAI(base_url=base, api_key="none", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="chat",
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        got = []
        async for chunk in stream:
            got.append(chunk.choices[0].delta.content if chunk.choices else chunk.usage)
            one.gate.set()  # the second one comes only when the first one has arrived
    assert got[:2] == ["a", "b"]
    (record,) = (await picker.records()).records
    assert (record.prompt_tokens, record.completion_tokens, record.cached_tokens) == (9, 2, 8)
    assert record.ttft is not None
    assert await running(picker) == 0


async def test_a_large_prompt(engine: Start, fronted: Fronted) -> None:
    one = await engine(says("0"))
    envoy, picker = await fronted([one], *ports([one]))
    messages = [{"role": "user", "content": "".join(f"{number:07d} " for number in range(50_000))}]
    assert (await ask(envoy.port, messages=messages)).status == 200
    assert one.asked[0].json["messages"] == messages
    assert (await picker.records()).records[0].status == 200


async def test_a_body_that_envoy_buffers(engine: Start, fronted: Fronted) -> None:
    one = await engine(says("0"))
    renamed = route(endpoint(one.url, upstream_model="inner"))
    envoy, picker = await fronted([one], renamed, envoy={"processing_mode": BUFFERED})
    assert (await ask(envoy.port)).status == 200
    assert one.asked[0].json == {**json.loads(chat_body()), "model": "inner"}
    (record,) = (await picker.records()).records
    assert (record.status, record.completion_tokens) == (200, 3)


async def test_an_answer_that_is_not_shown_counts_until_its_head(engine: Start, fronted: Fronted) -> None:
    one = await engine(says("0"))
    mode = {"response_body_mode": "NONE", "response_trailer_mode": "SKIP"}
    envoy, picker = await fronted([one], *ports([one]), envoy={"processing_mode": mode})
    assert (await ask(envoy.port)).status == 200
    await eventually(lambda: one.asked)

    async def recorded() -> bool:
        return bool((await picker.records()).records)

    await eventually(recorded)
    (record,) = (await picker.records(0)).records
    assert (record.status, record.completion_tokens) == (200, None)
    assert await running(picker) == 0


async def test_keys_and_limits_are_those_of_the_gateway(engine: Start, fronted: Fronted) -> None:
    one = await engine(says("0"))
    key, entry = key_for("blue")
    rule = TenantRule("blue", rpm=2)
    envoy, picker = await fronted([one], *ports([one]), tenants=(rule,), keys=(entry,))
    assert (await ask(envoy.port)).json["error"]["code"] == "invalid_api_key"
    header = [f"authorization: Bearer {key}"]
    answers = [await ask(envoy.port, headers=header) for _ in range(3)]
    assert [each.status for each in answers] == [200, 200, 429]
    assert answers[2].json["error"]["code"] == "rate_limit_exceeded"
    assert {each.tenant for each in (await picker.records()).records} == {"", "blue"}


@pytest.mark.parametrize("mode", [{}, BUFFERED], ids=["duplex", "streamed"])
async def test_a_budget_is_charged_by_a_usage_that_the_caller_does_not_see(
    engine: Start, fronted: Fronted, mode: dict[str, str]
) -> None:
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}\n\n'
    one = await engine(sends(STREAM_HEAD, *map(chunked, (event("a"), event("b"), usage, DONE)), b"0\r\n\r\n"))
    key, entry = key_for("blue")
    rule = TenantRule("blue", day_tokens=100_000)
    beside = {"tenants": (rule,), "keys": (entry,), "envoy": {"processing_mode": mode}}
    envoy, picker = await fronted([one], *ports([one]), **beside)
    answer = await ask(envoy.port, headers=[f"authorization: Bearer {key}"], stream=True)
    assert [each if each == "[DONE]" else each["choices"][0]["delta"]["content"] for each in answer.events] == [
        "a",
        "b",
        "[DONE]",
    ]
    assert one.asked[0].json["stream_options"] == {"include_usage": True}
    (record,) = (await picker.records()).records
    assert (record.tenant, record.prompt_tokens, record.completion_tokens) == ("blue", 9, 2)


async def test_who_waits_in_line_can_leave_and_outlasts_envoys_message_timeout(engine: Start, fronted: Fronted) -> None:
    """It does not count while Envoy has nothing more to send: with FULL_DUPLEX_STREAMED, after the whole body."""
    one = await engine(sends(STREAM_HEAD, chunked(event("a")), GATE, chunked(DONE), b"0\r\n\r\n"), says("0"))
    model = route(endpoint(one.url), capacity=1)
    envoy, picker = await fronted([one], model, envoy={"message_timeout": "0.1s"})
    first = asyncio.create_task(ask(envoy.port, stream=True))
    await eventually(lambda: one.asked)
    _, leaving = await asyncio.open_connection("127.0.0.1", envoy.port)
    leaving.write(request_bytes(body=chat_body()))
    await eventually(partial(counted, picker, 2))
    leaving.close()
    await eventually(partial(counted, picker, 1))
    since = time.monotonic()
    second = asyncio.create_task(ask(envoy.port))
    await eventually(lambda: time.monotonic() > since + 0.3)
    one.gate.set()
    assert [(await each).status for each in (first, second)] == [200, 200]
    left, _, waited = (await picker.records()).records
    assert (left.status, left.attempts) == (499, [])
    assert waited.waited > 0.1


async def test_several_workers_share_the_port(engine: Start, fronted: Fronted) -> None:
    engines = [await engine(says(f"{number}")) for number in range(2)]
    envoy, picker = await fronted(engines, *ports(engines), more=("--workers", "2"))
    for _ in range(6):
        assert (await ask(envoy.port)).status == 200
    assert (await picker.stats()).requests_total == 6
