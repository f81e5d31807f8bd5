"""The endpoint-picker protocol, spoken to the picker directly: each corner of a stream that a data plane can make."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from headway.gateway.picker.ext_proc_pb2 import (
    BodyMode,
    HealthCheckRequest,
    HealthCheckResponse,
    HttpTrailers,
)
from headway.gateway.picker.hints import narrowed
from headway.gateway.picker.server import EXT_PROC, HEALTH, Front
from headway.gateway.table import ModelRoute, Objective, RoutingTable
from headway.policy.caching import CacheRule, CacheRules
from headway.policy.route import Match, RouteRule, Target
from tests.support.gateway import DONE, chat_body, completion, endpoint, event, eventually, route, use
from tests.support.picker import DESTINATION, PickerHere, picker_here

ONE, TWO, THREE = "10.0.0.1:8000", "10.0.0.2:8000", "10.0.0.3:8000"
STREAM = "text/event-stream"


def three(**more: Any) -> ModelRoute:
    addresses = enumerate((ONE, TWO, THREE))
    return route(*(endpoint(f"http://{each}", f"chat-{number}") for number, each in addresses), **more)


def subset(*addresses: str) -> dict[str, Any]:
    return {"envoy.lb.subset_hint": {"x-gateway-destination-endpoint-subset": list(addresses)}}


def running(picker: PickerHere) -> dict[str, int]:
    return {each.id: each.running for each in picker.here.stats().endpoints}


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


async def test_only_the_subset_is_picked_from(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        text = {"envoy.lb.subset_hint": {"x-gateway-destination-endpoint-subset": f"{TWO}, {THREE}"}}
        header = {"x-gateway-destination-endpoint-subset": f"10.0.0.3,{ONE}"}
        for metadata, headers, allowed in (
            (subset(TWO), {}, {TWO}),
            (subset(f"{ONE},{THREE}"), {}, {ONE, THREE}),
            (subset(TWO, "10.9.9.9:1"), {}, {TWO}),
            (text, {}, {TWO, THREE}),
            (None, header, {ONE, THREE}),
            (subset(TWO), header, {TWO}),
        ):
            stream = picker.stream()
            told = await stream.ask(headers, metadata)
            assert set(told.addresses) == allowed
            stream.cancel()
        for nothing in (
            subset(),
            subset("10.9.9.9:8000"),
            {"envoy.lb.subset_hint": {"x-gateway-destination-endpoint-subset": ""}},
        ):
            told = await picker.stream().ask(metadata=nothing)
            assert told.status == 503
            assert "subset" in told.text
            assert told.headers["x-llm-d-request-dropped-reason"] == "model_not_ready"
        other = {"envoy.lb.subset_hint": {"something": "else"}}
        assert len((await picker.stream().ask(metadata=other)).addresses) == 3


async def test_no_endpoint_is_503_at_once(tmp_path: Path) -> None:
    async with picker_here(tmp_path, route(reason="its image is being pulled", eta=20.0)) as picker:
        told = await picker.stream().ask()
        assert told.status == 503
        assert "its image is being pulled" in told.text
        assert told.headers["retry-after"] == "20"


async def test_an_endpoint_with_a_name_cannot_be_told(tmp_path: Path) -> None:
    async with picker_here(tmp_path, route(endpoint("http://engine-0:8000"))) as picker:
        told = await picker.stream().ask()
        assert told.status == 503
        assert "write the IP address in the table" in told.text


async def test_fallbacks_are_those_next_in_cost_and_as_many_as_asked_for(tmp_path: Path) -> None:
    front = Front("127.0.0.1", 0, fallbacks=1)
    async with picker_here(tmp_path, three(policy="round_robin"), front=front) as picker:
        first = picker.stream()
        told = await first.ask(metadata=subset(ONE, TWO))
        second = picker.stream()
        busy = told.addresses[0]
        again = await second.ask()
        assert len(again.addresses) == 2
        assert again.addresses[1] != busy or again.addresses[0] == busy
        first.cancel()
        second.cancel()


async def test_an_endpoint_that_failed_is_no_fallback(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three(), cooldown_seconds=60.0, cooldown_max_seconds=60.0) as picker:
        stream = picker.stream()
        failed = (await stream.ask()).addresses[0]
        await stream.answered(503)
        await stream.piece(b"no", end=True)
        await stream.close()
        assert picker.here.last.attempts[0].failure == "status 503"
        told = await picker.stream().ask()
        assert failed not in told.addresses
        assert len(told.addresses) == 2


@pytest.mark.parametrize("how", ["metadata", "attributes"])
async def test_who_answered_in_the_end_is_credited(tmp_path: Path, how: str) -> None:
    text = "y" * 4096
    async with picker_here(tmp_path, three()) as picker:
        stream = picker.stream()
        told = await stream.ask(messages=[{"role": "user", "content": text}], stream=True)
        first, second = told.addresses[:2]
        about: dict[str, Any] = {
            "metadata": {"envoy.lb": {"x-gateway-destination-endpoint-served": second}},
            "attributes": {"envoy.filters.http.ext_proc": {"upstream.address": second}},
        }
        await stream.answered(kind=STREAM, **{how: about[how]})
        by_address = {each.address: each for each in picker.here.worker.gateway.catalog.routes["chat"].upstreams}
        assert (by_address[first].running, by_address[second].running) == (0, 1)
        assert by_address[first].failures == 1
        await stream.piece(event("a") + DONE, end=True)
        await stream.close()
        attempts = picker.here.last.attempts
        assert [each.failure.partition(":")[0] for each in attempts] == ["unreachable", ""]
        assert by_address[second].speed.samples == 0, "when it was sent there is not known"
        again = picker.stream()
        assert (await again.ask(messages=[{"role": "user", "content": text}])).addresses[0] == second
        again.cancel()


async def test_an_answer_of_somebody_unknown_teaches_nothing(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        stream = picker.stream()
        await stream.ask(stream=True)
        attributes = {"envoy.filters.http.ext_proc": {"upstream.address": "10.9.9.9:8000"}}
        head = await stream.answered(kind=STREAM, attributes=attributes)
        assert not head.response_headers.HasField("response")
        assert sum(running(picker).values()) == 0
        await stream.piece(event("a") + DONE, end=True)
        await stream.close()
        assert picker.here.last.status == 200
        assert all(each.speed.samples == 0 for each in picker.here.worker.gateway.catalog.routes["chat"].upstreams)


async def test_a_stream_that_was_cut_is_no_success(tmp_path: Path) -> None:
    async with picker_here(tmp_path, three()) as picker:
        stream = picker.stream()
        await stream.ask(stream=True)
        await stream.answered(kind=STREAM)
        await stream.piece(event("a"))
        await stream.say(response_trailers=HttpTrailers())
        message = await stream.hear()
        assert message is not None
        assert message.WhichOneof("response") == "response_trailers"
        await stream.close()
        assert (picker.here.last.status, picker.here.last.error) == (200, "engine_failed")


async def test_the_model_is_renamed_by_header_or_table(tmp_path: Path) -> None:
    tuned = route(endpoint(f"http://{ONE}"), name="tuned")
    inner = route(endpoint(f"http://{TWO}", upstream_model="inner"), name="outer")
    async with picker_here(tmp_path, tuned, inner) as picker:
        for name in ("x-gateway-model-name-rewrite", "x-llm-d-model-name-rewrite"):
            stream = picker.stream()
            told = await stream.ask({name: "tuned"}, model="public")
            assert told.addresses == [ONE]
            assert json.loads(told.body)["model"] == "tuned"
            assert told.head is not None
            assert "content-length" in told.head.request_headers.response.header_mutation.remove_headers
            stream.cancel()
        told = await picker.stream().ask(model="outer")
        assert (told.addresses, json.loads(told.body)["model"]) == ([TWO], "inner")
        assert (await picker.stream().ask({"x-gateway-model-name-rewrite": "gone"})).status == 404


async def test_a_sheddable_request_is_turned_away_where_there_is_no_room(tmp_path: Path) -> None:
    model = route(endpoint(f"http://{ONE}"), capacity=1)
    async with picker_here(tmp_path, model) as picker:
        objectives = (Objective("batch", -1), Objective("chatty", 10))
        use(picker.here.worker, RoutingTable(2, (model,), objectives=objectives))
        first = picker.stream()
        assert (await first.ask({"x-gateway-inference-objective": "batch"})).addresses == [ONE]
        shed = await picker.stream().ask({"x-llm-d-inference-objective": "batch"})
        assert shed.status == 429
        assert shed.headers["x-llm-d-request-dropped-reason"] == "request_shed"
        assert shed.headers["retry-after"] == "1"
        assert picker.here.last.error == "request_shed"
        first.cancel()
        await eventually(lambda: sum(running(picker).values()) == 0)
        assert (await picker.stream().ask({"x-llm-d-inference-objective": "batch"})).addresses == [ONE]


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


async def test_a_name_of_several_models_goes_to_the_first_that_it_would_take(tmp_path: Path) -> None:
    big, small = route(endpoint(f"http://{ONE}"), name="big"), route(endpoint(f"http://{TWO}", "small-0"), name="small")
    match = (Match("x-team", "a", "small"),)
    async with picker_here(tmp_path, big, small) as picker:
        rule = RouteRule("assistant", (Target("big"),), match=match)
        use(picker.here.worker, RoutingTable(2, (big, small), routes=(rule,)))
        for headers, address, name in (({}, ONE, "big"), ({"x-team": "a"}, TWO, "small")):
            stream = picker.stream()
            told = await stream.ask(headers, model="assistant")
            assert told.addresses == [address]
            assert json.loads(told.body)["model"] == name
            stream.cancel()
