"""What the local Site does before an engine runs: room, GPUs, ports, secrets, preparations."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from headway.engines import registry
from headway.engines.base import External, Launch, Prepared, Progress, Report, Slot
from headway.errors import SourceError, UnreachableError, UsageError
from headway.paths import StateDir
from headway.policy.decision import Action, Reason
from headway.policy.restart import RestartSettings
from headway.sites.base import Accelerator, ReplicaState
from headway.sites.local import LocalSite, launching
from headway.spec.revision import Revision
from tests.support.sites import (
    GB,
    QUICK,
    RiggedEngine,
    engines_of,
    revision,
    room,
    site_in,
    until,
    until_state,
)

READY = ReplicaState.READY


async def test_memory_is_checked_before_a_start_and_again_when_some_is_given_back(folder: Path) -> None:
    engine = RiggedEngine(memory=700_000_000)
    async with site_in(folder, engine, inventory=room(free=1.1, total=4)) as site:
        await site.ensure(revision("one"), 1)
        await until_state(site, READY)
        await site.ensure(revision("two"), 1)
        seen = await until(site, lambda now: any(each.state is ReplicaState.PENDING for each in now))
        (pending,) = (each for each in seen if each.state is ReplicaState.PENDING)
        assert pending.reason is Reason.NOT_ENOUGH_MEMORY
        assert pending.message.startswith("two: needs 0.7 GB, 0.4 GB free (")
        assert "headway down" in pending.next_action
        (first,) = (each for each in seen if each.state is READY)
        await site.drain(first.name, grace=5)
        (now,) = await until_state(site, READY)
        assert now.model == "two"
        waits = [each for each in site.decisions() if each.action is Action.WAIT]
        assert len(waits) == 1, "decided again and again, told once"
        assert waits[0].numbers["need_bytes"] == 700_000_000


async def test_what_can_never_fit_is_refused(folder: Path) -> None:
    async with site_in(folder, RiggedEngine(memory=64 * 10**9), inventory=room(free=20, total=24)) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, ReplicaState.FAILED)
        assert seen.message == "chat: needs 64.0 GB, this machine has 24.0 GB in all"
        (refused,) = (each for each in site.decisions() if each.action is Action.REFUSE)
        assert refused.reason is Reason.NOT_ENOUGH_MEMORY


async def test_a_gpu_belongs_to_one_replica_and_still_does_after_adoption(folder: Path) -> None:
    gpu = Accelerator("GPU-1", "NVIDIA L4", 24 * GB, 23 * GB)
    here = room(accelerators=(gpu,))
    wanted = replace(revision(), gpu="L4")
    async with site_in(folder, inventory=here) as site:
        await site.ensure(wanted, 1)
        (first,) = await until_state(site, READY)
        assert first.gpus == ("GPU-1",)
        assert psutil.Process(first.pid).environ()["CUDA_VISIBLE_DEVICES"] == "GPU-1"
    async with site_in(folder, inventory=here) as site:
        await site.ensure(wanted, 2)
        seen = await until(site, lambda now: any(each.state is ReplicaState.PENDING for each in now))
        (pending,) = (each for each in seen if each.state is ReplicaState.PENDING)
        assert (pending.reason, pending.message) == (
            Reason.NO_FREE_GPU,
            "chat: asks for 1 x L4; 1 of 1 are held by replicas",
        )
        await site.drain(first.name, grace=5)
        (second,) = await until_state(site, READY)
        assert second.gpus == ("GPU-1",)


async def test_an_engine_that_is_not_known_leaves_nothing_behind(folder: Path) -> None:
    async with site_in(folder) as site:
        unknown = LocalSite(StateDir(folder), registry.get)
        with pytest.raises(UsageError, match="no engine 'nonsense'"):
            await unknown.ensure(replace(revision(), engine="nonsense"), 1)
        assert unknown.replicas() == []
        assert site.replicas() == []


async def test_an_external_engine_is_ready_at_once_and_no_process(folder: Path) -> None:
    class Elsewhere(RiggedEngine):
        def external(self, revision: Revision) -> External | None:
            return External("https://api.example.com", "gpt")

    async with site_in(folder, Elsewhere()) as site:
        await site.ensure(revision(), 1)
        (seen,) = site.replicas()
        assert (seen.state, seen.reason, seen.pid) == (READY, Reason.EXTERNAL, None)
        await site.drain(seen.name, grace=5)
        await until(site, lambda now: not now)
        assert engines_of(folder) == []


async def test_one_preparation_serves_all_replicas_and_shows_its_progress(folder: Path) -> None:
    go_on = threading.Event()

    def prepare(revision: Revision, report: Report) -> Prepared:
        report(Progress("download", "weights", 1, 4, "bytes"))
        assert go_on.wait(30)
        return Prepared()

    engine = RiggedEngine(prepare_with=prepare)
    async with site_in(folder, engine) as site:
        await site.ensure(revision(), 2)
        await until(site, lambda now: all(each.progress and each.progress.done == 1 for each in now))
        go_on.set()
        ready = await until_state(site, READY, 2)
        assert engine.prepared == 1
        assert all(each.progress is None for each in ready)


async def test_draining_cancels_a_preparation_that_nobody_waits_for(folder: Path) -> None:
    cancelled = threading.Event()

    def prepare(revision: Revision, report: Report) -> Prepared:
        try:
            while True:
                report(Progress("download", "weights"))
                cancelled.wait(0.01)
        finally:
            cancelled.set()

    async with site_in(folder, RiggedEngine(prepare_with=prepare)) as site:
        await site.ensure(revision(), 2)
        seen = await until(site, lambda now: all(each.progress for each in now))
        await site.drain(seen[0].name, grace=5)
        await until(site, lambda now: len(now) == 1)
        assert not cancelled.is_set()
        await site.drain(seen[1].name, grace=5)
        await until(site, lambda now: not now)
        assert await asyncio.to_thread(cancelled.wait, 10)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (SourceError("model.gguf: corrupt", hint="fetch it again"), ReplicaState.FAILED),
        (UnreachableError("the hub does not answer"), ReplicaState.BACKOFF),
        (ZeroDivisionError("division by zero"), ReplicaState.FAILED),
    ],
)
async def test_a_failed_preparation_is_told_and_tried_again(
    folder: Path, error: Exception, state: ReplicaState
) -> None:
    def prepare(revision: Revision, report: Report) -> Prepared:
        if engine.prepared == 1:
            raise error
        return Prepared()

    engine = RiggedEngine(prepare_with=prepare)
    async with site_in(
        folder, engine, settings=replace(QUICK, restart=RestartSettings(first_delay=0.5, cap=0.5))
    ) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until(site, lambda now: now[0].reason is Reason.PREPARE_FAILED)
        assert seen.state is state
        assert str(error) in seen.message
        (ready,) = await until_state(site, READY)
        assert ready.restarts == 0


async def test_a_place_that_led_to_no_engine_is_given_back(folder: Path) -> None:
    class Missing(RiggedEngine):
        def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
            plain = super().launch(revision, prepared, slot)
            return replace(plain, argv=("/no/such/engine",)) if revision.model == "bad" else plain

    settings = replace(QUICK, restart=RestartSettings(cap=3600))
    async with site_in(folder, Missing(memory=GB), settings=settings, inventory=room(free=1.5)) as site:
        await site.ensure(revision("bad"), 1)
        (seen,) = await until_state(site, ReplicaState.FAILED)
        assert seen.message.startswith("bad: cannot start /no/such/engine: [Errno 2]")
        await site.ensure(revision("good"), 1)
        await until(site, lambda now: any(each.model == "good" and each.state is READY for each in now))


async def test_secrets_are_resolved_at_launch_and_ours_are_not_handed_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_SECRET_HF_TOKEN", "s3cret")
    monkeypatch.setenv("HEADWAY_SECRET_OTHER_KEY", "not-for-engines")
    async with site_in(folder, RiggedEngine(env={"HF_TOKEN": "secret:hf/token"})) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, READY)
        environ = psutil.Process(seen.pid).environ()
        assert environ["HF_TOKEN"] == "s3cret"
        assert not [name for name in environ if name.startswith("HEADWAY_SECRET")]
        assert b"s3cret" not in everything_written(folder)


async def test_a_secret_that_is_missing_is_told(folder: Path) -> None:
    async with site_in(folder, RiggedEngine(env={"HF_TOKEN": "secret:hf/token"})) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, ReplicaState.FAILED)
        assert "secret:hf/token: not found; set HEADWAY_SECRET_HF_TOKEN" in seen.message


async def test_a_taken_port_is_another_try_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The race that no bind can rule out: somebody takes the port between our look and the engine's bind."""
    taken = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    first = taken.sockets[0].getsockname()[1]
    real = launching.free_port
    offered = iter([first, first])
    monkeypatch.setattr(launching, "free_port", lambda host: next(offered, None) or real(host))
    async with taken, site_in(folder, settings=replace(QUICK, restart=RestartSettings())) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, READY)
        assert seen.port != first
        restarts = [each for each in site.decisions() if each.action is Action.RESTART]
        assert [each.message for each in restarts] == ["its port was taken; trying another"] * 2
        assert [each.look_again for each in restarts] == [0.0, 0.0]


def everything_written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
