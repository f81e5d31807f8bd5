"""Engines that fail before the caller has got anything: it goes elsewhere, or waits, or says why not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.support.gateway import (
    STREAM_HEAD,
    Asked,
    Peer,
    Script,
    ScriptedEngine,
    answer_bytes,
    answers,
    ask,
    chunked,
    completion,
    endpoint,
    event,
    eventually,
    gateway_here,
    route,
    sends,
    streams,
)

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n"
JUNK = b"SSH-2.0-OpenSSH_9.2\r\n"

DEATHS: dict[str, tuple[Script, str]] = {
    "closes before the head": (sends(), "closed"),
    "resets before the head": (sends(then="reset"), "reset"),
    "closes in mid-head": (sends(HEAD[:30]), "closed"),
    "closes after the head": (sends(HEAD), "closed"),
    "resets in mid-body": (sends(HEAD, b'{"id":', then="reset"), "reset"),
    "closes in mid-chunk": (sends(STREAM_HEAD.replace(b"text/event-stream", b"a/b"), b"ff\r\nabc"), "closed"),
    "is no HTTP server": (sends(JUNK), "malformed"),
    "sends a broken chunk": (sends(STREAM_HEAD, b"zz\r\nabc\r\n"), "malformed"),
    "ends an unframed body in the middle": (sends(b"HTTP/1.1 200 OK\r\n\r\n", b'{"id":'), "closed"),
    "says 503": (answers(b"{}", 503), "status 503"),
    "says 502": (answers(b"{}", 502), "status 502"),
    "dies before the first event": (sends(STREAM_HEAD), "closed"),
    "dies in the first event": (sends(STREAM_HEAD, chunked(event("a")[:20])), "closed"),
    "dies after a comment": (sends(STREAM_HEAD, chunked(b": wait\n\n")), "closed"),
    "ends politely with no event": (sends(STREAM_HEAD, b"0\r\n\r\n"), "closed"),
    "compresses what it was asked not to": (
        sends(STREAM_HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"), chunked(b"\x1f\x8b")),
        "encoded",
    ),
}


@pytest.mark.parametrize(("script", "failure"), DEATHS.values(), ids=DEATHS.keys())
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_it_goes_elsewhere(tmp_path: Path, engine: Start, script: Script, failure: str, stream: bool) -> None:
    bad = await engine(script)
    good = await engine(streams("Pa", "ris") if stream else answers())
    bad_one, good_one = endpoint(bad.url, "bad"), endpoint(good.url, "good")
    async with gateway_here(tmp_path, route(bad_one, good_one, policy="round_robin")) as here:
        for _ in range(2):  # whichever comes first
            answer = await ask(here.port, stream=stream)
            assert answer.status == 200
            assert answer.headers["x-headway-replica"] == "good"
            assert answer.events[-1] == "[DONE]" if stream else answer.body == completion()
        failures = [[a.failure for a in record.attempts] for record in here.records()]
        assert [failure, ""] in failures
        assert {s.id: s.running for s in here.stats().endpoints} == {"bad.1": 0, "good.1": 0}
        assert here.stats().failures_total == 0


async def test_refused_and_unreachable_go_elsewhere(tmp_path: Path, engine: Start) -> None:
    dead = await engine(answers())
    await dead.stop()
    good = await engine(answers())
    nowhere = endpoint("http://no-such-host.invalid:1", "nowhere")
    async with gateway_here(tmp_path, route(endpoint(dead.url, "dead"), nowhere, endpoint(good.url, "good"))) as here:
        for _ in range(6):
            assert (await ask(here.port)).status == 200
        reasons = {a.failure.partition(":")[0] for record in here.records() for a in record.attempts}
        assert reasons <= {"", "refused", "unreachable"}
        assert "refused" in reasons


async def test_an_unframed_but_whole_body_is_an_answer(tmp_path: Path, engine: Start) -> None:
    one = await engine(sends(b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n" + completion()))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        assert (await ask(here.port)).body == completion()


async def test_a_503_without_another_endpoint_is_told(tmp_path: Path, engine: Start) -> None:
    busy = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
    one = await engine(answers(busy, 503, headers="retry-after: 3\r\n"))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        answer = await ask(here.port)
        assert (answer.status, answer.body, answer.headers["retry-after"]) == (503, busy, "3")


async def test_when_all_say_503_the_last_is_told(tmp_path: Path, engine: Start) -> None:
    engines = [await engine(answers(b"{}", 503)) for _ in range(3)]
    ends = [endpoint(one.url, f"e{n}") for n, one in enumerate(engines)]
    async with gateway_here(tmp_path, route(*ends)) as here:
        assert (await ask(here.port)).status == 503
        assert [a.failure for a in here.last.attempts] == ["status 503", "status 503", ""]
    assert [len(one.asked) for one in engines] == [1, 1, 1]


async def test_connections_are_reused_and_a_stale_one_is_no_failure(tmp_path: Path, engine: Start) -> None:
    async def close_when_asked_again(asked: Asked, peer: Peer) -> None:
        peer.close()

    one = await engine(answers(), answers(), close_when_asked_again, answers())
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        for _ in range(3):
            assert (await ask(here.port)).status == 200
        assert one.connections == 2
        assert [a.failure for a in here.last.attempts] == ["closed while idle", ""]
        assert here.stats().endpoints[0].failures == 0


async def test_an_idle_connection_that_the_engine_closes_is_not_used(tmp_path: Path, engine: Start) -> None:
    async def answer_and_close(asked: Asked, peer: Peer) -> None:
        await peer.send(answer_bytes(completion()))
        peer.close()

    one = await engine(answer_and_close)
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        upstream = next(iter(here.worker.gateway.catalog.upstreams()))
        for _ in range(3):
            assert (await ask(here.port)).status == 200
            await eventually(lambda: not upstream._idle)
        assert all(len(record.attempts) == 1 for record in here.records())
    assert one.connections == 3


async def test_unasked_bytes_never_answer_the_next_request(tmp_path: Path, engine: Start) -> None:
    """Two answers at once are none; a second one that comes later is dropped with its connection."""

    async def answer_twice(asked: Asked, peer: Peer) -> None:
        await peer.send(answer_bytes(completion("poison")) + answer_bytes(completion("poison")))
        await peer.until_gone()

    async def answer_again_later(asked: Asked, peer: Peer) -> None:
        await peer.send(answer_bytes(completion("right")))
        await peer.engine.gate.wait()
        await peer.send(answer_bytes(completion("poison")))
        await peer.until_gone()

    one = await engine(answer_twice, answer_again_later, answers(completion("right")))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        assert b"right" in (await ask(here.port)).body
        one.gate.set()
        await eventually(lambda: one.gone == 2)
        assert b"right" in (await ask(here.port)).body
    assert one.connections == 3


async def test_a_request_that_kills_engines_is_given_up(tmp_path: Path, engine: Start) -> None:
    one, two = await engine(sends()), await engine(sends())
    quick = {"tries_max": 4, "cooldown_seconds": 0.01, "cooldown_max_seconds": 0.02, "tick_seconds": 0.01}
    async with gateway_here(tmp_path, route(endpoint(one.url, "a"), endpoint(two.url, "b")), **quick) as here:
        answer = await ask(here.port)
        assert (answer.status, answer.error["code"]) == (502, "engine_failed")
        assert "4 times" in answer.error["message"]
        assert here.stats().failures_total == 1
    assert len(one.asked) + len(two.asked) == 4


async def test_an_engine_that_restarts_is_waited_for(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    await one.stop()
    async with gateway_here(tmp_path, route(endpoint(one.url)), tick_seconds=0.02) as here:
        asking = [asyncio.create_task(ask(here.port)) for _ in range(5)]
        await eventually(lambda: here.stats().waiting == 5)
        assert here.stats().waiting_by_model == {"chat": 5}
        await one.start()
        assert [(await task).status for task in asking] == [200] * 5
        assert all(record.waited > 0 for record in here.records())
        assert here.stats().waiting == 0


async def test_nobody_answers_within_the_wait(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    await one.stop()
    async with gateway_here(tmp_path, route(endpoint(one.url)), wait_seconds=0.5, tick_seconds=0.02) as here:
        answer = await ask(here.port)
        assert (answer.status, answer.error["code"]) == (503, "model_not_ready")
        assert answer.headers["retry-after"] == "5"
        assert "do not answer" in answer.error["message"]
        assert here.last.waited > 0


async def test_a_model_without_replica_waits_for_the_table(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    async with gateway_here(tmp_path, route(reason="starting: loading the model")) as here:
        asking = [asyncio.create_task(ask(here.port, content=n)) for n in range(8)]
        await eventually(lambda: here.stats().waiting == 8)
        here.use(route(endpoint(one.url)))
        assert [(await task).status for task in asking] == [200] * 8
    assert len(one.asked) == 8


@pytest.mark.parametrize(
    ("model", "retry_after", "says"),
    [
        (route(reason="failed: no such file", expected=False), "5", "failed: no such file"),
        (route(reason="pending: 1.1 GB needed", expected=False, eta=42.3), "43", "1.1 GB"),
        (route(expected=False), "5", "no replica"),
    ],
)
async def test_a_model_that_will_not_come_is_refused_at_once(
    tmp_path: Path, model: object, retry_after: str, says: str
) -> None:
    async with gateway_here(tmp_path, model) as here:  # type: ignore[arg-type]
        answer = await ask(here.port)
        assert (answer.status, answer.error["code"]) == (503, "model_not_ready")
        assert answer.headers["retry-after"] == retry_after
        assert says in answer.error["message"]
        assert here.last.waited == 0


async def test_waiting_ends_when_hope_does(tmp_path: Path) -> None:
    async with gateway_here(tmp_path, route(name="a"), route(name="b")) as here:
        failing = asyncio.create_task(ask(here.port, model="a"))
        gone = asyncio.create_task(ask(here.port, model="b"))
        await eventually(lambda: here.stats().waiting == 2)
        here.use(route(name="a", expected=False, reason="failed: corrupt file"))
        assert "corrupt file" in (await failing).error["message"]
        assert (await gone).error["code"] == "model_not_found"


async def test_patience_follows_the_eta(tmp_path: Path) -> None:
    quick = {
        "wait_seconds": 0.1,
        "wait_expected_seconds": 0.3,
        "wait_grace_seconds": 0.2,
        "tick_seconds": 0.02,
    }
    models = route(name="unknown"), route(name="soon", eta=0.4)
    async with gateway_here(tmp_path, *models, **quick) as here:
        both = await asyncio.gather(ask(here.port, model="unknown"), ask(here.port, model="soon"))
        assert [answer.status for answer in both] == [503, 503]
        waited = {record.model: record.waited for record in here.records()}
        assert waited["unknown"] >= 0.3
        assert waited["soon"] >= 0.6


async def test_the_line_is_bounded_by_count_and_by_bytes(tmp_path: Path) -> None:
    async with gateway_here(tmp_path, route(), waiting_max=3, waiting_bytes=2000) as here:
        held = [asyncio.create_task(ask(here.port)) for _ in range(3)]
        await eventually(lambda: here.stats().waiting == 3)
        over = await ask(here.port)
        assert (over.status, over.error["code"]) == (503, "queue_full")
        assert over.headers["retry-after"] == "5"
        for task in held[:2]:
            task.cancel()
        await eventually(lambda: here.stats().waiting == 1)
        assert (await ask(here.port, pad="x" * 2000)).error["code"] == "queue_full"
        assert {record.status for record in here.records()} == {499, 503}
        held[2].cancel()
        await eventually(lambda: here.stats().running == 0)


@pytest.mark.parametrize("stated", ["0.3s", "0.3", "300ms"])
async def test_the_caller_may_lower_the_deadline(tmp_path: Path, engine: Start, stated: str) -> None:
    silent = await engine(sends(then="hang"))
    async with gateway_here(tmp_path, route(endpoint(silent.url)), tick_seconds=0.02) as here:
        answer = await ask(here.port, headers=[f"x-headway-timeout: {stated}"])
        assert (answer.status, answer.error["code"]) == (504, "deadline_exceeded")
        assert answer.error["type"] == "server_error"
        assert [a.failure for a in here.last.attempts] == ["timeout"]
        await eventually(lambda: silent.gone == 1)
        odd = await ask(here.port, headers=["x-headway-timeout: soon"])
        assert (odd.status, odd.error["param"]) == (400, "x-headway-timeout")
        longer = asyncio.create_task(ask(here.port, headers=["x-headway-timeout: 99999s"]))
        await eventually(lambda: here.stats().running == 1)
        client = next(iter(here.worker.gateway.connections))
        assert client._running is not None
        assert client._running._asked.deadline <= here.worker.gateway.time() + 600  # type: ignore[attr-defined]
        longer.cancel()


async def test_the_deadline_holds_while_waiting(tmp_path: Path) -> None:
    async with gateway_here(tmp_path, route(), tick_seconds=0.02) as here:
        answer = await ask(here.port, headers=["x-headway-timeout: 0.2"])
        assert (answer.status, answer.error["code"]) == (504, "deadline_exceeded")


async def test_load_goes_to_the_least_loaded_and_ties_are_drawn(tmp_path: Path, engine: Start) -> None:
    hold = asyncio.Event()

    async def held(asked: Asked, peer: Peer) -> None:
        await hold.wait()
        await peer.send(answer_bytes(completion()))

    engines = [await engine(held) for _ in range(4)]
    ends = [endpoint(one.url, f"e{n}") for n, one in enumerate(engines)]
    async with gateway_here(tmp_path, route(*ends, policy="least_request")) as here:
        asking = [asyncio.create_task(ask(here.port)) for _ in range(8)]
        await eventually(lambda: sum(one.running for one in engines) == 8)
        assert [one.running for one in engines] == [2] * 4
        hold.set()
        assert [(await task).status for task in asking] == [200] * 8
        for _ in range(60):  # idle again: one after the other must not herd on the first
            await ask(here.port)
        assert all(len(one.asked) > 4 for one in engines)
        attempt = here.last.attempts[0]
        assert attempt.among == tuple(f"e{n}.1" for n in range(4))
        assert len(attempt.costs) == 4


async def test_a_failed_endpoint_is_passed_over_and_comes_back(tmp_path: Path, engine: Start) -> None:
    flaky, good = await engine(sends(), answers()), await engine(answers())
    ends = endpoint(flaky.url, "flaky"), endpoint(good.url, "good")
    async with gateway_here(tmp_path, route(*ends), cooldown_seconds=2.0) as here:
        await eventually_asked(here.port, flaky)
        for _ in range(4):
            assert (await ask(here.port)).headers["x-headway-replica"] == "good"
        assert len(flaky.asked) == 1
        await eventually_asked(here.port, flaky, times=2)


async def eventually_asked(port: int, one: ScriptedEngine, times: int = 1) -> None:
    async def asked() -> bool:
        assert (await ask(port)).status == 200
        return len(one.asked) >= times

    await eventually(asked)
