"""Whole runs: processes that send, one that collects; how they begin, how they are ended, what is kept when one
breaks."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from headway.bench import crew
from headway.bench.conduct import conduct
from headway.bench.plan import Progress, RunPlan, Target
from headway.bench.record import Record
from headway.bench.schedule import share_of, traffic_of
from headway.errors import Cancelled, HeadwayError, ResourceError, UnreachableError, UsageError
from headway.spec.check import workload_from_json
from headway.spec.workload import Workload
from tests.support.gateway import answers
from tests.support.load import scripted
from tests.support.mock_engine import ROOT, engines
from tests.support.processes import running

CHAT = {"name": "test", "model": "mock", "prompt": 20, "output": 4}


def workload(**fields: Any) -> Workload:
    return workload_from_json(CHAT | fields)


def open_loop(rate: str, lasts: str = "1s", **fields: Any) -> Workload:
    return workload(arrivals={"rate": rate, "pattern": "constant"}, **{"for": lasts}, **fields)


def plan(url: str, load: Workload, **more: Any) -> RunPlan:
    target = {name: more.pop(name) for name in ("keys", "dialect", "headers") if name in more}
    return RunPlan(workload=load, target=Target(url=url, **target), **{"workers": 1, "drain": 10.0, **more})


def children() -> list[psutil.Process]:
    return running(psutil.Process().children(), "headway.bench.worker")


async def test_each_request_of_the_schedule_has_one_record_however_many_send() -> None:
    load = open_loop("100/s", stream=True, sessions={"turns": 2, "think": "10ms"})
    wanted = list(traffic_of(load, None, None))
    async with engines("--itl", "0.001") as engine:
        for workers in (1, 3):
            records: list[Record] = []
            facts = await conduct(plan(engine.url, load, workers=workers), records.append)
            there = {one.number for one in wanted}
            assert {record.number for record in records} <= there
            firsts = {one.number for one in wanted if not one.turn}
            assert firsts <= {record.number for record in records}
            assert len({record.number for record in records}) == len(records)
            assert {record.error for record in records} == {""}
            assert [each.role for each in facts.generators] == ["sender"] * workers + ["collector"]
            assert (facts.drained, facts.interrupted, facts.stopped, facts.faults) == (True, False, None, [])
            assert all(each.cpu > 0 for each in facts.generators)
            assert facts.generators[0].loop_delays
    assert not children()


def test_the_shares_of_all_are_the_whole_and_sessions_stay_together() -> None:
    load = open_loop("100/s", sessions={"turns": 3, "think": "10ms"})
    wanted = list(traffic_of(load, None, 7))
    shares = [list(share_of(iter(wanted), number, 3)) for number in range(3)]
    assert sorted(one.number for share in shares for one in share) == [one.number for one in wanted]
    homes = [{one.session for one in share} for share in shares]
    assert not homes[0] & homes[1]
    assert not homes[1] & homes[2]


async def test_the_same_seed_sends_the_same_requests_with_fresh_text() -> None:
    async with scripted(answers()) as engine:
        texts = []
        for salt in (None, 5, 5):
            before = len(engine.asked)
            load = open_loop("20/s", "500ms", stream=False)
            await conduct(plan(engine.url, load, preflight=False, scrape="", salt=salt), _nowhere)
            asked = sorted(engine.asked[before:], key=lambda each: each.headers["x-request-id"].rsplit("-", 1)[1])
            texts.append([each.json["messages"][0]["content"] for each in asked])
    assert [len(each) for each in texts[0]] == [len(each) for each in texts[1]]
    assert texts[0] != texts[1]
    assert texts[1] == texts[2]


async def test_whoever_watches_can_end_the_sending() -> None:
    seen: list[Progress] = []
    records: list[Record] = []

    def watch(progress: Progress) -> bool:
        seen.append(progress)
        return progress.sent >= 20

    async with engines("--ttft", "0.3", "--itl", "0.01") as engine:
        facts = await conduct(plan(engine.url, open_loop("50/s", "30s")), records.append, watch=watch)
    assert facts.stopped is not None
    assert 0.3 < facts.stopped < 20
    assert facts.stopped < facts.ended < 25
    assert (facts.interrupted, facts.drained) == (False, True)
    assert {record.error for record in records} == {""}
    assert seen[-1].seconds == 30
    assert [each.ended for each in seen] == sorted(each.ended for each in seen)


async def test_a_worker_that_dies_is_a_fault_and_the_others_records_are_kept() -> None:
    records: list[Record] = []

    def watch(progress: Progress) -> None:
        alive = children()
        if progress.ended >= 30 and len(alive) == 2:
            alive[0].send_signal(signal.SIGKILL)

    async with engines("--itl", "0.001") as engine:
        facts = await conduct(plan(engine.url, open_loop("100/s", "30s"), workers=2), records.append, watch=watch)
    assert len(facts.faults) == 1
    assert "was killed by signal 9" in facts.faults[0]
    assert facts.stopped is not None
    assert facts.stopped < 25
    assert len(records) >= 30
    assert len([each for each in facts.generators if each.role == "sender"]) == 1
    assert not children()


async def test_a_sink_that_cannot_go_on_ends_the_run_and_keeps_what_it_had() -> None:
    records: list[Record] = []

    def sink(record: Record) -> None:
        if len(records) == 10:
            raise ResourceError("records.jsonl: no space left on device", hint="make room")
        records.append(record)

    async with engines("--itl", "0.001") as engine:
        with pytest.raises(ResourceError, match="no space left"):
            await conduct(plan(engine.url, open_loop("100/s", "30s")), sink)
    assert len(records) == 10
    assert not children()


async def test_a_watch_that_raises_ends_the_run_too() -> None:
    def watch(progress: Progress) -> None:
        raise ZeroDivisionError

    async with engines("--itl", "0.001") as engine:
        with pytest.raises(ZeroDivisionError):
            await conduct(plan(engine.url, open_loop("10/s", "30s")), _nowhere, watch=watch)
    assert not children()


RUN = """
import sys
from headway.bench.plan import RunPlan, Target
from headway.bench.run import run
from headway.spec.check import workload_from_json

fields = {"name": "t", "model": "mock", "prompt": 20, "output": 4, "for": "60s",
          "arrivals": {"rate": "50/s", "pattern": "constant"}}
plan = RunPlan(workload=workload_from_json(fields), target=Target(url=sys.argv[1]), workers=1, drain=20.0)
count = 0

def sink(record):
    global count
    count += 1
    if count == 20:
        print("under way", flush=True)

facts = run(plan, sink)
print(count, facts.interrupted, facts.stopped is not None, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_ends_a_run_and_keeps_its_records(number: signal.Signals) -> None:
    async with engines("--itl", "0.001") as engine:
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", RUN, engine.url, cwd=ROOT, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert program.stdout is not None
        async with asyncio.timeout(60):
            assert await program.stdout.readline() == b"under way\n"
            program.send_signal(number)
            out, err = await program.communicate()
    assert (program.returncode, err.decode()) == (0, "")
    count, interrupted, stopped = out.decode().split()
    assert int(count) >= 20
    assert (interrupted, stopped) == ("True", "True")


async def test_ctrl_c_twice_waits_for_nothing() -> None:
    """What is in flight says nothing of the server then."""
    records: list[Record] = []
    loop = asyncio.get_running_loop()

    def watch(progress: Progress) -> None:
        if progress.sent >= 10:
            os.kill(os.getpid(), signal.SIGINT)
            loop.call_later(0.5, os.kill, os.getpid(), signal.SIGINT)

    async with engines("--silent", "requests") as engine:
        asked = plan(engine.url, open_loop("50/s", "60s"), preflight=False, drain=60.0)
        facts = await conduct(asked, records.append, watch=watch)
    assert facts.interrupted
    assert not facts.drained
    assert len(records) >= 10
    assert {(record.error, record.said) for record in records} == {("interrupted", "the run was broken off")}


async def test_workers_do_not_outlive_whom_they_work_for() -> None:
    async with engines("--itl", "0.001") as engine:
        program = await asyncio.create_subprocess_exec(
            sys.executable, "-c", RUN, engine.url, cwd=ROOT, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert program.stdout is not None
        async with asyncio.timeout(60):
            assert await program.stdout.readline() == b"under way\n"
            workers = psutil.Process(program.pid).children()
            program.kill()
            await program.wait()
    assert workers
    assert not psutil.wait_procs(workers, timeout=30)[1]


async def test_what_has_not_ended_when_the_drain_is_over_has_failed() -> None:
    records: list[Record] = []
    async with engines("--silent", "requests") as engine:
        asked = plan(engine.url, open_loop("10/s"), preflight=False, drain=0.3)
        facts = await conduct(asked, records.append)
    assert (facts.drained, facts.interrupted, facts.stopped) == (False, False, None)
    assert len(records) == 10
    assert {(record.error, record.said) for record in records} == {
        ("timeout", "no whole answer 0.3 s after the last was sent")
    }


async def test_ctrl_c_before_the_run_begins_is_cancelled() -> None:
    async with engines("--silent", "requests") as engine:
        running = asyncio.create_task(conduct(plan(engine.url, open_loop("10/s")), _nowhere))
        async with asyncio.timeout(30):
            while not children():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Cancelled, match="before the run began"):
            await running
    assert not children()


async def test_the_servers_counters_come_along() -> None:
    async with engines("--ttft", "0.01", "--itl", "0.005") as engine:
        facts = await conduct(plan(engine.url, open_loop("20/s", "1500ms")), _nowhere)
    assert len(facts.server) >= 3
    first, last = facts.server[0].values, facts.server[-1].values
    assert last["vllm:generation_tokens_total"] - first["vllm:generation_tokens_total"] == 30 * 4
    assert [sample.at for sample in facts.server] == sorted(sample.at for sample in facts.server)


@pytest.mark.parametrize(
    ("flags", "more", "error", "says"),
    [
        ((), {"load": {"model": "mok"}}, HeadwayError, "does not serve 'mok'.*did you mean 'mock'"),
        (("--fault", "status=401"), {}, HeadwayError, "refuses a request without a key"),
        (("--fault", "status=403"), {"keys": {"": "k"}}, HeadwayError, "refuses the key"),
        (("--silent", "all"), {"timeout": 0.5}, UnreachableError, "no answer within 0.5 s"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_said_before_any_load(
    flags: tuple[str, ...], more: dict[str, Any], error: type[HeadwayError], says: str
) -> None:
    load = open_loop("10/s", **more.pop("load", {}))
    async with engines(*flags) as engine:
        with pytest.raises(error, match=says) as caught:
            await conduct(plan(engine.url, load, **more), _must_not)
    assert "\n" not in str(caught.value)
    assert not children()


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("ftp://x", UsageError, "no address of a server"),
        ("http://user:pass@x", UsageError, "no address of a server"),
        ("http://host.invalid:80", UnreachableError, "is not known"),
    ],
)
async def test_addresses_that_are_none(url: str, error: type[HeadwayError], says: str) -> None:
    with pytest.raises(error, match=says):
        await conduct(plan(url, open_loop("10/s")), _must_not)
    assert not children()


async def test_nobody_listens() -> None:
    async with scripted() as engine:
        url = engine.url
    with pytest.raises(UnreachableError, match=r"nobody listens at 127\.0\.0\.1"):
        await conduct(plan(url, open_loop("10/s")), _must_not)


async def test_a_server_that_refuses_what_openai_does_not_know_is_asked_without_it() -> None:
    refusal = json.dumps({"error": {"message": "Unknown parameter: 'min_tokens'"}}).encode()
    models = json.dumps({"data": [{"id": "mock"}]}).encode()
    async with scripted(answers(models), answers(refusal, 400), answers()) as engine:
        records: list[Record] = []
        load = open_loop("10/s", "500ms", stream=False)
        await conduct(plan(engine.url, load, scrape=""), records.append)
        bodies = [each.json for each in engine.asked[1:]]
    assert "min_tokens" in bodies[0]
    assert all("min_tokens" not in body and "ignore_eos" not in body for body in bodies[1:])
    assert [record.error for record in records] == [""] * 5


async def test_an_adapter_is_asked_for_by_the_name_that_the_server_has_for_it() -> None:
    """`mock:law` on Headway; engines serve it as `law`."""
    load = open_loop("20/s", "500ms", mix=[{"weight": 1}, {"weight": 1, "adapter": "law"}])
    records: list[Record] = []
    async with engines("--adapters", "law") as engine:
        await conduct(plan(engine.url, load), records.append)
    assert {(record.adapter, record.error) for record in records} == {("", ""), ("law", "")}


async def test_a_trace_that_cannot_be_read_is_said_before_any_load(tmp_path: Path) -> None:
    load = workload_from_json({"name": "t", "model": "mock", "trace": {"file": str(tmp_path / "none.csv")}})
    with pytest.raises(HeadwayError, match=r"none\.csv"):
        await conduct(plan("http://127.0.0.1:9", load), _must_not)


async def test_a_worker_that_cannot_begin_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async with engines() as engine:
        monkeypatch.setattr(crew.sys, "executable", "/bin/false")
        with pytest.raises(HeadwayError, match="a process of the load generator ended with 1"):
            await conduct(plan(engine.url, open_loop("10/s")), _must_not)


def test_the_program_begins_without_what_only_runs_need() -> None:
    """`import headway.bench.plan` is what the command line pays for."""
    code = "import sys, headway.bench.plan; print([n for n in ('numpy', 'uvloop', 'asyncio') if n in sys.modules])"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == "[]"


def _nowhere(record: Record) -> None:
    """Nobody wants it."""


def _must_not(record: Record) -> None:
    raise AssertionError("a request was sent")
