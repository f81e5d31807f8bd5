"""Each fault on request, seen on the wire; connections that misbehave; flags that cannot be."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.engines.mock_faults import Fault, Faults, parse
from headway.engines.mock_text import BadRequest
from tests.support.mock_engine import DEADLINE, Engines, engines, exchange, request

ASK = {"prompt": "a", "max_tokens": 20}
STREAM = {**ASK, "stream": True}
PATH = "/v1/completions"


async def told(to: Engines, body: object, fault: str) -> bytes:
    return await exchange(to.port, request("POST", PATH, body, x_mock_fault=fault))


@contextlib.asynccontextmanager
async def connected(port: int, sent: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which this was sent; closed at the end, however that comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    try:
        writer.write(sent)
        await writer.drain()
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def read_events(reader: asyncio.StreamReader, events: int) -> None:
    """Read until so many events are there, and no further."""
    data = b""
    async with asyncio.timeout(DEADLINE):
        while data.count(b"data: ") < events:
            data += await reader.readuntil(b"\n\n")


async def gone(to: Engines, completion_tokens: int, requests: int = 1) -> None:
    """Until the ledger has the requests that were left, with so many tokens."""
    async with asyncio.timeout(DEADLINE):
        while True:
            totals = await to.json("/mock/totals")
            if totals["aborted"]["requests"] == requests:
                break
    assert totals["aborted"]["completion_tokens"] == completion_tokens
    assert totals["under_way"] == {"running": 0, "waiting": 0}


async def test_status_with_retry_after() -> None:
    async with engines() as to:
        head = await told(to, ASK, "status=429;retry-after=3")
        assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        assert b"retry-after: 3\r\n" in head
        assert b'"rate_limit_exceeded"' in head
        assert (await told(to, ASK, "status=503")).startswith(b"HTTP/1.1 503 ")
        assert (await told(to, ASK, "none")).startswith(b"HTTP/1.1 200 ")
        assert (await to.json("/mock/totals"))["faults"] == {"status": 2}


async def test_half_close_after_tokens() -> None:
    async with engines() as to:
        data = await told(to, STREAM, "half-close-after=5")
        assert data.count(b'"text":"') == 5
        assert not data.endswith(b"0\r\n\r\n")
        await gone(to, 5)
        head, _, body = (await told(to, ASK, "half-close-after=5")).partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        assert 0 < len(body) < length
        await gone(to, 10, requests=2)


@pytest.mark.parametrize("body", [ASK, STREAM])
async def test_reset_after_tokens(body: object) -> None:
    async with engines() as to:
        with pytest.raises(ConnectionResetError):
            await told(to, body, "reset-after=5")
        await gone(to, 5)
        with pytest.raises(ConnectionResetError):
            await told(to, body, "reset-after=0")
        assert (await told(to, body, "reset-after=21")).count(b"HTTP/1.1 200") == 1


async def test_stall_after_tokens_ends_with_the_caller() -> None:
    async with engines() as to:
        async with connected(to.port, request("POST", PATH, STREAM, x_mock_fault="stall-after=5")) as (reader, _):
            await read_events(reader, 5)
            assert (await to.json("/mock/totals"))["under_way"] == {"running": 1, "waiting": 0}
        await gone(to, 5)


async def test_malformed_and_no_done() -> None:
    async with engines() as to:
        broken = await told(to, STREAM, "malformed")
        assert broken.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
        assert broken.count(b"data: {") == 20 + 1 + 1
        assert b'{"content": \n\n' in broken
        assert (await told(to, ASK, "malformed")).endswith(b'{"content": ')
        cut = await told(to, STREAM, "no-done")
        assert cut.endswith(b"\r\n0\r\n\r\n")
        assert b"[DONE]" not in cut


async def test_slow_and_silent_let_their_callers_go() -> None:
    async with engines() as to:
        assert (await told(to, ASK, "slow=0.01")).startswith(b"HTTP/1.1 200 ")
        for fault, seen in (("slow=3000", 2), ("silent", 1)):
            async with connected(to.port, request("POST", PATH, ASK, x_mock_fault=fault)), asyncio.timeout(DEADLINE):
                while (await to.json("/mock/totals"))["faults"].get(fault.partition("=")[0], 0) < seen:
                    pass
        assert (await to.json("/mock/totals"))["finished"]["requests"] == 1


async def test_a_share_of_all_requests_by_lot_and_a_wish_goes_first() -> None:
    async with engines("--fault", "status=500", "--fault-share", "0.5", "--seed", "3") as to:
        answers = [(await to.post(PATH, ASK))[0] for _ in range(40)]
        assert 8 < answers.count(500) < 32
        assert answers.count(200) + answers.count(500) == 40
        assert {(await to.post(PATH, ASK, x_mock_fault="none"))[0] for _ in range(20)} == {200}
    lots = [Faults((parse("silent"),), 0.5, seed=3) for _ in range(2)]
    assert [lots[0].draw("") for _ in range(50)] == [lots[1].draw("") for _ in range(50)]


@pytest.mark.parametrize(
    "spec",
    ["sad", "slow", "slow=x", "status=200", "status=600", "reset-after=1.5", "silent=3", "no-done;retry-after=3"],
)
async def test_a_wish_that_is_none_is_refused(spec: str) -> None:
    with pytest.raises(BadRequest, match="fault"):
        parse(spec)


@given(st.text(max_size=40))
def test_any_text_is_a_fault_or_is_refused(text: str) -> None:
    with contextlib.suppress(BadRequest):
        assert isinstance(parse(text), Fault)


async def test_pipelined_requests_are_answered_in_order_many_of_them() -> None:
    async with engines() as to:
        many = [request("POST", PATH, {"prompt": "a", "max_tokens": n % 7 + 1}, close=False) for n in range(300)]
        raw = await exchange(to.port, b"".join(many) + request("GET", "/health"))
        parts = raw.split(b"HTTP/1.1 200 OK\r\n")[1:]
        found = [int(part.partition(b'"completion_tokens":')[2].partition(b",")[0]) for part in parts[:-1]]
        assert found == [n % 7 + 1 for n in range(300)]
        assert b'"ok"' in parts[-1]


async def test_a_slow_reader_holds_up_nothing_and_misses_nothing() -> None:
    """Its 30,000 events (4 MB) do not fit the sockets: they are made when there is room."""
    sent = request("POST", PATH, {**STREAM, "max_tokens": 30_000})
    async with engines() as to, connected(to.port, sent) as (reader, _), asyncio.timeout(DEADLINE):
        while (await to.json("/mock/totals"))["finished"]["completion_tokens"] < 30_000:
            pass
        data = await reader.read()
        assert data.count(b'"text":"') == 30_001
        assert data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


async def test_chunked_bodies_and_expect_continue() -> None:
    async with engines() as to:
        head = f"POST {PATH} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nexpect: 100-continue\r\n".encode()
        sent = head + b'transfer-encoding: chunked\r\n\r\n8\r\n{"prompt\r\n6\r\n":"a"}\r\n0\r\n\r\n'
        raw = await exchange(to.port, sent)
        assert raw.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--profile", "h200"], "no profile 'h200'; use one of instant, h100-8b, l4-8b, qwen32b-2xh100"),
        (["--profile", "/none.json"], "profile /none.json: No such file or directory"),
        (["--kv-tokens", "3"], "kv_tokens is too small; use 16 or more"),
        (["--speeds", "1,2"], "--speeds: found 2 for --count 1"),
        (["--time-scale", "0"], "0 is not above 0"),
        (["--fault", "sad"], "no such fault; use one of"),
        (["--adapters", "a,mock"], "a name is there twice"),
        (["--port", "65000", "--count", "900"], "there are no 900 ports"),
    ],
)
def test_flags_that_cannot_be_are_one_line(flags: list[str], said: str) -> None:
    command = [sys.executable, "-m", "headway.engines.mock_server", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]


async def test_a_taken_port_is_one_line() -> None:
    async with engines() as to:
        command = [sys.executable, "-m", "headway.engines.mock_server", "--port", str(to.port)]
        done = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        assert done.stderr is not None
        said = (await asyncio.wait_for(done.stderr.read(), DEADLINE)).decode()
        assert await done.wait() == 1
        assert said.startswith(f"mock engine: error: cannot listen on 127.0.0.1:{to.port}: ")


async def test_after_a_half_close_nothing_more_is_heard() -> None:
    """What follows on the connection is not answered, and does the engine no harm."""
    sent = request("POST", PATH, STREAM, close=False, x_mock_fault="half-close-after=2")
    async with engines() as to:
        async with connected(to.port, sent) as (reader, writer):
            await read_events(reader, 2)
            rest = await asyncio.wait_for(reader.read(), DEADLINE)
            assert rest in (b"", b"\r\n")  # the end of the last chunk, if it was not read yet
            writer.write(b"rubbish\r\n\r\n" + request("GET", "/health"))
            await writer.drain()
        assert await to.json("/health") == {"status": "ok"}


async def test_rubbish_behind_a_request_cuts_its_answer_and_says_nothing_into_it() -> None:
    async with engines() as to:
        sent = request("POST", PATH, STREAM, close=False, x_mock_fault="stall-after=1")
        data = await exchange(to.port, sent + b"rubbish\r\n\r\n")
        assert b"HTTP/1.1 400" not in data
        await gone(to, data.count(b'"text":"'))
