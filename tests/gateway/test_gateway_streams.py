"""Streams: whole events only, back-pressure, callers that leave, engines that die in the middle."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.support.gateway import (
    DONE,
    GATE,
    STREAM_HEAD,
    Answer,
    Asked,
    Peer,
    Script,
    ScriptedEngine,
    answers,
    ask,
    chat_body,
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

USAGE = (
    b'data: {"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":5,'
    b'"prompt_tokens_details":{"cached_tokens":4}}}\n\n'
)
TWO = chunked(event("a")) + chunked(event("b"))


def texts(answer: Answer) -> list[str]:
    return [e["choices"][0]["delta"]["content"] for e in answer.events if e != "[DONE]" and e.get("choices")]


async def ask_through_gate(port: int, engine: ScriptedEngine) -> Answer:
    """Open the engine's gate when the two events before it have arrived, and read on to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request_bytes(body=chat_body(stream=True)))
    async with asyncio.timeout(10):
        data = await reader.readuntil(event("b"))
        engine.gate.set()
        data += await reader.read()
    writer.close()
    return Answer.parse(data)


async def test_a_stream_passes_untouched(tmp_path: Path, engine: Start) -> None:
    one = await engine(streams("Pa", "ris", tail=USAGE))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        answer = await ask(here.port, stream=True)
        assert answer.body == event("Pa") + event("ris") + USAGE + DONE
        assert answer.headers["content-type"] == "text/event-stream"
        record = here.last
        assert (record.stream, record.status, record.error) == (True, 200, "")
        assert (record.prompt_tokens, record.cached_tokens, record.completion_tokens) == (11, 4, 5)
        assert record.ttft is not None
        text = (await ask(here.port, "/metrics", "GET")).body.decode()
        assert 'time_to_first_token_seconds_count{model="chat",operation="chat"} 1.0' in text


async def test_without_usage_the_events_are_counted(tmp_path: Path, engine: Start) -> None:
    one = await engine(streams("a", 'data: {"usage":{"completion_tokens":99}}\n', "c"))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        await ask(here.port, stream=True)
        assert (here.last.prompt_tokens, here.last.completion_tokens) == (None, 3)


@pytest.mark.parametrize("size", [1, 3, 7, 50, 1000])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
async def test_events_survive_any_cut(tmp_path: Path, engine: Start, size: int, newline: bytes) -> None:
    body = (b": hello\n\n" + event("a") + event("\u00e9 \n\n data: x") + USAGE + DONE).replace(b"\n", newline)
    pieces = [chunked(body[at : at + size]) for at in range(0, len(body), size)]
    one = await engine(sends(STREAM_HEAD, *pieces, b"0\r\n\r\n"))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        answer = await ask(here.port, stream=True)
        assert answer.body == body
        assert here.last.completion_tokens == 5


async def test_nothing_is_sent_before_the_first_whole_event(tmp_path: Path, engine: Start) -> None:
    go = asyncio.Event()

    async def slowly(asked: Asked, peer: Peer) -> None:
        await peer.send(STREAM_HEAD + chunked(b": comment\n\n") + chunked(event("a")[:-1]))
        await go.wait()
        await peer.send(chunked(b"\n") + chunked(DONE) + b"0\r\n\r\n")

    one = await engine(slowly)
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(request_bytes(body=chat_body(stream=True)))
        await eventually(lambda: one.running)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        go.set()
        answer = Answer.parse(await asyncio.wait_for(reader.read(), 10))
        assert answer.body == b": comment\n\n" + event("a") + DONE
        writer.close()


MID_STREAM: dict[str, Script] = {
    "closes": sends(STREAM_HEAD, TWO, GATE),
    "resets": sends(STREAM_HEAD, TWO, GATE, then="reset"),
    "closes in mid-event": sends(STREAM_HEAD, TWO, GATE, chunked(event("c")[:30])),
    "closes in mid-chunk": sends(STREAM_HEAD, TWO, GATE, chunked(event("c"))[:30]),
    "breaks a chunk": sends(STREAM_HEAD, TWO, GATE, b"zz\r\n"),
    "ends politely without DONE": sends(STREAM_HEAD, TWO, GATE, b"0\r\n\r\n"),
    "closes an unframed stream": sends(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n", event("a"), event("b"), GATE
    ),
}


@pytest.mark.parametrize("script", MID_STREAM.values(), ids=MID_STREAM.keys())
async def test_an_engine_that_dies_in_mid_stream(tmp_path: Path, engine: Start, script: Script) -> None:
    one = await engine(script)
    good = await engine(streams("never"))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        answer = await ask_through_gate(here.port, one)
        assert answer.status == 200
        assert texts(answer) == ["a", "b"]
        last = answer.events[-1]["error"]
        assert (last["code"], last["type"], set(last)) == (
            "engine_failed",
            "server_error",
            {"message", "type", "param", "code"},
        )
        assert answer.body.count(b'"error"') == 1
        assert b"[DONE]" not in answer.body
        record = here.last
        assert (record.status, record.error, len(record.attempts)) == (200, "engine_failed", 1)
        assert record.attempts[0].failure in ("closed", "reset", "malformed")
        assert here.stats().failures_total == 1
        assert here.stats().endpoints[0].failures == 1
    assert not good.asked


async def test_an_unframed_stream_with_done_is_whole(tmp_path: Path, engine: Start) -> None:
    head = b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    one = await engine(sends(head, event("a"), DONE))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        assert (await ask(here.port, stream=True)).body == event("a") + DONE
        assert here.last.error == ""


async def test_death_after_done_is_no_failure(tmp_path: Path, engine: Start) -> None:
    one = await engine(sends(STREAM_HEAD, TWO, chunked(DONE), GATE, then="reset"))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        answer = await ask_through_gate(here.port, one)
        assert answer.events[-1] == "[DONE]"
        assert here.last.error == ""
        assert here.stats().failures_total == 0


@pytest.mark.parametrize("then", ["", "0"])
async def test_an_engines_own_error_event_is_the_only_one(tmp_path: Path, engine: Start, then: str) -> None:
    said = b'data: {"error": {"message": "context full", "type": "x", "param": null, "code": 500}}\n\n'
    one = await engine(sends(STREAM_HEAD, TWO, chunked(said), b"0\r\n\r\n" if then else b""))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        answer = await ask(here.port, stream=True)
        assert answer.body.endswith(said)
        assert answer.body.count(b'"error"') == 1
        assert here.last.error == "engine_error"
        assert here.stats().failures_total == 1


async def test_http10_gets_a_stream_that_ends_with_the_connection(tmp_path: Path, engine: Start) -> None:
    one = await engine(streams("a"), sends(STREAM_HEAD, TWO))
    old = b"POST /v1/chat/completions HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: %d\r\n\r\n"
    body = chat_body(stream=True)
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        answer = Answer.parse(await raw(here.port, old % len(body) + body))
        assert (answer.headers["connection"], answer.body) == ("close", event("a") + DONE)
        assert "transfer-encoding" not in answer.headers
        failed = Answer.parse(await raw(here.port, old % len(body) + body))
        assert failed.events[-1]["error"]["code"] == "engine_failed"


async def test_a_stream_that_stops_is_ended(tmp_path: Path, engine: Start) -> None:
    one = await engine(sends(STREAM_HEAD, TWO, then="hang"))
    quick = {"stream_idle_seconds": 0.3, "tick_seconds": 0.02}
    async with gateway_here(tmp_path, route(endpoint(one.url)), **quick) as here:
        answer = await ask(here.port, stream=True)
        assert answer.events[-1]["error"]["code"] == "engine_failed"
        assert here.last.attempts[0].failure == "timeout"
        await eventually(lambda: one.gone == 1)


async def test_the_deadline_ends_a_stream_with_an_event(tmp_path: Path, engine: Start) -> None:
    one = await engine(sends(STREAM_HEAD, TWO, then="hang"))
    async with gateway_here(tmp_path, route(endpoint(one.url)), tick_seconds=0.02) as here:
        answer = await ask(here.port, stream=True, headers=["x-headway-timeout: 1.0"])
        assert texts(answer) == ["a", "b"]
        assert answer.events[-1]["error"]["code"] == "deadline_exceeded"
        await eventually(lambda: one.gone == 1)


async def test_an_endless_event_is_not_kept(tmp_path: Path, engine: Start) -> None:
    one = await engine(sends(STREAM_HEAD, TWO, GATE, *[chunked(b"data: " + b"x" * 60_000)] * 4))
    async with gateway_here(tmp_path, route(endpoint(one.url)), event_bytes=100_000) as here:
        answer = await ask_through_gate(here.port, one)
        assert answer.events[-1]["error"]["code"] == "engine_failed"
        assert here.last.attempts[0].failure == "malformed"


async def test_a_relayed_answer_that_breaks_is_visibly_broken(tmp_path: Path, engine: Start) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    one = await engine(sends(head, chunked(b"x" * 50_000), then="reset"))
    async with gateway_here(tmp_path, route(endpoint(one.url)), held_bytes=10_000) as here:
        data = await raw(here.port, request_bytes(body=chat_body()))
        assert data.startswith(b"HTTP/1.1 200")
        assert not data.endswith(b"0\r\n\r\n")
        assert here.last.error == "engine_failed"


# callers that leave


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_hundred_callers_that_vanish(tmp_path: Path, engine: Start, how: str, stream: bool) -> None:
    one = await engine(sends(STREAM_HEAD, TWO, then="hang") if stream else sends(then="hang"))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        callers = []
        for _ in range(100):
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
            writer.write(request_bytes(body=chat_body(stream=stream), close=False))
            callers.append((reader, writer))
        await eventually(lambda: one.running == 100)
        if stream:
            for reader, _ in callers:
                await reader.readuntil(b"\r\n\r\n")
        assert here.stats().endpoints[0].running == 100
        for _, writer in callers:
            if how == "reset":
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()
        await eventually(lambda: one.gone == 100)
        assert here.stats().endpoints[0].running == 0
        assert here.stats().running == 0
        assert [(r.status, r.error) for r in here.records()] == [(499, "client_closed")] * 100
        assert here.stats().endpoints[0].failures == 0
        assert here.worker.gateway.bodies.held == 0
        assert not here.worker.gateway.connections


async def test_a_caller_that_leaves_while_waiting_or_connecting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:  # accepts nothing: connects hang
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        filler = [socket.socket() for _ in range(4)]
        for one in filler:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        models = route(endpoint(url), name="deaf"), route(name="empty")
        async with gateway_here(tmp_path, *models) as here:
            for model in ("deaf", "empty"):
                asking = asyncio.create_task(ask(here.port, model=model))
                await eventually(lambda: here.stats().running == 1)
                asking.cancel()
                await eventually(lambda: here.stats().running == 0)
            assert [r.status for r in here.records()] == [499, 499]
            assert here.stats().waiting == 0
            assert here.stats().endpoints[0].running == 0
        for one in filler:
            one.close()


async def test_a_connect_that_hangs_is_given_up(tmp_path: Path, engine: Start) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        filler = [socket.socket() for _ in range(4)]
        for one in filler:
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        good = await engine(streams("a"))
        ends = endpoint(f"http://127.0.0.1:{deaf.getsockname()[1]}", "deaf"), endpoint(good.url, "good")
        async with gateway_here(tmp_path, route(*ends, policy="round_robin"), connect_seconds=0.1) as here:
            for _ in range(2):
                assert (await ask(here.port, stream=True)).events[-1] == "[DONE]"
            assert "timeout" in [a.failure for r in here.records() for a in r.attempts]
        for one in filler:
            one.close()


# back-pressure


async def test_a_slow_reader_slows_the_engine_and_not_the_memory(tmp_path: Path, engine: Start) -> None:
    sent = 0
    piece = b"".join(event("x" * 400) for _ in range(100))

    async def firehose(asked: Asked, peer: Peer) -> None:
        nonlocal sent
        await peer.send(STREAM_HEAD)
        for _ in range(400):
            await peer.send(chunked(piece))
            sent += len(piece)
        await peer.send(chunked(DONE) + b"0\r\n\r\n")

    one = await engine(firehose)
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", here.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
        writer.write(request_bytes(body=chat_body(stream=True)))
        await eventually(lambda: one.running)
        client = next(iter(here.worker.gateway.connections))
        await eventually(lambda: client._paused)
        before = -1
        while sent != before:  # until the engine is stuck too
            before = sent
            await asyncio.sleep(0.3)
        total = 400 * len(piece)
        assert sent < total
        assert client._transport is not None
        assert client._transport.get_write_buffer_size() < 1_000_000
        blocks = []
        while block := await reader.read(65536):
            blocks.append(block)
        answer = Answer.parse(b"".join(blocks))
        assert len(answer.body) == total + len(DONE)
        assert here.last.error == ""
        writer.close()


async def test_a_stream_behind_an_unread_answer_is_held_back_too(tmp_path: Path, engine: Start) -> None:
    big = answers(b'{"x":"' + b"y" * 12_000_000 + b'"}')
    piece, sent = chunked(event("x" * 50_000)), 0

    async def firehose(asked: Asked, peer: Peer) -> None:
        nonlocal sent
        await peer.send(STREAM_HEAD)
        for _ in range(400):
            await peer.send(piece)
            sent += len(piece)
        await peer.send(chunked(DONE) + b"0\r\n\r\n")

    one = await engine(big, firehose)
    async with gateway_here(tmp_path, route(endpoint(one.url)), held_bytes=16_000_000) as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port, limit=1024)
        writer.write(request_bytes(body=chat_body(), close=False) + request_bytes(body=chat_body(stream=True)))
        await eventually(lambda: len(one.asked) == 2)
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.2)
        client = next(iter(here.worker.gateway.connections))
        assert client._transport is not None
        assert client._transport.get_write_buffer_size() < 12_500_000
        blocks = []
        while block := await reader.read(65536):
            blocks.append(block)
        first = Answer.parse(b"".join(blocks))
        assert len(Answer.parse(first.rest).events) == 401
        writer.close()


async def test_a_caller_that_takes_nothing_is_cut_off(tmp_path: Path, engine: Start) -> None:
    async def firehose(asked: Asked, peer: Peer) -> None:
        await peer.send(STREAM_HEAD)
        sending = asyncio.create_task(flood(peer))
        await peer.until_gone()
        sending.cancel()

    async def flood(peer: Peer) -> None:
        while True:
            await peer.send(chunked(event("x" * 60_000)))

    one = await engine(firehose)
    quick = {"stall_seconds": 0.3, "tick_seconds": 0.02}
    async with gateway_here(tmp_path, route(endpoint(one.url)), **quick) as here:
        _, writer = await asyncio.open_connection("127.0.0.1", here.port, limit=1024)
        writer.write(request_bytes(body=chat_body(stream=True)))
        await eventually(lambda: one.gone == 1)
        assert here.last.status == 499
        assert here.stats().endpoints[0].running == 0
        writer.close()
