"""Engines outlive whoever started them, and are found again by their marks alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import uvloop

from headway.policy.decision import Action, Reason
from headway.sites.base import ReplicaState
from headway.sites.local import process as process_module
from headway.sites.local.marks import Marks
from tests.support.sites import (
    ROOT,
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

OWNER = """
import asyncio, json, sys
from pathlib import Path
from tests.support.sites import RiggedEngine, revision, site_in, until_state
from headway.sites.base import ReplicaState

async def main():
    async with site_in(Path(sys.argv[1]), RiggedEngine(wrap=sys.argv[2])) as site:
        await site.ensure(revision(), 2)
        ready = await until_state(site, ReplicaState.READY, 2)
        print(json.dumps({each.name: each.pid for each in ready}), flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""


async def owner_killed(folder: Path, wrap: str = "") -> dict[str, int]:
    """Two Replicas, ready, whose owning process was killed with -9: their names and pids."""
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(folder), wrap, cwd=ROOT, stdout=subprocess.PIPE
    )
    assert owner.stdout
    async with asyncio.timeout(60):
        line = await owner.stdout.readline()
        owner.kill()
        await owner.wait()
    started: dict[str, int] = json.loads(line)
    return started


async def test_let_go_and_taken_up_again_in_one_process(folder: Path) -> None:
    async with site_in(folder) as site:
        await site.ensure(revision(), 2)
        before = await until_state(site, READY, 2)
    assert set(engines_of(folder)) == pids(before)
    async with site_in(folder) as site:
        after = site.replicas()
        for old, new in zip(before, sorted(after, key=lambda each: each.name), strict=True):
            assert (new.state, new.reason) == (READY, Reason.FOUND_RUNNING)
            same = ("name", "model", "revision", "pid", "port", "incarnation", "restarts", "threads", "memory_bytes")
            assert [getattr(new, field) for field in same] == [getattr(old, field) for field in same]
        await site.ensure(revision(), 2)
        assert await until_state(site, READY, 2) == site.replicas()
        assert pids(list(site.replicas())) == pids(before)
        assert not [each for each in site.decisions() if each.action is not Action.ADOPT]


async def test_an_owner_killed_with_9_orphans_nothing(folder: Path) -> None:
    started = await owner_killed(folder)
    async with site_in(folder) as site:
        assert {each.name: each.pid for each in site.replicas()} == started
        assert {each.state for each in site.replicas()} == {READY}
        await site.ensure(revision(), 2)
        victim, other = site.replicas()
        kill(victim.pid)  # not our child: its exit status is unknowable
        seen = await until(
            site, lambda now: all(each.state is READY for each in now) and pids(now) != set(started.values())
        )
        fresh = next(each for each in seen if each.name == victim.name)
        assert (fresh.incarnation, fresh.restarts) == (2, 1)
        restart = next(each for each in site.decisions() if each.action is Action.RESTART)
        assert (restart.reason, restart.look_again) == (Reason.KILLED_FROM_OUTSIDE, 0.0)
        assert other.pid in engines_of(folder)


@pytest.mark.parametrize("seen_before", [1, 2])
async def test_an_owner_killed_while_it_starts_engines_leaves_none_too_many(folder: Path, seen_before: int) -> None:
    """As soon as so many engines are in the process table, whatever the owner knows of them."""
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(folder), "", cwd=ROOT, stdout=subprocess.DEVNULL
    )
    await eventually(lambda: len(engines_of(folder)) >= seen_before)
    owner.kill()
    await owner.wait()
    async with site_in(folder) as site:
        await site.ensure(revision(), 2)
        ready = await until_state(site, READY, 2)
        assert set(engines_of(folder)) == pids(ready)


async def test_an_adopted_engine_that_nobody_wants_stays_until_it_is_drained(folder: Path) -> None:
    await owner_killed(folder)
    async with site_in(folder) as site:
        await site.ensure(revision(ttft=1.0), 0)
        first, second = site.replicas()
        await site.drain(first.name, grace=10)
        await until(site, lambda now: len(now) == 1)
        kill(second.pid)
        await until(site, lambda now: not now)  # and is not started again
        assert engines_of(folder) == []


async def test_children_of_an_engine_are_no_replicas_and_strays_of_a_dead_one_are_ended(folder: Path) -> None:
    started = await owner_killed(folder, wrap='sleep 3600 & setsid sleep 3600 & exec "$@"')
    first, second = started.values()
    assert len(engines_of(folder)) == 6
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: first not in engines_of(folder))
    async with site_in(folder) as site:
        # The session that the dead engine's child opened looks like an engine; it answers nothing and nobody wants it.
        found = {each.pid: each.state for each in site.replicas()}
        assert found.pop(second) is READY
        assert set(found.values()) <= {ReplicaState.STARTING}
        for each in site.replicas():
            await site.drain(each.name, grace=5)
        await until(site, lambda now: not now)
        assert engines_of(folder) == []


async def test_memory_of_adopted_engines_that_still_load_is_promised(folder: Path) -> None:
    engine = RiggedEngine(memory=700_000_000)
    async with site_in(folder, engine, inventory=room(free=1)) as site:
        await site.ensure(revision("slow", hang_at_start=True), 1)
        await until_state(site, ReplicaState.STARTING)
    async with site_in(folder, engine, inventory=room(free=1)) as site:
        (slow,) = site.replicas()
        assert slow.state is ReplicaState.STARTING
        await site.ensure(revision("two"), 1)
        seen = await until(site, lambda now: any(each.state is ReplicaState.PENDING for each in now))
        assert next(each for each in seen if each.model == "two").reason is Reason.NOT_ENOUGH_MEMORY


async def test_a_loading_engine_that_is_adopted_becomes_ready(folder: Path) -> None:
    async with site_in(folder) as site:
        await site.ensure(revision(ready_after=1.5), 1)
        (before,) = await until_state(site, ReplicaState.STARTING)
    async with site_in(folder) as site:
        (after,) = await until_state(site, READY)
        assert after.pid == before.pid


async def test_without_pidfd_exits_are_found_by_looking(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "_open_pidfd", lambda pid: None)
    async with site_in(folder) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, READY)
        kill(seen.pid)
        await until(site, lambda now: now[0].incarnation == 2 and now[0].state is READY)
        await site.drain(seen.name, grace=5)
        await until(site, lambda now: not now)
    assert engines_of(folder) == []


def test_on_uvloop(folder: Path) -> None:
    async def life() -> None:
        async with site_in(folder) as site:
            await site.ensure(revision(), 1)
            (seen,) = await until_state(site, READY)
            kill(seen.pid)
            await until(site, lambda now: now[0].incarnation == 2 and now[0].state is READY)
            await site.drain(seen.name, grace=5)
            await until(site, lambda now: not now)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(life())


def test_marks_are_read_back_and_nothing_else_is() -> None:
    marks = Marks("/s", "chat-0", "chat", "abc", 3, 2, 4100, 2, 10**9, ("GPU-1", "MIG-2"), 0.5, "/health", 120.0)
    assert Marks.from_env(marks.to_env()) == marks
    assert Marks.from_env({**marks.to_env(), "HEADWAY_PORT": "x"}) is None
    assert Marks.from_env({}) is None
    assert Marks.from_env(dict(psutil.Process().environ())) is None
