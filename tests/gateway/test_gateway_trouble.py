"""Endpoints that fail: passed over, tried by one request, back when they work; and retries that do not run away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from headway.gateway.frames import Ejected
from headway.gateway.table import Deadlines
from headway.gateway.upstream import Upstream
from headway.policy.route import RouteRule, Target
from tests.gateway.conftest import Start
from tests.support.gateway import (
    Asked,
    Here,
    Peer,
    answer_bytes,
    answers,
    completion,
    endpoint,
    eventually,
    gateway_here,
    route,
    sends,
    streams,
)

QUICK = {"cooldown_seconds": 0.01, "cooldown_max_seconds": 0.01, "tick_seconds": 0.01}


def upstream_of(here: Here, name: str) -> Upstream:
    return next(each for each in here.worker.gateway.catalog.upstreams() if each.replica == name)


async def test_one_that_fails_is_ejected_tried_by_one_request_and_back(
    tmp_path: Path, engine: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "headway.gateway")
    good = await engine(answers())
    works, waits = asyncio.Event(), asyncio.Event()

    async def moody(asked: Asked, peer: Peer) -> None:
        if not works.is_set():
            peer.reset()
            return
        await waits.wait()
        await peer.send(answer_bytes(completion()))

    bad = await engine(moody)
    both = route(endpoint(good.url, "good"), endpoint(bad.url, "bad"), policy="round_robin")
    async with gateway_here(tmp_path, both, **QUICK, eject_seconds=2.0) as here:
        upstream = upstream_of(here, "bad")

        async def asks_until_ejected() -> bool:
            assert (await here.ask()).status == 200
            return upstream.health.ejected

        await eventually(asks_until_ejected)
        assert "endpoint bad.1 is ejected" in caplog.text
        assert here.worker.gateway.tally.ejections == {"bad": 1}
        seen = len(bad.asked)
        assert [(await here.ask()).status for _ in range(6)] == [200] * 6
        assert len(bad.asked) == seen, "it is passed over"
        works.set()
        await eventually(lambda: upstream.cooling_until <= here.worker.gateway.time())
        asking = [asyncio.create_task(here.ask()) for _ in range(8)]
        await eventually(lambda: len(bad.asked) == seen + 1)
        await eventually(lambda: sum(each.done() for each in asking) == 7)
        assert len(bad.asked) == seen + 1, "one request is its trial"
        waits.set()
        assert [(await each).status for each in asking] == [200] * 8
        assert not upstream.troubled
        assert "endpoint bad.1 is back" in caplog.text
        assert upstream.since > here.worker.gateway.time() - 5, "and it begins slowly"


async def test_one_that_fails_fast_does_not_draw_all_requests(tmp_path: Path, engine: Start) -> None:
    """An engine whose every answer is an error is always free."""
    good, bad = await engine(answers()), await engine(answers(b"{}", 500))
    both = route(endpoint(good.url, "good"), endpoint(bad.url, "bad"), policy="least_request")
    async with gateway_here(tmp_path, both, eject_seconds=30) as here:
        for _ in range(50):
            await asyncio.gather(*(here.ask() for _ in range(4)))
            if upstream_of(here, "bad").health.ejected:
                break
        assert upstream_of(here, "bad").health.ejected
        assert {(await here.ask()).status for _ in range(20)} == {200}


async def test_requests_that_fail_everywhere_eject_nobody(tmp_path: Path, engine: Start) -> None:
    engines = [await engine(answers(b"{}", 500)) for _ in range(3)]
    three = route(*(endpoint(one.url, f"e{n}") for n, one in enumerate(engines)), policy="round_robin")
    async with gateway_here(tmp_path, three) as here:
        for _ in range(30):
            await asyncio.gather(*(here.ask() for _ in range(6)))
        assert not any(each.health.ejected for each in here.worker.gateway.catalog.upstreams())
        assert {len(one.asked) for one in engines} == {60}


async def test_half_of_the_endpoints_are_never_ejected(tmp_path: Path, engine: Start) -> None:
    engines = [await engine(sends(then="reset")) for _ in range(3)]
    good = await engine(answers())
    four = route(*(endpoint(one.url, f"e{n}") for n, one in enumerate((*engines, good))), policy="round_robin")
    async with gateway_here(tmp_path, four, **QUICK) as here:
        now, upstreams = here.worker.gateway.time, list(here.worker.gateway.catalog.upstreams())
        for _ in range(40):
            assert (await here.ask()).status == 200
            await eventually(lambda: all(each.health.ejected or each.cooling_until <= now() for each in upstreams))
        out = [each.replica for each in upstreams if each.health.ejected]
        assert len(out) == 2
        assert "e3" not in out


async def test_an_ejection_is_told_to_other_workers(tmp_path: Path, engine: Start) -> None:
    one, two = await engine(answers()), await engine(answers())
    async with gateway_here(tmp_path, route(endpoint(one.url, "one"), endpoint(two.url, "two"))) as here:
        gateway, upstream = here.worker.gateway, upstream_of(here, "one")
        gateway.trouble.came(Ejected(upstream.slot, gateway.time() + 60))
        assert [(await here.ask()).headers["x-headway-replica"] for _ in range(4)] == ["two"] * 4
        gateway.trouble.came(Ejected(upstream.slot, 0.0))
        assert not upstream.troubled


async def test_retries_of_a_fleet_that_fails_are_bounded(tmp_path: Path, engine: Start) -> None:
    """40 requests, each of which may be tried 16 times: with the budget they are not 640 tries."""
    engines = [await engine(sends(then="reset")) for _ in range(2)]
    both = route(*(endpoint(one.url, f"e{n}") for n, one in enumerate(engines)))
    async with gateway_here(tmp_path, both, **QUICK, retry_floor=0.5, wait_seconds=0.5) as here:
        got = await asyncio.gather(*(here.ask() for _ in range(40)))
        assert {each.status for each in got} == {503}
        assert {each.error["code"] for each in got} == {"model_not_ready"}
        assert all(int(each.headers["retry-after"]) >= 1 for each in got)
        tries = sum(len(one.asked) for one in engines)
        assert 40 < tries <= 40 + 0.2 * 40 + 0.5 * (10 + 5)


async def test_who_finds_the_budget_spent_waits_for_it(tmp_path: Path, engine: Start) -> None:
    """An engine's death that takes many requests at once is not their end."""
    peers: list[Peer] = []

    async def dies_with_all(asked: Asked, peer: Peer) -> None:
        peers.append(peer)
        await peer.engine.gate.wait()
        peer.reset()

    dying, good = await engine(dies_with_all), await engine(answers())
    async with gateway_here(tmp_path, route(endpoint(dying.url, "dying")), **QUICK, retry_floor=1.0) as here:
        asking = [asyncio.create_task(here.ask()) for _ in range(20)]
        await eventually(lambda: len(peers) == 20)
        here.use(route(endpoint(dying.url, "dying"), endpoint(good.url, "good")))
        here.worker.gateway.settings.retry_floor = 20.0
        dying.gate.set()
        assert {(await each).status for each in asking} == {200}


async def test_a_stream_that_does_not_begin_is_had_elsewhere(tmp_path: Path, engine: Start) -> None:
    silent, good = await engine(sends(then="hang")), await engine(streams("a", "b"))
    async with gateway_here(tmp_path, route(endpoint(silent.url, "silent")), first_byte_seconds=0.2, **QUICK) as here:
        asking = asyncio.create_task(here.ask(stream=True))
        await eventually(lambda: len(silent.asked) == 1)
        here.use(route(endpoint(silent.url, "silent"), endpoint(good.url, "good")))
        got = await asking
        assert got.events[-1] == "[DONE]"
        assert here.last.attempts[0].failure == "timeout"
        await eventually(lambda: silent.gone == len(silent.asked))


async def test_a_whole_answer_may_take_long_unless_its_model_says_otherwise(tmp_path: Path, engine: Start) -> None:
    async def slow(asked: Asked, peer: Peer) -> None:
        await peer.engine.gate.wait()
        await peer.send(answer_bytes(completion()))

    one, two = await engine(slow), await engine(slow, answers())
    models = [
        route(endpoint(one.url, "one")),
        route(endpoint(two.url, "two"), name="quick", deadlines=Deadlines(first_byte=0.5)),
        route(endpoint(one.url, "one"), name="short", deadlines=Deadlines(whole=0.2)),
    ]
    async with gateway_here(tmp_path, *models, first_byte_seconds=0.1, **QUICK) as here:
        patient = asyncio.create_task(here.ask())
        got = await here.ask(model="quick")
        assert (got.status, [each.failure for each in here.last.attempts]) == (200, ["timeout", ""])
        got = await here.ask(model="short")
        assert (got.status, got.error["code"]) == (504, "deadline_exceeded")
        assert not patient.done()
        one.gate.set()
        assert (await patient).status == 200


async def test_a_model_may_give_more_time_than_the_gateway_and_a_caller_want_less(
    tmp_path: Path, engine: Start
) -> None:
    async def slow(asked: Asked, peer: Peer) -> None:
        await peer.engine.gate.wait()
        await peer.send(answer_bytes(completion()))

    one = await engine(slow)
    models = route(endpoint(one.url), name="usual"), route(endpoint(one.url), deadlines=Deadlines(whole=30))
    routes = (RouteRule("assistant", (Target("chat"),)),)
    async with gateway_here(tmp_path, *models, routes=routes, deadline_seconds=0.2, **QUICK) as here:
        thinking = [asyncio.create_task(here.ask(model=name)) for name in ("chat", "assistant")]
        await eventually(lambda: len(one.asked) == 2)
        for hurried in ({"model": "usual"}, {"model": "chat", "headers": ["x-headway-timeout: 200ms"]}):
            got = await here.ask(**hurried)
            assert (got.status, got.error["code"]) == (504, "deadline_exceeded")
            assert "0.2 s" in got.error["message"]
        one.gate.set()
        assert [(await each).status for each in thinking] == [200, 200]
        assert [each.deadline for each in here.records()] == [None, 0.2, 30, 30]


async def test_a_stream_of_a_model_has_its_own_idle_deadline(tmp_path: Path, engine: Start) -> None:
    script = sends(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", b'data: {"choices": []}\n\n', then="hang"
    )
    one = await engine(script)
    async with gateway_here(tmp_path, route(endpoint(one.url), deadlines=Deadlines(idle=0.5)), **QUICK) as here:
        got = await here.ask(stream=True)
        assert got.events[-1]["error"]["message"] == "The engine sent nothing for 0.5 s in mid-answer."
