"""HTTP at its edges: what is malformed, too large, too slow or in an odd form, and what random bytes can
do."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.conftest import Start
from tests.support.gateway import (
    CHAT,
    Answer,
    Asked,
    GatewayProcess,
    Peer,
    answer_bytes,
    answers,
    ask,
    chat_body,
    completion,
    endpoint,
    eventually,
    gateway_here,
    raw,
    request_bytes,
    route,
)

POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"

MALFORMED = {
    "content-length and chunked": POST + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and content-length": POST + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
    "two lengths that differ": POST + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    "a list of lengths": POST + b"content-length: 3, 4\r\n\r\nabcd",
    "a negative length": POST + b"content-length: -3\r\n\r\n",
    "a length that overflows": POST + b"content-length: 99999999999999999999999\r\n\r\n",
    "an unknown coding": POST + b"transfer-encoding: gzip\r\n\r\nabc",
    "a coding before chunked": POST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a chunk size that is none": POST + b"transfer-encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
    "a negative chunk size": POST + b"transfer-encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
    "a chunk size that overflows": POST + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    "a chunk longer than it says": POST + b"transfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nhost: t\n\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: a\r\n b\r\n\r\n",
    "a space before the colon": b"GET /healthz HTTP/1.1\r\nhost : t\r\n\r\n",
    "a NUL in a header": b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nhost: a\r\nHost: b\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/3": b"GET /healthz HTTP/3.0\r\nhost: localhost\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("160301020001000001fc0303") + bytes(64),
    "an unknown method": b"FOO / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "spaces in the target": b"GET /a b HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "a tunnel": b"CONNECT example.com:443 HTTP/1.1\r\nhost: localhost\r\n\r\nabc",
    "an odd expectation": POST + b"expect: tea\r\ncontent-length: 1\r\n\r\nx",
    "a compressed body": POST + b"content-encoding: gzip\r\ncontent-length: 1\r\n\r\nx",
    "a target that is not UTF-8": b"GET /%ff HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
    "a target of another scheme": b"GET ftp://x/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_http_gets_one_error_and_the_gateway_lives(tmp_path: Path, data: bytes) -> None:
    async with gateway_here(tmp_path, route()) as here:
        answer = Answer.parse(await raw(here.port, data))
        assert 400 <= answer.status < 600
        assert answer.error["code"]
        assert answer.rest == b""
        assert answer.headers["connection"] == "close"
        assert (await ask(here.port, "/healthz", "GET")).status == 200
        await eventually(lambda: not here.worker.gateway.connections)


async def test_requests_before_a_malformed_one_are_answered(tmp_path: Path) -> None:
    good = request_bytes("/healthz", "GET", close=False)
    async with gateway_here(tmp_path, route()) as here:
        first = Answer.parse(await raw(here.port, good + b"\0\0\r\n\r\n"))
        assert (first.status, first.body) == (200, b"ok\n")
        second = Answer.parse(first.rest)
        assert (second.status, second.rest) == (400, b"")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n", 414),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 33_000, 431),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x: 1\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x: " + b"a" * 20_000 + b"\r\ny: " + b"a" * 20_000, 431),
        (POST + b"content-length: 1001\r\n\r\n", 413),
        (POST + b"transfer-encoding: chunked\r\n\r\n3ea\r\n" + b"a" * 1002 + b"\r\n0\r\n\r\n", 413),
    ],
    ids=["target", "target unfinished", "header unfinished", "many headers", "headers", "length", "chunks"],
)
async def test_too_large(tmp_path: Path, data: bytes, status: int) -> None:
    async with gateway_here(tmp_path, route(), body_bytes=1000) as here:
        answer = Answer.parse(await raw(here.port, data))
        assert answer.status == status
        assert answer.error["type"] == "invalid_request_error"
        assert here.worker.gateway.bodies.held == 0
        text = (await ask(here.port, "/metrics", "GET")).body.decode()
        assert f'headway_gateway_heads_refused_total{{status="{status}"}} 1.0' in text


async def test_a_caller_who_sends_too_much_still_reads_the_413(tmp_path: Path) -> None:
    async with gateway_here(tmp_path, route(), body_bytes=1000) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(request_bytes(body=b"x" * 3_000_000))  # without reading meanwhile
        await asyncio.wait_for(writer.drain(), 10)
        assert Answer.parse(await asyncio.wait_for(reader.read(), 10)).status == 413
        writer.close()


async def test_all_bodies_together_are_bounded(tmp_path: Path) -> None:
    async with gateway_here(tmp_path, route(), bodies_bytes=1000) as here:
        _, hoarder = await asyncio.open_connection("127.0.0.1", here.port)
        hoarder.write(POST + b"content-length: 1000\r\n\r\n" + b"x" * 900)
        await eventually(lambda: here.worker.gateway.bodies.held == 900)
        answer = await ask(here.port, body=b"x" * 200)
        assert (answer.status, answer.error["code"]) == (503, "overloaded")
        assert answer.headers["retry-after"] == "1"
        hoarder.close()
        await eventually(lambda: here.worker.gateway.bodies.held == 0)
        assert (await ask(here.port, body=b"x" * 200)).status == 400


async def test_slow_heads_and_bodies_time_out(tmp_path: Path) -> None:
    quick = {"head_seconds": 1.0, "body_idle_seconds": 1.0, "keepalive_seconds": 1.0, "tick_seconds": 0.02}
    async with gateway_here(tmp_path, route(), **quick) as here:
        head, body, silent, idle = await asyncio.gather(
            raw(here.port, b"GET /healthz HTT"),
            raw(here.port, POST + b"content-length: 100\r\n\r\n{"),
            raw(here.port),
            raw(here.port, request_bytes("/healthz", "GET", close=False)),
        )
        for data, what in ((head, "head"), (body, "body")):
            answer = Answer.parse(data)
            assert (answer.status, answer.error["code"]) == (408, "request_timeout")
            assert what in answer.error["message"]
        assert silent == b""
        assert Answer.parse(idle).status == 200


async def test_a_dripping_head_is_cut_at_its_deadline(tmp_path: Path) -> None:
    async with gateway_here(tmp_path, route(), head_seconds=0.3, tick_seconds=0.02) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)

        async def drip() -> None:
            while True:  # each byte comes in time; the head never ends
                writer.write(b"a")
                await asyncio.sleep(0.02)

        writer.write(b"GET /")
        dripping = asyncio.create_task(drip())
        answer = Answer.parse(await asyncio.wait_for(reader.read(), 10))
        dripping.cancel()
        writer.close()
        assert answer.status == 408


async def test_a_slow_body_that_moves_is_read(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    body = chat_body()
    async with gateway_here(tmp_path, route(endpoint(one.url)), body_idle_seconds=1.5, tick_seconds=0.02) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(POST + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 8):
            writer.write(body[at : at + 8])
            await asyncio.sleep(0.2)
        assert Answer.parse(await asyncio.wait_for(reader.read(), 10)).status == 200
        writer.close()


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path, engine: Start) -> None:
    slow = asyncio.Event()

    async def first(asked: Asked, peer: Peer) -> None:
        await slow.wait()
        await peer.send(answer_bytes(completion("first")))

    one = await engine(first, answers(completion("second")))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        call = request_bytes(body=chat_body(), close=False)
        reads = request_bytes("/healthz", "GET", close=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(call + reads + call)
        writer.write(request_bytes("/nothing", "GET"))
        await eventually(lambda: len(one.asked) == 1)
        slow.set()
        got = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        first_answer = Answer.parse(got)
        second = Answer.parse(first_answer.rest)
        third = Answer.parse(second.rest)
        fourth = Answer.parse(third.rest)
        assert b"first" in first_answer.body
        assert second.body == b"ok\n"
        assert b"second" in third.body
        assert (fourth.status, fourth.rest) == (404, b"")


async def test_too_many_pipelined_requests(tmp_path: Path) -> None:
    reads = request_bytes("/healthz", "GET", close=False)
    async with gateway_here(tmp_path, route(), pipelined_max=4) as here:
        got, statuses = await raw(here.port, reads * 10), []
        while got:
            answer = Answer.parse(got)
            statuses.append(answer.status)
            got = answer.rest
        assert statuses == [200] * 4 + [400]


async def test_reading_ahead_is_bounded(tmp_path: Path, engine: Start) -> None:
    hold = asyncio.Event()

    async def held(asked: Asked, peer: Peer) -> None:
        await hold.wait()
        await peer.send(answer_bytes(completion()))

    one = await engine(held)
    async with gateway_here(tmp_path, route(endpoint(one.url)), backlog_bytes=100_000) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(request_bytes(body=chat_body(), close=False))
        await eventually(lambda: one.running)
        writer.write(request_bytes(body=chat_body(pad="x" * 20_000_000)))
        client = next(iter(here.worker.gateway.connections))
        await eventually(lambda: not client._reading)
        assert len(client._backlog) < 100_000 + 300_000
        hold.set()
        first = Answer.parse(await asyncio.wait_for(reader.read(), 20))
        assert (first.status, Answer.parse(first.rest).status) == (200, 200)
        writer.close()


async def test_http10(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        old = b"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: %d\r\n" % len(chat_body())
        closed = Answer.parse(await raw(here.port, old + b"\r\n" + chat_body()))
        assert (closed.status, closed.headers["connection"], closed.body) == (200, "close", completion())
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        for _ in range(2):
            writer.write(old + b"connection: keep-alive\r\n\r\n" + chat_body())
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"connection: keep-alive\r\n" in head
            await reader.readexactly(len(completion()))
        writer.close()


async def test_expect_100_continue(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    async with gateway_here(tmp_path, route(endpoint(one.url)), body_bytes=1000) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        body = chat_body()
        writer.write(POST + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body))
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n"), 10)).startswith(b"HTTP/1.1 200")
        writer.close()
        refused = await raw(here.port, POST + b"expect: 100-continue\r\ncontent-length: 1001\r\n\r\n")
        assert Answer.parse(refused).status == 413


async def test_an_offer_to_upgrade_is_ignored(tmp_path: Path, engine: Start) -> None:
    """Java's client offers h2c with every first request, bodies included."""
    one = await engine(answers())
    offer = ["connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAEAAEAAAAIAAAAB"]
    call = request_bytes(body=chat_body(), headers=offer, close=False)
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        first = Answer.parse(await raw(here.port, call + call + request_bytes("/healthz", "GET")))
        second = Answer.parse(first.rest)
        third = Answer.parse(second.rest)
        assert [first.status, second.status, third.body] == [200, 200, b"ok\n"]
        assert here.worker.gateway.bodies.held == 0
    assert [asked.body for asked in one.asked] == [chat_body()] * 2


async def test_forms_of_targets(tmp_path: Path) -> None:
    async with gateway_here(tmp_path, route()) as here:
        for target in (
            "http://example.com/healthz",
            "/healthz?x=1",
            "/%68ealthz",
            "/healthz#x",
            "HTTP://h/healthz?",
        ):
            assert (await ask(here.port, target, "GET")).body == b"ok\n", target
        star = await ask(here.port, "*", "OPTIONS")
        assert (star.status, star.headers["allow"]) == (204, "GET, HEAD, POST, OPTIONS")


async def test_too_many_connections_are_refused_politely(tmp_path: Path) -> None:
    async with gateway_here(tmp_path, route()) as here:
        here.worker.gateway.connections_max = 3
        held = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(3)]
        await eventually(lambda: len(here.worker.gateway.connections) == 3)
        refused = Answer.parse(await raw(here.port))
        assert (refused.status, refused.error["code"]) == (503, "overloaded")
        for _, writer in held:
            writer.close()
        await eventually(lambda: not here.worker.gateway.connections)
        assert (await ask(here.port, "/healthz", "GET")).status == 200


PIECES = st.sampled_from(
    [
        *(
            b"GET",
            b"POST",
            b"HEAD",
            b" ",
            b"/v1/chat/completions",
            b"/v1/models/%00",
            b" HTTP/1.1",
            b"\r\n",
            b"\n",
        ),
        *(
            b"host: a",
            b"content-length: ",
            b"transfer-encoding: chunked",
            b"connection: close",
            b"expect: 100-continue",
        ),
        *(
            b"upgrade: h2c\r\nconnection: upgrade",
            b"0",
            b"5",
            b"ffffffff",
            b"{}",
            chat_body(),
            b"\0",
            b"\xff",
            b"a" * 5000,
        ),
    ]
)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> GatewayProcess:
    return GatewayProcess(tmp_path_factory.mktemp("fuzz"), route(expected=False))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.one_of(PIECES, st.binary(max_size=40)), max_size=25))
def test_random_bytes_never_kill_a_worker(live: GatewayProcess, pieces: list[bytes]) -> None:
    async def throw() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", live.port)
        writer.write(b"".join(pieces))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        assert (await ask(live.port, "/healthz", "GET")).status == 200

    asyncio.run(throw())


async def test_and_leave_nothing_behind(live: GatewayProcess) -> None:
    """After the fuzz: the log has no traceback, nothing runs, nothing is held."""
    try:
        assert "Traceback" not in live.log.read_text()
        stats = await live.stats()
        assert (stats.running, stats.waiting) == (0, 0)
        text = (await ask(live.port, "/metrics", "GET")).body
        assert b"headway_gateway_bodies_bytes 0.0" in text
        assert (await ask(live.port, CHAT)).status == 503
    finally:
        assert live.stop() == 0
