"""The local Site with the real llama-server and a real model."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import ClassVar

import pytest

from headway.engines.base import Launch, Need, Prepared, Report, Slot
from headway.policy.decision import Reason
from headway.sites.base import ReplicaState
from headway.spec.revision import Revision
from headway.wire.probe import get
from tests.support.sites import RiggedEngine, kill, revision, site_in, until, until_state


class Llama(RiggedEngine):
    """As little of an engine as it takes to start the real server."""

    metrics_path: ClassVar[str | None] = "/metrics"

    def __init__(self, program: Path, weights: Path) -> None:
        super().__init__()
        self.files = Prepared(program, weights)

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        return self.files

    def need(self, revision: Revision, prepared: Prepared) -> Need:
        return Need(400_000_000, 60.0, "measured")

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
        where = ("--host", slot.host, "--port", str(slot.port), "--threads", str(slot.threads))
        return Launch((str(prepared.program), "--model", str(prepared.weights), "--metrics", "-c", "512", *where))


@pytest.fixture
def llama() -> Llama:
    program = os.environ.get("HEADWAY_TEST_LLAMA_SERVER") or shutil.which("llama-server")
    weights = os.environ.get("HEADWAY_TEST_SMOLLM2")
    if not program:
        pytest.skip("no llama-server: set HEADWAY_TEST_LLAMA_SERVER or put one on PATH")
    if not weights:
        pytest.skip("no model: set HEADWAY_TEST_SMOLLM2 to a SmolLM2 GGUF")
    return Llama(Path(program), Path(weights))


async def test_ready_killed_adopted_drained(folder: Path, llama: Llama) -> None:
    async with site_in(folder, llama) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, ReplicaState.READY)
        answer = await get(seen.host, seen.port, "/v1/models", timeout=10)
        assert answer.status == 200
        await until(site, lambda now: now[0].signals is not None and now[0].signals.running == 0)
        kill(seen.pid)
        (back,) = await until(site, lambda now: now[0].incarnation == 2 and now[0].state is ReplicaState.READY)
    async with site_in(folder, llama) as site:
        (adopted,) = site.replicas()
        assert (adopted.pid, adopted.state) == (back.pid, ReplicaState.READY)
        await site.drain(adopted.name, grace=10)
        await until(site, lambda now: not now)


async def test_a_corrupt_model_is_named_by_the_engines_own_words(folder: Path, llama: Llama, tmp_path: Path) -> None:
    corrupt = tmp_path / "corrupt.gguf"
    corrupt.write_bytes(b"this is no model" * 1000)
    async with site_in(folder, Llama(llama.files.program or Path(), corrupt)) as site:
        await site.ensure(revision(), 1)
        (seen,) = await until_state(site, ReplicaState.FAILED)
        assert seen.reason is Reason.CRASH_LOOP
        assert "invalid magic characters: 'this', expected 'GGUF'" in seen.message
