"""`headway explain REQUEST-ID`: what is remembered of a request, how long, and what never is."""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from headway.gateway.frames import Keep
from headway.gateway.hub.archive import Archive
from headway.gateway.record import Record
from headway.gateway.story import Found, Story
from headway.gateway.table import TenantRule, TokenPrice
from headway.policy.prefix import chain
from headway.store.request_log import RequestLimits
from tests.gateway.conftest import Start
from tests.support.gateway import (
    DONE,
    ROOT,
    Asked,
    GatewayProcess,
    Peer,
    answers,
    ask,
    chunked,
    endpoint,
    event,
    eventually,
    gateway_here,
    key_for,
    route,
    sends,
    streams,
)

ACME, ACME_KEY = key_for("acme")
QUIET, QUIET_KEY = key_for("quiet")
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 3, ' \
        b'"prompt_tokens_details": {"cached_tokens": 8}}}\n\n'  # fmt: skip


@pytest.fixture
def gateways() -> Iterator[list[GatewayProcess]]:
    started: list[GatewayProcess] = []
    yield started
    for one in started:
        one.stop()


def by(key: str, *more: str) -> list[str]:
    return [f"authorization: Bearer {key}", *more]


async def story(live: GatewayProcess, request_id: str) -> Story | None:
    return msgspec.json.decode(await live.admin(f"/explain?id={request_id}"), type=Found).story


async def explain(live: GatewayProcess, request_id: str, *options: str) -> str:
    """What a person sees."""
    argv = [sys.executable, "-m", "headway", "explain", request_id, "--gateway", str(live.socket), *options]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(live: GatewayProcess) -> list[dict[str, Any]]:
    with contextlib.closing(sqlite3.connect(live.socket.with_suffix(".requests"))) as database:
        database.row_factory = sqlite3.Row
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'requests'").fetchone():
            return []
        return [dict(row) for row in database.execute("SELECT * FROM requests ORDER BY seq")]


def everything_in(folder: Path) -> bytes:
    """That the gateway wrote."""
    return b"".join(each.read_bytes() for each in folder.iterdir() if each.is_file() and each.name != "table.json")


async def logged(live: GatewayProcess, *ids: str) -> None:
    await eventually(lambda: set(ids) <= {row["id"] for row in rows(live)}, what=f"{ids} in the log")


async def test_a_request_is_told_whole_also_when_its_worker_was_killed(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    dies, works = await engine(sends(then="reset")), await engine(streams("a", "b", "c", tail=USAGE))
    live = GatewayProcess(
        tmp_path,
        route(
            endpoint(dies.url, "chat-0"),
            endpoint(works.url, "chat-1"),
            policy="round_robin",
            price=TokenPrice(1_000_000, 500_000, 2_000_000),
        ),
        workers=2,
        tenants=(TenantRule("acme", rpm=600, day_tokens=1_000_000, priority="high"),),
        keys=(ACME_KEY,),
    )
    gateways.append(live)
    ids = [f"told-{n}" for n in range(4)]  # in turn, so that the one that dies is met
    for each in ids:
        more = (f"x-request-id: {each}", "x-headway-timeout: 20s", "x-headway-priority: low")
        answer = await ask(live.port, stream=True, headers=by(ACME, *more))
        assert (answer.status, answer.headers["x-request-id"]) == (200, each)
    stories = [found for each in ids if (found := await story(live, each))]
    assert len(stories) == 4
    told = next(each for each in stories if len(each.record.attempts) == 2)
    record, charge = told.record, told.record.charge
    assert [each.failure for each in record.attempts] == ["reset", ""]
    assert record.attempts[0].ended is not None
    assert record.attempts[0].ended >= record.attempts[0].at
    assert charge is not None
    assert (charge.key, charge.tokens, record.micros) == ("acme-1", 23, 12 * 1 + 4 + 3 * 2)
    assert {each.limit: each.size for each in told.limits} == {"rpm": 600, "day_tokens": 1_000_000}
    assert all(0 < each.left <= each.size for each in told.limits)
    assert (told.found, told.deadline, record.priority) == ("worker", 20.0, "low")
    assert told.itl is not None
    assert (record.table, record.worker in (0, 1)) == (1, True)
    shown = await explain(live, record.id)
    assert f"{record.id}: stream of tenant acme to /v1/chat/completions for chat" in shown
    for line in (
        "priority low, deadline 20 s",
        "requests a minute,",
        "of 1000000 tokens this day",
        "try 1, sent to chat-0: in turn",
        "chat-0 failed it: reset",
        "try 2, sent to chat-1",
        "first byte of the answer",
        "20 prompt tokens (8 cached), 3 completion tokens",
        "charged 23 tokens, cost 0.000022 USD",
        "from the worker's memory",
    ):
        assert line in shown, f"{line!r} is not in:\n{shown}"
    await logged(live, *ids)
    for worker in psutil.Process(live.child.pid).children():
        worker.kill()
    await eventually(lambda: live.log.read_text().count("killed by SIGKILL") == 2)
    again = await story(live, record.id)
    assert again is not None
    assert again.found == "log"
    assert msgspec.structs.replace(again.record, seq=0) == msgspec.structs.replace(record, seq=0)
    assert "from the request log" in await explain(live, record.id)
    workers = psutil.Process(live.child.pid).children()
    live.child.kill()  # now there is only the file
    live.child.wait()
    for worker in workers:  # which would serve on, without a hub
        worker.kill()
    as_json = json.loads(await explain(live, record.id, "--json"))
    assert as_json["story"]["record"]["id"] == record.id


async def test_a_refusal_names_the_limit(tmp_path: Path, engine: Start, gateways: list[GatewayProcess]) -> None:
    one = await engine(answers())
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), tenants=(TenantRule("acme", rpm=1),), keys=(ACME_KEY,))
    gateways.append(live)
    assert (await ask(live.port, headers=by(ACME))).status == 200
    refused = await ask(live.port, headers=by(ACME))
    assert refused.status == 429
    found = await story(live, refused.headers["x-request-id"])
    assert found is not None
    (limit,) = found.limits
    assert (limit.limit, limit.size, limit.left, limit.refused) == ("rpm", 1, 0, True)
    assert found.record.message == refused.error["message"]
    shown = await explain(live, found.record.id)
    assert "left of its limits: 0 of 1 requests a minute" in shown
    assert "refused by its limit of 1 requests a minute" in shown
    assert "status 429, rate_limit_exceeded" in shown


async def test_who_waited_in_line_is_told_where_it_stood(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    gate = asyncio.Semaphore(0)

    async def turnstile(asked: Asked, peer: Peer) -> None:
        await gate.acquire()
        await answers()(asked, peer)

    one = await engine(turnstile)
    live = GatewayProcess(tmp_path, route(endpoint(one.url), capacity=1), workers=2)
    gateways.append(live)

    async def running(count: int) -> None:
        async def so_many() -> bool:
            return (await live.stats()).running == count

        await eventually(so_many)

    asking = []
    for number in range(3):
        asking.append(asyncio.create_task(ask(live.port, headers=[f"x-request-id: line-{number}"], deadline=60)))
        await running(number + 1)
    for _ in asking:
        gate.release()
    assert {(await each).status for each in asking} == {200}
    places = {}
    for number in range(3):
        found = await story(live, f"line-{number}")
        assert found is not None
        places[number] = [(each.where, each.ahead, each.waiting) for each in found.record.waits]
        assert found.record.waited == sum(each.seconds for each in found.record.waits)
    assert places == {0: [], 1: [("line", 0, 0)], 2: [("line", 1, 1)]}
    assert "in the model's line for a place: 1 before it, about" in await explain(live, "line-2")


async def test_the_lobby_is_told(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    async with gateway_here(tmp_path, route()) as here:
        asking = asyncio.create_task(here.ask())
        await eventually(lambda: here.stats().waiting == 1)
        here.use(route(endpoint(one.url)))
        assert (await asking).status == 200
        assert [each.where for each in here.last.waits] == ["lobby"]
        assert here.last.waited > 0


async def test_the_log_reaches_back_further_than_the_ring(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    archive = Archive(tmp_path / "r.db", Keep(1.0, 10.0))
    async with gateway_here(tmp_path, route(endpoint(one.url)), archive=archive, records_max=4) as here:
        for number in range(12):
            await ask(here.port, headers=[f"x-request-id: ring-{number}"])
        assert [each.id for each in here.records()] == [f"ring-{n}" for n in range(8, 12)]
        assert await here.crew.find("ring-0") is None
        await eventually(lambda: archive.find("ring-11"))
        await archive.write()
        found = await archive.find("ring-0")
        assert found is not None
        assert (found.model, found.status) == ("chat", 200)
    await archive.close()
    assert archive.dropped == 0


async def test_what_was_asked_is_never_kept(tmp_path: Path, engine: Start, gateways: list[GatewayProcess]) -> None:
    """And of a tenant that wants no records nothing is."""
    one = await engine(answers())
    live = GatewayProcess(
        tmp_path,
        route(endpoint(one.url)),
        tenants=(TenantRule("acme"), TenantRule("quiet", log="none")),
        keys=(ACME_KEY, QUIET_KEY),
        more=("--sample", "100%"),
    )
    gateways.append(live)
    said = [{"role": "user", "content": "marmalade " * 100}]
    turns = [said, [*said, {"role": "assistant", "content": "treacle"}, {"role": "user", "content": "more?"}]]
    for number, messages in enumerate(turns):
        more = (f"x-request-id: kept-{number}", "x-session-id: a-session")
        await ask(live.port, headers=by(ACME, *more), messages=messages, user="somebody")
    refused = await ask(live.port, headers=[f"authorization: Bearer {ACME}-mistyped", "x-request-id: kept-2"])
    assert refused.status == 401
    await ask(live.port, headers=by(QUIET, "x-request-id: hidden"), messages=said)
    await ask(live.port, headers=by(QUIET, "x-request-id: hidden"), model="nobody", messages=said)
    await logged(live, "kept-0", "kept-1", "kept-2")
    assert await story(live, "hidden") is None
    assert (await live.records()).records
    live.stop()  # which writes all that is left
    first, second, third = rows(live)
    assert (third["id"], third["kept"], third["status"]) == ("kept-2", "refused", 401)
    assert (first["tenant"], first["sampled"], first["prompt_tokens"], first["cached_tokens"]) == ("acme", 1, 7, 2)
    # It can be played again: who shares which beginning is told, by numbers that say nothing of it.
    assert first["session"] == second["session"] != b""
    shared = len(first["blocks"]) - 8  # its last block ends in the bracket that closed the messages
    assert shared >= 8
    assert second["blocks"][:shared] == first["blocks"][:shared]
    assert len(first["session"]) == 8
    raw = array.array("Q", chain(0, json.dumps(said).encode())).tobytes()
    assert raw[:8] not in first["blocks"]
    for word in (b"marmalade", b"treacle", b"somebody", b"a-session", ACME.encode(), b"hidden"):
        assert word not in everything_in(tmp_path), word


async def test_a_full_disk_hurts_no_request(
    tmp_path: Path, engine: Start, small_disk: Path, gateways: list[GatewayProcess]
) -> None:
    one = await engine(answers())
    more = ("--requests", str(small_disk / "r.db"), "--sample", "100%")
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), more=more)
    gateways.append(live)
    for number in range(5):
        assert (await ask(live.port, headers=[f"x-request-id: full-{number}"])).status == 200
    await eventually(lambda: "requests are not logged" in live.log.read_text())
    assert live.log.read_text().count("requests are not logged") == 1
    found = await story(live, "full-0")
    assert found is not None
    assert found.found == "worker"


async def test_a_folder_that_is_not_there_hurts_no_request(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    one = await engine(answers())
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), more=("--requests", "/proc/no/such/file"))
    gateways.append(live)
    assert (await ask(live.port)).status == 200
    await eventually(lambda: "requests are not logged" in live.log.read_text())
    assert (await ask(live.port)).status == 200


async def test_nothing_is_kept_where_nobody_wants_it(
    tmp_path: Path, engine: Start, gateways: list[GatewayProcess]
) -> None:
    one = await engine(answers())
    live = GatewayProcess(tmp_path, route(endpoint(one.url)), more=("--requests", "none"))
    gateways.append(live)
    await ask(live.port, headers=["x-request-id: here"])
    assert (await story(live, "here") or Story(Record(0, "", 0, ""), "log", 0)).found == "worker"
    assert await story(live, "elsewhere") is None
    assert live.stop() == 0
    assert not live.socket.with_suffix(".requests").exists()


async def test_retention_of_a_live_log(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    archive = Archive(tmp_path / "r.db", Keep(1.0, 10.0), RequestLimits(rows=5))
    async with gateway_here(tmp_path, route(endpoint(one.url)), archive=archive) as here:
        for number in range(12):
            await ask(here.port, headers=[f"x-request-id: kept-{number}"])
        await eventually(lambda: archive.find("kept-11"))
        await archive.write()
    assert await archive.find("kept-6") is None
    assert await archive.find("kept-7") is not None
    await archive.close()


def test_a_share_that_is_none(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "headway.gateway", "--table", "t.json", "--sample", "120%"]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert done.stderr == "headway gateway: --sample 120%; write a share like 1% or 0.01, from 0 to 100%\n"


async def test_an_answer_that_broke_off_is_told(tmp_path: Path, engine: Start) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    one = await engine(sends(head, chunked(event("a")), then="reset"))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        assert DONE not in (await ask(here.port, stream=True)).body
        assert (here.last.status, here.last.error) == (200, "engine_failed")
        assert here.last.attempts[0].failure == "reset"
