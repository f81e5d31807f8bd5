"""The endpoint-picker protocol, spoken to the picker directly: each corner of a stream that a data plane can make."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import grpc
import pytest

from headway.gateway.picker.ext_proc_pb2 import (
    BodyMode,
    HealthCheckRequest,
    HealthCheckResponse,
)
from headway.gateway.picker.hints import narrowed
from headway.gateway.picker.server import EXT_PROC, HEALTH
from headway.policy.caching import CacheRule, CacheRules
from tests.support.gateway import DONE, chat_body, completion, endpoint, event, eventually, route
from tests.support.picker import DESTINATION, picker_here
from tests.support.pods import ONE, STREAM, THREE, TWO, running, subset, three


async def test_a_request_goes_where_the_policy_says_and_its_answer_is_learned_from(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        stream = picker.stream()
        told = await stream.ask(stream=True)
        assert sorted(told.addresses) == [ONE, TWO, THREE]
        assert told.body == chat_body(stream=True)
        assert sum(running(picker).values()) == 1
        head = await stream.answered(kind=STREAM)
        marked = head.response_headers.response.header_mutation.set_headers[0].header
        assert (marked.key, marked.raw_value) == (
            "x-headway-replica",
            picker.here.worker.gateway.catalog.routes["chat"]
            .upstreams[[ONE, TWO, THREE].index(told.addresses[0])]
            .replica.encode(),
        )
        usage = (
            b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,'
            b'"prompt_tokens_details":{"cached_tokens":4}}}\n\n'
        )
        for piece in (event("a"), event("b")[:20], event("b")[20:], usage + DONE):
            echoed = await stream.piece(piece)
            assert echoed.response_body.response.body_mutation.streamed_response.body == piece
        last = await stream.piece(b"", end=True)
        assert last.response_body.response.body_mutation.streamed_response.end_of_stream
        assert sum(running(picker).values()) == 0
        await stream.close()
        record = picker.here.last
        assert (record.status, record.error, record.stream) == (200, "", True)
        assert (record.prompt_tokens, record.completion_tokens, record.cached_tokens) == (9, 2, 4)
        assert record.ttft is not None


async def test_a_body_in_many_pieces_and_one_with_trailers(tmp_path: Path) -> None:
    body = chat_body(messages=[{"role": "user", "content": "x" * 300_000}])
    async with picker_here(tmp_path, three()) as picker:
        stream = picker.stream()
        await stream.head()
        await stream.body(*(body[at : at + 16_384] for at in range(0, len(body), 16_384)), b"")
        told = await stream.told()
        assert told.body == body
        stream.cancel()

        stream = picker.stream()
        await stream.head()
        await stream.body(body[:1000], body[1000:], end=False)
        await stream.trailers()
        heard = [await stream.hear() for _ in range(1 + -(-len(body) // 60_000) + 1)]
        kinds = [each.WhichOneof("response") for each in heard if each]
        assert (kinds[0], kinds[-1]) == ("request_headers", "request_trailers")
        pieces = [each.request_body.response.body_mutation.streamed_response for each in heard[1:-1] if each]
        assert b"".join(piece.body for piece in pieces) == body
        assert not any(piece.end_of_stream for piece in pieces)
        stream.cancel()
        await eventually(lambda: picker.here.worker.gateway.bodies.held == 0)


async def test_a_data_plane_that_buffers_is_answered_step_by_step(tmp_path: Path) -> None:
    plain = route(endpoint(f"http://{ONE}"))
    named = route(endpoint(f"http://{TWO}", upstream_model="inner"), name="named")
    async with picker_here(tmp_path, plain, named) as picker:
        for model, address, changed in (("chat", ONE, False), ("named", TWO, True)):
            stream = picker.stream(taking=BodyMode.BUFFERED, giving=BodyMode.BUFFERED)
            await stream.head()
            go_on = await stream.hear()
            assert go_on is not None
            assert go_on.WhichOneof("response") == "request_headers"
            assert not go_on.request_headers.response.header_mutation.set_headers
            await stream.body(chat_body(model))
            sent = await stream.hear()
            assert sent is not None
            common = sent.request_body.response
            set_ = {each.header.key: each.header.raw_value.decode() for each in common.header_mutation.set_headers}
            assert set_[DESTINATION] == address
            fields = sent.dynamic_metadata.fields["envoy.lb"].struct_value.fields
            assert fields[DESTINATION].string_value == address
            assert ("content-length" in common.header_mutation.remove_headers) is changed
            if changed:
                assert json.loads(common.body_mutation.body)["model"] == "inner"
            else:
                assert not common.HasField("body_mutation")
            await stream.answered()
            assert not (await stream.piece(completion(), end=True)).response_body.HasField("response")
            await stream.close()
            assert picker.here.last.completion_tokens == 3


async def test_a_cache_is_none_of_the_pickers(tmp_path: Path) -> None:
    """Answers go past it. Which engines keep tenants apart it knows of the endpoints of a subset, too."""
    engines = endpoint(f"http://{ONE}"), endpoint(f"http://{TWO}", "chat-1", engine="vllm")
    model = route(*engines, cache=CacheRules(CacheRule(), CacheRule()))
    async with picker_here(tmp_path, model) as picker:
        for _ in range(2):
            stream = picker.stream()
            told = await stream.ask(metadata=subset(TWO), temperature=0)
            assert told.addresses == [TWO]
            await stream.answered()
            await stream.piece(completion(), end=True)
            await stream.close()
            assert picker.here.last.cache == ""
        known = picker.here.worker.gateway.catalog.routes["chat"]
        assert known.salted == (False, True)
        assert narrowed(known, (TWO,)).salted == (True,)


@pytest.mark.parametrize("mode", [BodyMode.NONE, BodyMode.STREAMED, BodyMode.BUFFERED_PARTIAL])
async def test_a_filter_that_cannot_work_is_told_so(tmp_path: Path, mode: BodyMode) -> None:
    async with picker_here(tmp_path, three()) as picker:
        stream = picker.stream(taking=mode)
        await stream.head()
        told = await stream.told()
        assert told.status == 500
        assert f"request_body_mode is {BodyMode.Name(mode)}" in told.text


async def test_an_answer_whose_body_is_not_shown_ends_with_its_head(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        stream = picker.stream(giving=BodyMode.NONE)
        await stream.ask()
        await stream.answered()
        assert sum(running(picker).values()) == 1
        stream.cancel()
        await eventually(lambda: sum(running(picker).values()) == 0)
        assert picker.here.last.status == 200


async def test_who_leaves_frees_the_place(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        early, waiting, late = picker.stream(), picker.stream(), picker.stream()
        await early.head()
        await early.body(b'{"model":', end=False)
        await waiting.ask(stream=True)
        await late.ask(stream=True)
        await late.answered(kind=STREAM)
        await late.piece(event("a"))
        assert sum(running(picker).values()) == 2
        for each in (early, waiting, late):
            each.cancel()
        await eventually(lambda: sum(running(picker).values()) == 0)
        assert [each.status for each in picker.here.records()] == [499, 499]
        stats = picker.here.stats()
        assert stats.running == 0
        assert picker.here.worker.gateway.bodies.held == 0


async def test_a_data_plane_that_answers_by_itself_before_the_body_is_whole(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        stream = picker.stream()
        await stream.head()
        await stream.body(b"{", end=False)
        assert (await stream.answered(413, end=True)).WhichOneof("response") == "response_headers"
        await stream.close()
        await eventually(lambda: picker.here.worker.gateway.bodies.held == 0)


async def test_a_stream_that_ends_without_an_answer_frees_the_place(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        stream = picker.stream()
        await stream.ask()
        await stream.close()
        assert sum(running(picker).values()) == 0
        assert picker.here.last.status == 499


@pytest.mark.parametrize(
    ("body", "path", "status", "says"),
    [
        (b"{", "/v1/chat/completions", 400, "invalid_json"),
        (b'{"messages": []}', "/v1/chat/completions", 400, "missing_field"),
        (chat_body("nope"), "/v1/chat/completions", 404, "model_not_found"),
        (chat_body(), "/v1/embeddings", 400, "missing_field"),
        (chat_body(), "/nothing", 404, "unknown_url"),
        (b"x" * 1_048_577, "/v1/chat/completions", 413, "request_too_large"),
    ],
)
async def test_what_cannot_be_served_is_answered_at_once(
    tmp_path: Path, body: bytes, path: str, status: int, says: str
) -> None:
    async with picker_here(tmp_path, three(), body_bytes=1_048_576) as picker:
        stream = picker.stream()
        await stream.head(path, x_request_id="abc")
        await stream.body(body)
        told = await stream.told()
        assert told.status == status
        assert says in told.text
        assert told.headers["x-request-id"] == "abc"
        assert told.headers["content-type"] == "application/json"
        assert await stream.hear() is None
        await eventually(lambda: picker.here.worker.gateway.bodies.held == 0)


@pytest.mark.parametrize("taking", [BodyMode.FULL_DUPLEX_STREAMED, BodyMode.BUFFERED])
async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, taking: BodyMode) -> None:
    async with picker_here(tmp_path, three(), body_idle_seconds=0.1) as picker:
        stream = picker.stream(taking=taking)
        await stream.head()
        if taking == BodyMode.BUFFERED:
            await stream.hear()
        else:
            await stream.body(b"{", end=False)
        told = await stream.told()
        assert (told.status, json.loads(told.text)["error"]["code"]) == (408, "request_timeout")
        assert await stream.hear() is None
        assert picker.here.worker.gateway.bodies.held == 0


async def test_a_route_with_a_prefix_of_its_own(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        stream = picker.stream()
        await stream.head("/team-a/v1/chat/completions?x=1")
        await stream.body(chat_body())
        assert (await stream.told()).addresses
        await stream.close()
        assert picker.here.last.path == "/v1/chat/completions"


async def test_a_request_without_a_body_goes_to_any_engine_that_is_allowed(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        stream = picker.stream()
        await stream.head("/v1/models", "GET", end=True, metadata=subset(TWO))
        message = await stream.hear()
        assert message is not None
        header = message.request_headers.response.header_mutation.set_headers[0].header
        assert header.raw_value.decode() == TWO
        assert (await stream.answered(end=True)).WhichOneof("response") == "response_headers"
        await stream.close()
        assert sum(running(picker).values()) == 0

        stream = picker.stream()
        await stream.head("/v1/models", "GET", end=True, metadata=subset())
        message = await stream.hear()
        assert message is not None
        assert message.immediate_response.status.code == 503


async def test_an_answer_is_asked_for_unpacked(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        told = await picker.stream().ask({"accept-encoding": "gzip"})
        assert told.head is not None
        assert "accept-encoding" in told.head.request_headers.response.header_mutation.remove_headers


async def test_health_under_the_names_of_the_protocol(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        check = picker.channel.unary_unary(
            f"/{HEALTH}/Check", HealthCheckRequest.SerializeToString, HealthCheckResponse.FromString
        )

        async def status(service: str) -> int:
            return int((await check(HealthCheckRequest(service=service))).status)

        for service in ("", "liveness", "readiness", EXT_PROC):
            assert await status(service) == HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await status("something")
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
        picker.here.worker.gateway.draining = True
        assert await status("liveness") == HealthCheckResponse.SERVING
        assert await status("readiness") == HealthCheckResponse.NOT_SERVING
        assert await status(EXT_PROC) == HealthCheckResponse.NOT_SERVING


async def test_streams_that_run_may_end_when_the_picker_does(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three(), drain_seconds=5.0) as picker:
        stream = picker.stream()
        await stream.ask(stream=True)
        ending = asyncio.create_task(picker.here.worker.stop())
        await eventually(lambda: picker.here.worker.gateway.draining)
        await stream.answered(kind=STREAM)
        await stream.piece(event("a") + DONE, end=True)
        await stream.close()
        await ending
        assert picker.here.last.status == 200


async def test_the_metrics_port_serves_no_model(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        assert (await picker.here.ask()).status == 404
        assert (await picker.here.ask(path="/readyz", method="GET")).status == 200
        assert (await picker.here.ask(path="/v1/models", method="GET")).json["data"][0]["id"] == "chat"
