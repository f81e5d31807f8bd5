"""A Replica's life on the local Site, with real processes."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from headway.policy.decision import Action, Reason
from headway.policy.restart import RestartSettings
from headway.sites.base import ReplicaState
from headway.sites.local import LocalSite, supervisor
from headway.wire.probe import get
from tests.support.sites import (
    QUICK,
    RiggedEngine,
    engines_of,
    eventually,
    kill,
    pids,
    revision,
    room,
    site_in,
    until,
    until_state,
)

READY = ReplicaState.READY


async def test_start_to_ready_and_all_that_is_told(folder: Path) -> None:
    async with site_in(folder, inventory=room(cores=4)) as site:
        wanted = revision()
        await site.ensure(wanted, 2)
        assert {each.state for each in site.replicas()} == {ReplicaState.PREPARING}
        ready = await until_state(site, READY, 2)
        assert [each.name for each in ready] == [f"chat-{wanted.id[:6]}-0", f"chat-{wanted.id[:6]}-1"]
        assert len({each.port for each in ready}) == 2
        for each in ready:
            assert (await get(each.host, each.port, "/health", timeout=5)).status == 200
            assert (each.incarnation, each.restarts, each.threads) == (1, 0, 2)
            assert each.derived["threads"] == "2 of 4 cores: 2 replicas share this machine"
            assert each.derived["memory"] == "said by the test"
            assert each.started_at
            assert each.ready_at
            assert each.started_at <= each.ready_at
            environ = psutil.Process(each.pid).environ()
            assert environ["HEADWAY_REPLICA"] == each.name
            assert environ["CUDA_VISIBLE_DEVICES"] == ""
        await until(site, lambda seen: all(each.signals and each.signals.running == 0 for each in seen))
        told = site.decisions()
        assert [each.action for each in told].count(Action.START) == 2
        assert [each.reason for each in told].count(Reason.READY) == 2
        assert site.decisions() == []
        await site.ensure(wanted, 1)  # never ends a Replica
        assert len(site.replicas()) == 2


async def test_a_killed_engine_is_back_at_once_and_its_waits_do_not_grow(folder: Path) -> None:
    async with site_in(folder, settings=replace(QUICK, restart=RestartSettings())) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, READY)
        for count in range(1, 6):
            before = seen
            kill(before.pid)
            (seen,) = await until(site, lambda now, count=count: now[0].restarts == count and now[0].state is READY)
            assert seen.pid != before.pid
            assert seen.port != before.port
            assert seen.incarnation == before.incarnation + 1
        restarts = [each for each in site.decisions() if each.action is Action.RESTART]
        assert [each.reason for each in restarts] == [Reason.KILLED_FROM_OUTSIDE] * 5
        assert [each.look_again for each in restarts] == [0.0] * 5
        assert "SIGKILL" in restarts[0].message


async def test_an_engine_that_dies_at_start_backs_off_and_is_named_a_crash_loop(folder: Path) -> None:
    async with site_in(folder) as site:
        await site.ensure(revision(exit_at_start=3), 1)
        (failed,) = await until_state(site, ReplicaState.FAILED)
        assert failed.reason is Reason.CRASH_LOOP
        assert "ended 3 times in a row; exited with status 3: " in failed.message
        assert "error" in failed.message.lower()
        assert failed.next_action == "headway logs chat"
        assert (failed.pid, failed.port) == (None, 0)
        delays = [each.look_again for each in site.decisions() if each.action is Action.RESTART]
        assert delays == [0.02, 0.04, 0.2]
        await until(site, lambda now: now[0].incarnation > failed.incarnation)  # and yet it is tried again


async def test_an_engine_that_hangs_at_start_is_ended(folder: Path) -> None:
    async with site_in(folder, RiggedEngine(start_seconds=0.5)) as site:
        await site.ensure(revision(hang_at_start=True), 1)
        (seen,) = await until(site, lambda now: now[0].reason is Reason.START_TIMEOUT)
        assert "not ready within 0.5 s" in seen.message
        # It hangs again, and is ended again: each time there is one engine, the one that is shown.
        await until(site, lambda now: now[0].incarnation >= 2 and engines_of(folder) == [now[0].pid])


async def test_an_engine_that_falls_silent_is_ended_and_started_again(folder: Path) -> None:
    async with site_in(folder) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, READY)
        kill(seen.pid, signal.SIGSTOP)  # the kernel still accepts its connections
        (back,) = await until(site, lambda now: now[0].incarnation == 2 and now[0].state is READY)
        assert back.restarts == 1
        reasons = [each.reason for each in site.decisions() if each.action is Action.RESTART]
        assert reasons == [Reason.NOT_ANSWERING]
        assert not psutil.pid_exists(seen.pid or 0)


async def test_drain_ends_it_with_sigterm(folder: Path) -> None:
    async with site_in(folder) as site:
        await site.ensure(revision(), 2)
        first, second = await until_state(site, READY, 2)
        await site.drain(first.name, grace=30)
        assert {each.name: each.state for each in site.replicas()}[first.name] is ReplicaState.DRAINING
        left = await until(site, lambda now: len(now) == 1)
        assert left[0].pid == second.pid
        assert engines_of(folder) == [second.pid]
        await site.drain(first.name, grace=30)  # gone: nothing to do
        await site.ensure(revision(), 2)
        names = {each.name for each in site.replicas()}
        assert names == {first.name, second.name}, "the lowest free number"
        fresh = await until_state(site, READY, 2)
        assert {each.incarnation for each in fresh if each.name == first.name} == {2}, "no endpoint id twice"


async def test_an_engine_that_ignores_sigterm_is_killed_after_grace(folder: Path) -> None:
    async with site_in(folder) as site:
        await site.ensure(revision(ignore_sigterm=True), 1)
        (seen,) = await until_state(site, READY)
        await site.drain(seen.name, grace=0.3)
        await until(site, lambda now: not now)
        assert engines_of(folder) == []


async def test_a_second_drain_can_only_hurry(folder: Path) -> None:
    async with site_in(folder) as site:
        await site.ensure(revision(ignore_sigterm=True), 1)
        (seen,) = await until_state(site, READY)
        await site.drain(seen.name, grace=3600)
        await site.drain(seen.name, grace=0.1)
        await site.drain(seen.name, grace=3600)
        await until(site, lambda now: not now)


async def test_a_replica_is_drained_while_it_starts(folder: Path) -> None:
    async with site_in(folder) as site:
        await site.ensure(revision(hang_at_start=True), 1)
        (seen,) = await until_state(site, ReplicaState.STARTING)
        await site.drain(seen.name, grace=5)
        await until(site, lambda now: not now)
        assert engines_of(folder) == []


@pytest.mark.parametrize("left_by", ["drain", "kill"])
async def test_what_an_engine_forked_ends_with_it(folder: Path, left_by: str) -> None:
    """In its group, and out of it by a session of its own."""
    engine = RiggedEngine(wrap='sleep 3600 & setsid sleep 3600 & exec "$@"')
    async with site_in(folder, engine) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, READY)
        forked = set(engines_of(folder)) - {seen.pid}
        assert len(forked) == 2
        if left_by == "drain":
            await site.drain(seen.name, grace=5)
            await until(site, lambda now: not now)
        else:
            kill(seen.pid)
            await until(site, lambda now: now[0].incarnation == 2)
        assert not forked & set(engines_of(folder))


async def test_metrics_that_cannot_be_read_end_no_engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    def unreadable(text: str) -> None:
        nonlocal read
        read += 1
        raise KeyError("mock_requests_running")

    monkeypatch.setattr(supervisor, "read_signals", unreadable)
    async with site_in(folder, RiggedEngine()) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, READY)
        await eventually(lambda: read >= 3)
        (still,) = site.replicas()
        assert (still.pid, still.state, still.signals) == (seen.pid, READY, None)


async def test_a_fault_of_our_own_never_leaves_two_engines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = 0

    async def faulty(*_: object) -> str:
        nonlocal watched
        watched += 1
        raise RuntimeError("a bug")

    monkeypatch.setattr(supervisor, "until_unwell", faulty)
    async with site_in(folder) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, ReplicaState.FAILED)
        assert "internal error: RuntimeError: a bug" in seen.message
        assert engines_of(folder) == []
        await eventually(lambda: watched >= 2)
        assert len(engines_of(folder)) <= 1


async def test_changed_returns_at_its_deadline_and_can_be_cancelled(folder: Path) -> None:
    async with site_in(folder) as site:
        await site.changed(0.01)
        waiting = asyncio.create_task(site.changed(3600))
        await site.changed(0.01)
        waiting.cancel()
        await asyncio.wait([waiting])
        await site.ensure(revision(), 1)
        async with asyncio.timeout(10):
            await site.changed(3600)


async def test_two_sites_do_not_see_each_others_engines(folder: Path, tmp_path: Path) -> None:
    async with site_in(folder) as site:
        await site.ensure(revision(), 1)
        ready = await until_state(site, READY)
        async with site_in(tmp_path / "other") as other:
            assert other.replicas() == []
        assert pids(ready) == set(engines_of(folder))


async def test_logs_last_lines_follow_and_end(folder: Path) -> None:
    async with site_in(folder, RiggedEngine(wrap='echo one; echo two; exec "$@"')) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, READY)
        read = [line async for line in site.logs(seen.name, lines=1000)]
        assert read[0].startswith("--- headway: ")
        assert read[1:3] == ["one", "two"]
        assert [line async for line in site.logs(seen.name, lines=1)] == read[-1:]
        got: list[str] = []
        following = asyncio.create_task(_collect(site, seen.name, got))
        await eventually(lambda: len(got) >= 3)
        add_line(seen.log, "later")
        await eventually(lambda: "later" in got)
        await site.drain(seen.name, grace=5)
        async with asyncio.timeout(10):
            await following
        assert [line async for line in site.logs(seen.name)][:3] == read[:3], "it outlives the Replica"


async def _collect(site: LocalSite, name: str, into: list[str]) -> None:
    async for line in site.logs(name, follow=True):
        into.append(line)


def add_line(log: str, line: str) -> None:
    with Path(log).open("a") as file:
        file.write(f"{line}\n")
