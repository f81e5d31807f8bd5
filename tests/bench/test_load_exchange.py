"""Every way that a request can end, against a server that does what a test tells it to, byte by byte."""

from __future__ import annotations

import asyncio
import errno
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from headway.bench import exchange
from tests.support.gateway import (
    CHAT,
    Asked,
    Peer,
    ScriptedEngine,
    answer_bytes,
    answers,
    completion,
    make_certificate,
    sends,
)
from tests.support.load import DONE, call, data, said, scripted, send, sending, sse, tells, usage

ROLE = data(delta={"role": "assistant", "content": ""})
STOP = data(delta={}, finish="stop")
WHOLE = sse(ROLE, said("one"), said(" two"), STOP, data(usage=usage(9, 2)), DONE)
EMPTY_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def cut_chunk(*events: bytes) -> bytes:
    """A stream that is not brought to its end."""
    return EMPTY_STREAM + b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)


async def test_a_stream_from_its_request_to_its_record() -> None:
    async with scripted(tells(WHOLE)) as engine:
        (record,) = await send(engine.url, call(7, tenant="t", cancel_after=99), keys={"t": "secret", "": "other"})
    assert (record.number, record.error, record.status, record.finish) == (7, "", 200, "stop")
    assert (record.prompt_tokens, record.output_tokens, record.wanted_tokens, record.planned_prompt) == (9, 2, 5, 8)
    assert (record.sizes, record.sized_by, len(record.gaps)) == ([3, 4], "bytes", 1)
    moments = [record.due, record.started, record.sent, record.first_byte, record.first, record.last, record.ended]
    assert None not in moments
    assert moments == sorted(moments, key=float)  # type: ignore[arg-type]
    asked = engine.asked[0]
    assert asked.line == f"POST {CHAT} HTTP/1.1"
    assert asked.headers["authorization"] == "Bearer secret"
    assert asked.headers["x-request-id"] == "bench-test-7"
    assert len(asked.json["messages"][0]["content"]) == 8 * 4
    assert asked.json["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
    assert (asked.json["max_tokens"], asked.json["min_tokens"], asked.json["ignore_eos"]) == (5, 5, True)


async def test_a_strict_server_is_sent_openais_own_fields_alone() -> None:
    async with scripted(tells(WHOLE)) as engine:
        await send(engine.url, call(adapter="law"), dialect="openai")
    assert set(engine.asked[0].json) == {"model", "messages", "max_tokens", "stream", "stream_options"}
    assert engine.asked[0].json["model"] == "m:law"
    assert engine.asked[0].json["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("url", "line"),
    [("{}", CHAT), ("{}/v1/", CHAT), ("{}/base/path", f"/base/path{CHAT}"), ("{}/base/v1", f"/base{CHAT}")],
)
async def test_base_paths(url: str, line: str) -> None:
    async with scripted(tells(WHOLE)) as engine:
        (record,) = await send(url.format(engine.url), call())
    assert record.error == ""
    assert engine.asked[0].line == f"POST {line} HTTP/1.1"


async def test_what_is_not_streamed() -> None:
    async with scripted(answers(), answers(completion(out=4))) as engine:
        chat, text = await send(engine.url, call(0, stream=False), call(1, 0.05, operation="completion", stream=False))
    assert (chat.error, chat.prompt_tokens, chat.output_tokens, chat.cached_tokens) == ("", 7, 3, 2)
    assert (chat.first, chat.last, chat.gaps, chat.finish) == (None, None, [], "stop")
    assert "stream" not in engine.asked[0].json
    assert engine.asked[1].line.startswith("POST /v1/completions ")
    assert isinstance(engine.asked[1].json["prompt"], str)
    assert text.output_tokens == 4


async def test_embeddings() -> None:
    body = json.dumps({"data": [{"embedding": [0.1, 0.2]}], "usage": {"prompt_tokens": 8}}).encode()
    async with scripted(answers(body)) as engine:
        (record,) = await send(engine.url, call(operation="embedding", output_tokens=0))
    assert (record.error, record.prompt_tokens, record.output_tokens) == ("", 8, None)
    assert set(engine.asked[0].json) == {"model", "input"}


async def test_a_refusal_is_recorded_and_not_asked_again() -> None:
    busy = json.dumps({"error": {"message": "slow down", "type": "x", "code": "rate_limited"}}).encode()
    async with scripted(answers(busy, 429, "retry-after: 3\r\n")) as engine:
        (record,) = await send(engine.url, call())
        assert len(engine.asked) == 1
    assert (record.error, record.status, record.said, record.retry_after) == ("http", 429, "slow down", 3.0)


@pytest.mark.parametrize(
    ("body", "says"),
    [(b"<html>Bad\n Gateway</html>", "<html>Bad Gateway</html>"), (b"", "no words"), (b'{"detail": "gone"}', "gone"),
     (b'{"error": {"code": 5}}', '{"code":5}'), (b"[1]", "[1]")],
)  # fmt: skip
async def test_refusals_in_any_shape(body: bytes, says: str) -> None:
    async with scripted(answers(body, 502)) as engine:
        (record,) = await send(engine.url, call())
    assert (record.error, record.status, record.said) == ("http", 502, says)


@pytest.mark.parametrize(
    ("pieces", "then", "error", "says"),
    [
        ((cut_chunk(ROLE, said("a")),), "close", "closed", "before its answer was whole"),
        ((cut_chunk(ROLE, said("a")),), "reset", "reset", "broke"),
        ((sse(ROLE, said("a"), data(error={"message": "out of memory"})),), "hang", "stream", "out of memory"),
        ((cut_chunk(ROLE, said("a"), data(error={"message": "boom"})),), "hang", "stream", "boom"),
        ((sse(ROLE, said("a")),), "hang", "stream", "without finish_reason"),
        ((sse(said("a"), b"data: {nonsense\n\n"),), "hang", "stream", "not what the API says"),
        ((EMPTY_STREAM + b"zz\r\n",), "hang", "stream", "chunk"),
        ((b"hello, I am no HTTP\r\n\r\n",), "close", "stream", "no HTTP/1.1"),
        ((answer_bytes(b"{}"),), "hang", "stream", "not what the API says"),
        ((answer_bytes(completion())[:-5],), "close", "closed", "before its answer was whole"),
    ],
)  # fmt: skip
async def test_an_answer_that_goes_wrong(pieces: tuple[bytes, ...], then: str, error: str, says: str) -> None:
    async with scripted(sends(*pieces, then=then)) as engine:
        (record,) = await send(engine.url, call())
    assert (record.error, record.status in (0, 200)) == (error, True)
    assert says in record.said
    assert record.first_byte is not None


@pytest.mark.parametrize(
    "tail",
    [EMPTY_STREAM + b"%x\r\n%b\r\n" % (len(DONE), DONE), b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"],
)
async def test_an_answer_that_is_done_is_whole_however_its_connection_ends(tail: bytes) -> None:
    """A chunked body that is never closed after [DONE], and one that only the connection's end closes."""
    events = [ROLE, said("a"), STOP, DONE]
    body = b"".join(events) if b"chunked" not in tail else b""
    wire = cut_chunk(*events) if b"chunked" in tail else tail + body
    for then in ("close", "hang"):
        async with scripted(sends(wire, then=then)) as engine:
            (record,) = await send(engine.url, call())
        assert (record.error, record.finish, record.sizes) == ("", "stop", [1])


async def test_a_server_that_says_nothing_has_a_deadline() -> None:
    async with scripted(sends(then="hang")) as engine:
        (record,) = await send(engine.url, call(), timeout=0.3)
        assert engine.gone == 1
    assert (record.error, record.status, record.first_byte) == ("timeout", 0, None)
    assert record.sent is not None


async def test_a_stream_that_falls_silent_has_the_same() -> None:
    async with scripted(sends(cut_chunk(ROLE, said("abc")), then="hang")) as engine:
        (record,) = await send(engine.url, call(), timeout=0.3)
    assert (record.error, record.sizes, record.status) == ("timeout", [3], 200)


async def test_nobody_listens() -> None:
    async with scripted() as engine:
        url = engine.url
    (record,) = await send(url, call())
    assert (record.error, record.status, record.sent) == ("connect", 0, None)
    assert record.started is not None


async def test_a_machine_that_has_run_out_of_ports_is_not_the_servers_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", full)
    (record,) = await send("http://127.0.0.1:9", call())
    assert (record.error, record.sent) == ("unsent", None)
    assert "Cannot assign" in record.said


async def test_a_header_of_ones_own_stands_for_the_key() -> None:
    async with scripted(tells(WHOLE)) as engine:
        await send(engine.url, call(), keys={"": "k"}, headers=(("Authorization", "Basic abc"), ("x-mine", "1")))
    assert engine.asked[0].headers["authorization"] == "Basic abc"
    assert engine.asked[0].headers["x-mine"] == "1"


async def test_a_caller_that_leaves_after_so_many_tokens() -> None:
    async with scripted(sends(cut_chunk(ROLE, said("a"), said("b"), said("c")), then="hang")) as engine:
        (record,) = await send(engine.url, call(cancel_after=2))
        async with asyncio.timeout(10):
            while not engine.gone:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert (record.error, record.said, len(record.sizes) >= 2) == ("cancelled", "", True)


async def test_more_at_once_than_there_are_sockets_is_said_and_not_queued() -> None:
    async with scripted(sends(then="hang")) as engine:
        records = await send(engine.url, *(call(number) for number in range(5)), sockets=3, timeout=0.5)
    assert sorted(record.error for record in records) == ["timeout"] * 3 + ["unsent"] * 2
    unsent = [record for record in records if record.error == "unsent"]
    assert all(record.sent is None and "3 sockets" in record.said for record in unsent)


async def test_a_connection_that_the_server_closed_while_it_lay_idle_costs_no_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It answers, and closes as the second request comes, without having read it."""
    monkeypatch.setattr(exchange, "_STALE", 10.0)  # on a machine that does much else

    async def once(asked: Asked, peer: Peer) -> None:
        await peer.send(WHOLE)
        await peer.reader.readexactly(1)
        peer.reset()

    async with scripted(once, tells(WHOLE)) as engine:
        first, second = await send(engine.url, call(0), call(1, 0.3))
    assert (first.error, first.said, second.error, second.said) == ("", "", "", "resent")
    assert second.sent is not None
    assert second.sent < second.due + 0.2


async def test_a_request_is_sent_a_second_time_once_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "_STALE", 10.0)
    async with scripted(tells(WHOLE), sends(then="close")) as engine:
        first, second = await send(engine.url, call(0), call(1, 0.3))
        assert len(engine.asked) == 3
    assert (first.error, second.error) == ("", "closed")


async def test_connections_are_kept_and_opened_ahead() -> None:
    many = answers(completion())
    async with scripted(many) as engine:
        records = await send(engine.url, *(call(number, number * 0.02, stream=False) for number in range(30)))
        assert engine.connections <= 20
    assert {record.error for record in records} == {""}


async def test_ipv6() -> None:
    engine = ScriptedEngine(tells(WHOLE))
    try:
        await engine.start(host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    (record,) = await send(f"http://[::1]:{engine.port}", call())
    await engine.stop()
    assert record.error == ""


async def test_tls(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    ways: list[tuple[dict[str, Any], str]] = [({"ca": certificate}, ""), ({"verify": False}, ""), ({}, "connect")]
    for way, error in ways:
        async with scripted(tells(WHOLE), tls=context) as engine:
            (record,) = await send(f"https://localhost:{engine.port}", call(), **way)
        assert record.error == error, record.said
    assert "certificate" in record.said.lower()


async def test_the_text_of_a_few_is_kept() -> None:
    async with scripted(tells(WHOLE)) as engine:
        first, second = await send(engine.url, call(0), call(1, 0.05), keep_text=1)
        asked = engine.asked[0].json["messages"][0]["content"]
    assert (first.prompt_text, first.text) == (asked, "one two")
    assert (second.prompt_text, second.text) == ("", "")


async def test_what_is_in_flight_when_a_run_is_broken_off_is_no_failure_of_the_server() -> None:
    async with scripted(sends(then="hang")) as engine, sending(engine.url) as one:
        flying = one.desk.exchange(call(), 0.0, one.requests.make(call()))
        flying.begin()
        one.desk.end_all("interrupted", "the run was broken off")
        assert [(record.error, record.said) for record in one.records] == [("interrupted", "the run was broken off")]
        assert (one.desk.failed, one.desk.ended, len(one.desk.flying)) == (0, 1, 0)
