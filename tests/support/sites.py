"""A local Site for tests: real processes (the mock engine's server), quick settings, and a recorded pynvml."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import psutil

from headway.engines.base import Launch, Need, Prepared, Report, Slot
from headway.engines.mock import MockEngine
from headway.paths import StateDir
from headway.policy.restart import RestartSettings
from headway.sites.base import Inventory, Replica, ReplicaState
from headway.sites.local import LocalSettings, LocalSite
from headway.sites.local.process import marked
from headway.spec.revision import Pinned, Revision

ROOT = Path(__file__).parents[2]
GB = 10**9

QUICK = LocalSettings(
    live_probe_every=0.05,
    live_probe_timeout=0.5,
    live_probes_silent=2,
    restart=RestartSettings(first_delay=0.02, cap=0.2),
)


@dataclass
class RiggedEngine(MockEngine):
    """The mock engine, with what a Site asks of an engine set by the test.

    `wrap` is a shell script around the server's argv ("$@"): it forks, ignores signals, and so on.
    """

    name: ClassVar[str] = "mock"
    memory: int = 64 << 20
    start_seconds: float = 30.0
    wrap: str = ""
    prepare_with: Callable[[Revision, Report], Prepared] | None = None
    prepared: int = 0
    env: Mapping[str, str] = field(default_factory=dict)

    def prepare(self, revision: Revision, report: Report) -> Prepared:
        self.prepared += 1
        return self.prepare_with(revision, report) if self.prepare_with else super().prepare(revision, report)

    def need(self, revision: Revision, prepared: Prepared) -> Need:
        return Need(self.memory, self.start_seconds, why="said by the test")

    def launch(self, revision: Revision, prepared: Prepared, slot: Slot) -> Launch:
        plain = super().launch(revision, prepared, slot)
        argv = ("/bin/sh", "-c", self.wrap, "sh", *plain.argv) if self.wrap else plain.argv
        return Launch(argv, {"PYTHONPATH": str(ROOT), **plain.env, **self.env})


def revision(model: str = "chat", **args: Any) -> Revision:
    args = {name.replace("_", "-"): value for name, value in args.items()}
    return Revision(model, "mock", Pinned("builtin://mock"), "chat", args=args)


def room(free: float = 64, cores: int = 8, total: float | None = None, **more: Any) -> Callable[[], Inventory]:
    """An inventory with so many GB."""
    return lambda: Inventory(cores, int((total or free) * GB), int(free * GB), **more)


@asynccontextmanager
async def site_in(
    folder: Path,
    engine: Any = None,
    *,
    settings: LocalSettings = QUICK,
    inventory: Callable[[], Inventory] | None = None,
) -> AsyncIterator[LocalSite]:
    """A Site that is opened, and let go of at the end: its engines go on."""
    chosen = engine or RiggedEngine()
    site = LocalSite(StateDir(folder), lambda _: chosen, settings=settings, inventory=inventory)
    await site.open()
    try:
        yield site
    finally:
        await site.close()


async def until(site: LocalSite, holds: Callable[[Any], object], deadline: float = 30.0) -> list[Replica]:
    """Wait on the Site's own changes until `holds(replicas)`; they are the answer."""
    end = time.monotonic() + deadline
    while not holds(site.replicas()):
        assert time.monotonic() < end, f"not within {deadline} s; {_told_by(site)}"
        await site.changed(0.05)
    return list(site.replicas())


def _told_by(site: LocalSite) -> str:
    logs = [path.read_text(errors="replace")[-2000:] for path in site._state.logs.glob("*.log")]
    return f"{site.replicas()}\n{site.decisions()}\n" + "\n".join(logs)


async def until_state(site: LocalSite, state: ReplicaState, count: int = 1) -> list[Replica]:
    return await until(site, lambda seen: len(seen) == count and all(each.state is state for each in seen))


async def eventually(holds: Callable[[], object], deadline: float = 30.0) -> None:
    end = time.monotonic() + deadline
    while not holds():
        assert time.monotonic() < end, f"not within {deadline} s"
        await asyncio.sleep(0.02)


def pids(replicas: list[Replica]) -> set[int]:
    return {each.pid for each in replicas if each.pid is not None}


def engines_of(folder: Path) -> list[int]:
    """All processes that carry this state directory's marks."""
    return [process.pid for process, _ in marked(str(folder.resolve()))]


def kill_all_of(folder: Path) -> None:
    """Ends what a test left running."""
    left = [process for process, _ in marked(str(folder.resolve()))]
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=10)


def kill(pid: int | None, number: signal.Signals = signal.SIGKILL) -> None:
    assert pid is not None
    os.kill(pid, number)


class RecordedNvml:
    """The surface of pynvml that is used, with answers as NVML gives them on a machine with: an H100, an A100 cut
    into two slices, and an L4 that has fallen off the bus."""

    NVML_DEVICE_MIG_ENABLE = 1

    class NVMLError(Exception):
        pass

    class NVMLError_NotSupported(NVMLError):
        pass

    class NVMLError_NotFound(NVMLError):
        pass

    @dataclass
    class Memory:
        total: int
        free: int

    names: ClassVar[dict[str, tuple[str, str, Memory]]] = {
        "h100": ("GPU-1111", "NVIDIA H100 80GB HBM3", Memory(85899345920, 85000000000)),
        "a100": ("GPU-2222", "NVIDIA A100-SXM4-40GB", Memory(42949672960, 42000000000)),
        "slice0": ("MIG-3333", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", Memory(5100273664, 5000000000)),
        "slice2": ("MIG-4444", "NVIDIA A100-SXM4-40GB MIG 3g.20gb", Memory(20937965568, 20000000000)),
    }

    def __init__(self, driver: bool = True) -> None:
        self.driver = driver
        self.inits = 0

    def nvmlInit(self) -> None:
        self.inits += 1
        if not self.driver:
            raise self.NVMLError("NVML Shared Library Not Found")

    def nvmlDeviceGetCount(self) -> int:
        return 3

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        if index == 2:
            raise self.NVMLError("GPU is lost")
        return ("h100", "a100")[index]

    def nvmlDeviceGetUUID(self, handle: str) -> bytes:
        return self.names[handle][0].encode()

    def nvmlDeviceGetName(self, handle: str) -> str:
        return self.names[handle][1]

    def nvmlDeviceGetMemoryInfo(self, handle: str) -> Memory:
        return self.names[handle][2]

    def nvmlDeviceGetMigMode(self, handle: str) -> list[int]:
        if handle == "h100":
            raise self.NVMLError_NotSupported("Not Supported")
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: str) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: str, index: int) -> str:
        if index not in (0, 2):
            raise self.NVMLError_NotFound("Not Found")
        return f"slice{index}"
