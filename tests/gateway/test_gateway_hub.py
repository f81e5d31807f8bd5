"""The hub and its workers as processes: killed, reloaded, taken over from, and never losing what it need not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from headway.gateway.board import Board
from headway.gateway.hub.slots import Slots
from headway.gateway.settings import Tunable
from tests.gateway.conftest import Start
from tests.support.gateway import (
    DONE,
    GATE,
    STREAM_HEAD,
    Answer,
    GatewayProcess,
    answers,
    ask,
    chat_body,
    chunked,
    endpoint,
    event,
    eventually,
    request_bytes,
    route,
    sends,
)
from tests.support.processes import has_ended


@pytest.fixture
def gateways() -> Iterator[list[GatewayProcess]]:
    started: list[GatewayProcess] = []
    yield started
    for one in started:
        one.stop()


def workers_of(live: GatewayProcess) -> list[psutil.Process]:
    return psutil.Process(live.child.pid).children()


async def stream_in(port: int, worker: psutil.Process) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream that has begun on this worker."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        mine = writer.get_extra_info("sockname")[1]
        writer.write(request_bytes("/healthz", "GET", close=False))
        await reader.readuntil(b"ok\n")
        if any(each.raddr and each.raddr.port == mine for each in worker.net_connections()):
            writer.write(request_bytes(body=chat_body(stream=True), close=True))
            await reader.readuntil(event("a"))
            return reader, writer
        writer.close()


async def test_a_killed_worker_takes_only_its_own_connections(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    one = await engine(sends(STREAM_HEAD, chunked(event("a")), GATE, chunked(DONE), b"0\r\n\r\n"))
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), workers=2)
    gateways.append(live)
    first, second = workers_of(live)
    lost, lost_writer = await stream_in(live.port, first)
    kept, kept_writer = await stream_in(live.port, second)
    first.kill()
    with contextlib.suppress(ConnectionResetError):
        assert DONE not in await asyncio.wait_for(lost.read(), 10)
    psutil.wait_procs([first], timeout=10)
    while len(alive := [each for each in workers_of(live) if not has_ended(each)]) < 2:
        assert (await ask(live.port, "/healthz", "GET")).status == 200  # nobody is refused meanwhile
    assert second in alive
    assert first not in alive
    one.gate.set()
    assert DONE in await asyncio.wait_for(kept.read(), 10)
    for writer in (lost_writer, kept_writer):
        writer.close()

    async def two_answer() -> bool:
        stats = await live.stats()
        return stats.table_version == 1 and stats.running == 0 and {each.running for each in stats.endpoints} == {0}

    await eventually(two_answer)
    assert "killed by SIGKILL" in live.log.read_text()


async def test_what_a_dead_worker_counted_is_remembered(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    one = await engine(answers())
    live = GatewayProcess(tmp_path, route(endpoint(one.url)))
    gateways.append(live)
    for _ in range(7):
        assert (await ask(live.port)).status == 200
    wanted = b'headway_gateway_requests_total{model="chat",operation="chat",status="200"} 7.0'
    assert wanted in (await ask(live.port, "/metrics", "GET")).body  # so the hub has heard of them
    workers_of(live)[0].kill()
    await eventually(lambda: "killed by SIGKILL" in live.log.read_text())
    assert wanted in (await ask(live.port, "/metrics", "GET")).body
    assert len((await live.records()).records) <= 7


async def test_a_hundred_reloads_under_load_fail_nothing(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    one, two = await engine(answers()), await engine(answers())
    both = (endpoint(one.url, "chat-0"), endpoint(two.url, "chat-1"))
    live = GatewayProcess(tmp_path, route(*both), workers=2)
    gateways.append(live)
    statuses: list[int] = []
    over = asyncio.Event()

    async def caller() -> None:
        while not over.is_set():
            statuses.append((await ask(live.port)).status)

    callers = [asyncio.create_task(caller()) for _ in range(8)]
    for number in range(100):
        live.use(route(both[number % 2]), route(name=f"other-{number}"))
        enough = len(statuses) + 3
        await eventually(lambda: len(statuses) >= enough)  # noqa: B023
    over.set()
    await asyncio.gather(*callers)
    assert set(statuses) == {200}

    async def both_use_it() -> bool:
        return (await live.stats()).table_version == live.version

    await eventually(both_use_it)


async def test_a_killed_hub_leaves_its_workers_serving_and_the_next_takes_over(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    one = await engine(
        sends(STREAM_HEAD, chunked(event("a")), GATE, chunked(DONE), b"0\r\n\r\n", then="hang"), answers()
    )
    live = GatewayProcess(tmp_path, route(endpoint(one.url)))
    gateways.append(live)
    (worker,) = workers_of(live)
    reader, writer = await stream_in(live.port, worker)
    live.child.kill()
    live.child.wait()
    assert (await ask(live.port)).status == 200
    refused = await ask(live.port, "/metrics", "GET")
    assert (refused.status, refused.error["code"]) == (503, "not_ready")
    live.log.unlink()
    after = GatewayProcess(tmp_path, port=live.port)
    gateways.append(after)
    assert (await ask(live.port)).status == 200
    await eventually(lambda: "taking over from 1 workers" in after.log.read_text())
    one.gate.set()
    assert Answer.parse(b"HTTP/1.1 200 OK\r\n\r\n" + await asyncio.wait_for(reader.read(), 10)).body.endswith(
        b"\r\n\r\n"
    )
    writer.close()
    await eventually(lambda: has_ended(worker))
    for _ in range(5):
        assert (await ask(live.port)).status == 200


async def test_a_worker_that_cannot_start_does_not_make_the_hub_spin(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    one = await engine(answers())
    live = GatewayProcess(tmp_path, route(endpoint(one.url)))
    gateways.append(live)
    for count in range(1, 4):
        (worker,) = workers_of(live)
        os.kill(worker.pid, signal.SIGKILL)
        await eventually(lambda: live.log.read_text().count("killed by SIGKILL") == count)  # noqa: B023
        await eventually(lambda: [each for each in workers_of(live) if each.pid != worker.pid])  # noqa: B023
    assert (await ask(live.port)).status == 200


def test_the_board_adds_up_and_forgets_the_dead(tmp_path: Path) -> None:
    board = Board.create(tmp_path / "b", 2)
    other = Board(os.open(tmp_path / "b", os.O_RDWR), 2)  # as another process has it
    board.sections[0].add(3, 2, 100, 50)
    other.sections[1].add(3, 1, 10, 5)
    assert (board.running(3), other.running(3), board.running(4)) == (3, 3, 0)
    board.name_worker(1, 4711)
    assert Board.pids_of(tmp_path / "b") == [4711]
    board.sections[1].clear()
    assert other.running(3) == 2
    assert other.sections[0].read(3) == (2, 100, 50)
    (tmp_path / "c").write_bytes(b"not a board")
    assert Board.pids_of(tmp_path / "c") == Board.pids_of(tmp_path / "none") == []
    for each in (board, other):
        each.close()


def test_a_slot_is_given_anew_only_when_nothing_runs_there() -> None:
    running = {0: 1}
    slots = Slots(lambda slot: running.get(slot, 0))
    assert slots.assign(["a", "b"]) == {"a": 0, "b": 1}
    assert slots.assign(["b", "c"]) == {"b": 1, "c": 2}
    slots._unused = iter(())
    assert slots.assign(["b", "c", "d"]) == {"b": 1, "c": 2}  # a's request still runs
    running.clear()
    assert slots.assign(["b", "c", "d"]) == {"b": 1, "c": 2, "d": 0}


async def test_a_worker_that_no_hub_takes_over_ends(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    one = await engine(answers())
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), settings=Tunable(orphan_seconds=0.5))
    gateways.append(live)
    (worker,) = psutil.Process(live.child.pid).children()
    live.child.kill()
    live.child.wait()
    assert (await ask(live.port)).status == 200
    await eventually(lambda: has_ended(worker))
    said = live.log.read_text()
    assert "the hub is gone; serving on for 0.5 s" in said
    assert "no hub has taken over" in said
