"""Malformed and ambiguous requests: none is served as another, and none leaves anything behind.

What reaches the engine is compared with what a second parser (`strict`) finds in the same bytes, and the engine reads
with a third one (h11).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from urllib.parse import unquote_to_bytes

import msgspec
import psutil
import pytest

from headway.gateway.near import misled
from tests.gateway.hostile import strict
from tests.gateway.hostile.corpus import REFUSED, SERVED, UNFINISHED, UNSERVED, call, post
from tests.gateway.hostile.fuzz import messages
from tests.gateway.hostile.recorder import Recorder
from tests.support.gateway import CHAT, Answer, GatewayProcess, ask, endpoint, eventually, gateway_here, raw, route

CANARY = call("canary")
BEHIND = post(b"connection: close", b"content-length: %d" % len(CANARY), body=CANARY)
MESSAGES, AT_ONCE, SEED = 10_000, 32, 9112
MOST_GROWTH = 4 * 2**20


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    one = await Recorder().start()
    yield one
    await one.stop()


def answers_in(data: bytes) -> list[Answer]:
    """All answers of one connection; raises on anything that is not a whole one."""
    found = []
    while data:
        found.append(Answer.parse(data))
        data = found[-1].rest
    return [each for each in found if each.status != 100]


async def tell(
    folder: Path,
    recorder: Recorder,
    cases: dict[str, bytes],
    judge: Callable[[bytes, list[tuple[str, bytes]]], None],
    behind: bytes = BEHIND,
    **settings: float,
) -> None:
    """Each case on its own connection to one gateway; `judge` gets what was answered and what reached the engine."""
    wrong: dict[str, str] = {}
    async with gateway_here(folder, route(endpoint(recorder.url)), **settings) as here:
        for name, data in cases.items():
            recorder.got.clear()
            said = await raw(here.port, data + behind)
            try:
                judge(said, recorder.got)
            except Exception as error:
                wrong[name] = f"{error!r}: {said!r} {recorder.got}"
        assert here.worker.gateway.bodies.held == 0
        await eventually(lambda: not here.worker.gateway.connections)
    assert wrong == {}
    assert recorder.faults == []


def refused(said: bytes, got: list[tuple[str, bytes]]) -> None:
    """One error, the connection ends, and nothing behind it is read."""
    (answer,) = answers_in(said)
    assert 400 <= answer.status < 600
    assert answer.error["code"]
    assert answer.headers["connection"] == "close"
    assert got == []


def served(said: bytes, got: list[tuple[str, bytes]]) -> None:
    """One request, and the one behind it is the next."""
    assert [each.status for each in answers_in(said)] == [200, 200]
    assert [path for path, _ in got] == [CHAT, CHAT]
    assert got[1][1] == CANARY
    assert b'"content": "smuggled"' not in got[0][1]


def unserved(said: bytes, got: list[tuple[str, bytes]]) -> None:
    """Not for engines; the one behind it is served."""
    assert said.count(b"HTTP/1.1 200 OK") >= 1
    assert got == [(CHAT, CANARY)]


def unfinished(said: bytes, got: list[tuple[str, bytes]]) -> None:
    (answer,) = answers_in(said)
    assert (answer.status, answer.error["code"]) == (408, "request_timeout")
    assert got == []


async def test_ambiguous_requests_are_refused_and_nothing_behind_them_is_read(
    tmp_path: Path, recorder: Recorder
) -> None:
    await tell(tmp_path, recorder, REFUSED, refused)


async def test_odd_requests_are_served_as_one(tmp_path: Path, recorder: Recorder) -> None:
    await tell(tmp_path, recorder, SERVED, served)


async def test_requests_for_no_engine_reach_none(tmp_path: Path, recorder: Recorder) -> None:
    await tell(tmp_path, recorder, UNSERVED, unserved)


async def test_requests_that_promise_more_than_comes_end_with_their_deadline(
    tmp_path: Path, recorder: Recorder
) -> None:
    quick = {"tick_seconds": 0.01, "head_seconds": 0.3, "body_idle_seconds": 0.3}
    await tell(tmp_path, recorder, UNFINISHED, unfinished, behind=b"", **quick)


def test_the_second_parser_agrees_with_the_corpus() -> None:
    """Else its opinion on messages that nobody has looked at is worth nothing."""
    for name, data in REFUSED.items():
        found, ending = strict.read(data + BEHIND)
        assert found == [], name
        assert ending in (strict.Ending.REFUSED, strict.Ending.INCOMPLETE), name
    for name, data in (SERVED | UNSERVED).items():
        found, ending = strict.read(data + BEHIND)
        assert ([each.body for each in found[1:]], ending) == ([CANARY], strict.Ending.CLOSED), name


# by chance


_SERVED_PATH = re.compile(r"/v1/[A-Za-z][A-Za-z0-9_-]*(/[A-Za-z0-9_.-]+)*")
_KNOWN = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")


def for_the_engine(found: Iterable[strict.Read]) -> list[tuple[str, bytes]]:
    """Which of these the gateway passes on: calls of a model that it has, by a path that a model can have, addressed to
    this machine."""
    return [
        (path, each.body)
        for each in found
        if each.method == b"POST" and (path := _path(each)) and misled({b"host": each.host}) is None
    ]


def _path(request: strict.Read) -> str:
    target = re.sub(rb"^(?i:https?)://[^/?]*", b"", request.target)
    try:
        path = unquote_to_bytes(re.split(rb"[?#]", target, maxsplit=1)[0]).decode()
        said = msgspec.json.decode(re.sub(rb"[\x80-\xff]", b"?", request.body))  # its text is the engine's to judge
    except (UnicodeDecodeError, msgspec.DecodeError):
        return ""
    if not isinstance(said, dict) or said.get("model") != "chat" or not _SERVED_PATH.fullmatch(path):
        return ""
    if len(path) > 128 or {".", ".."} & set(path.split("/")) or path.startswith("/v1/models"):
        return ""
    messages = said.get("messages")
    if path in _KNOWN and (path != _KNOWN[0] or not isinstance(messages, list) or not messages):
        return ""
    return path


async def throw(port: int, data: bytes) -> None:
    """Send it and wait for as many answers as it has requests: or for the end, where one must come."""
    found, ending = strict.read(data)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    got = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(8):
            while piece := await reader.read(65536):
                got += piece
                whole = len(re.findall(rb"HTTP/1\.1 [2-5]\d\d ", got)) >= len(found)
                if whole and ending not in (strict.Ending.CLOSED, strict.Ending.REFUSED):
                    break
                if not found and ending is strict.Ending.INCOMPLETE:
                    break
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def worker_of(gateway: GatewayProcess) -> psutil.Process:
    (worker,) = psutil.Process(gateway.child.pid).children()
    return worker


async def throw_all(port: int, all_of_them: Iterable[bytes]) -> None:
    waiting = iter(all_of_them)

    async def one_after_the_other() -> None:
        for data in waiting:
            found, ending = strict.read(data)
            if found or ending is not strict.Ending.INCOMPLETE:
                await throw(port, data)
            else:
                await throw_and_leave(port, data)

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))


async def throw_and_leave(port: int, data: bytes) -> None:
    """The gateway may wait for the rest of it."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_ten_thousand_of_them(tmp_path: Path, recorder: Recorder) -> None:
    gateway = GatewayProcess(tmp_path, route(endpoint(recorder.url)))
    try:
        await throw_all(gateway.port, messages(SEED + 1, MESSAGES))  # what is bounded is full now
        recorder.got.clear()
        worker = worker_of(gateway)
        await eventually(lambda: idle(gateway))
        before, files = worker.memory_info().rss, worker.num_fds() - recorder.connections
        expected: Counter[tuple[str, bytes]] = Counter()
        thrown = list(messages(SEED, MESSAGES))
        for data in thrown:
            expected.update(for_the_engine(strict.read(data)[0]))
        await throw_all(gateway.port, thrown)
        await eventually(lambda: idle(gateway))
        got = Counter(recorder.got)
        assert recorder.faults == []
        assert got - expected == Counter(), "smuggled"
        assert expected - got == Counter(), "lost"
        assert len(expected) > MESSAGES / 10
        await eventually(lambda: worker.num_fds() - recorder.connections <= files, what="sockets are left open")
        assert worker.memory_info().rss - before < MOST_GROWTH
        assert worker_of(gateway).pid == worker.pid, "it died"
        assert "Traceback" not in gateway.log.read_text()
    finally:
        assert gateway.stop() == 0


async def idle(gateway: GatewayProcess) -> bool:
    """Nothing runs and nobody is connected, but who asks."""
    stats = await gateway.stats()
    text = (await ask(gateway.port, "/metrics", "GET")).body
    nobody = b"headway_gateway_connections 1.0" in text and b"headway_gateway_bodies_bytes 0.0" in text
    return (stats.running, stats.waiting) == (0, 0) and nobody
