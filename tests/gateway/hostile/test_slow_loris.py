"""Two thousand callers that never end what they begin: the others are answered, and each of them is cut off."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from headway.gateway.settings import Tunable
from tests.gateway.conftest import Start
from tests.support.gateway import CHAT, Answer, GatewayProcess, answers, ask, endpoint, eventually, route

CROWD, TEETH = 2_000, 0.3
MOST_EACH = 16 * 1024
HEAD = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\n".encode()


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CROWD + 256
    if hard != resource.RLIM_INFINITY and hard < 2 * wanted:
        pytest.skip(f"needs {2 * wanted} open files, and the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Loris(asyncio.Protocol):
    """Says how it begins, and then a drop at a time."""

    def __init__(self, begins: bytes, drop: bytes) -> None:
        self.begins, self.drop = begins, drop
        self.got = b""
        self.gone = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self.begins)

    def data_received(self, data: bytes) -> None:
        self.got += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True

    @property
    def holds(self) -> bool:
        return self._transport is not None and not self.gone

    def drip(self) -> None:
        if self._transport and not self.gone:
            self._transport.write(self.drop)

    def close(self) -> None:
        if self._transport:
            self._transport.abort()


def of_each_kind(number: int) -> Loris:
    kinds = (
        (b"", b""),
        (HEAD, b"x"),
        (HEAD + b"content-length: 100000\r\n\r\n{", b" "),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n{\r\n"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n5;x=", b"x"),
    )
    return Loris(*kinds[number % len(kinds)])


async def test_two_thousand_slow_callers_do_not_stop_others(tmp_path: Path, engine: Start, many_files: None) -> None:
    one = await engine(answers())
    patience = Tunable(head_seconds=3.0, body_idle_seconds=3.0, body_rate=256)
    gateway = GatewayProcess(tmp_path, route(endpoint(one.url)), settings=patience)
    crowd = [of_each_kind(number) for number in range(CROWD)]
    loop = asyncio.get_running_loop()
    answered_beside = 0

    async def drip() -> None:
        while not all(each.gone for each in crowd):
            for each in crowd:
                each.drip()
            await asyncio.sleep(TEETH)

    try:
        assert (await ask(gateway.port)).status == 200
        (worker,) = psutil.Process(gateway.child.pid).children()
        before, files = worker.memory_info().rss, worker.num_fds()

        async def one_beside_them() -> None:
            nonlocal answered_beside
            got = await ask(gateway.port, headers=["x-headway-timeout: 20s"])
            assert got.status == 200
            if sum(each.holds for each in crowd) > CROWD / 2:
                answered_beside += 1
                assert worker.memory_info().rss - before < CROWD * MOST_EACH

        for start in range(0, CROWD, 100):
            makers = (
                loop.create_connection(lambda each=each: each, "127.0.0.1", gateway.port)
                for each in crowd[start : start + 100]
            )
            await asyncio.gather(*makers)
            await one_beside_them()
        dripping = asyncio.create_task(drip())
        while not all(each.gone for each in crowd):
            await one_beside_them()
        await dripping
        assert answered_beside >= 10
        told = [Answer.parse(each.got) for each in crowd if each.got]
        assert {each.status for each in told} == {408}
        await eventually(lambda: worker.num_fds() <= files, what="sockets are left open")
        assert "Traceback" not in gateway.log.read_text()
    finally:
        for each in crowd:
            each.close()
        assert gateway.stop() == 0
        with contextlib.suppress(ConnectionError):
            await asyncio.sleep(0)
