"""Which endpoints a picker names: the subset, the fallbacks, who is credited, and who is turned away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headway.gateway.picker.ext_proc_pb2 import (
    HttpTrailers,
)
from headway.gateway.picker.server import Front
from headway.gateway.table import Objective, RoutingTable
from headway.policy.route import Match, RouteRule, Target
from tests.support.gateway import DONE, endpoint, event, eventually, route, use
from tests.support.picker import picker_here
from tests.support.pods import ONE, STREAM, THREE, TWO, running, subset, three


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
