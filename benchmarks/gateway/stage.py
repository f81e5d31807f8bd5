"""The processes of one benchmark: the backend, every proxy before it, and one run of the generator at a time."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.gateway import machine, native
from benchmarks.gateway.backend import Backend
from benchmarks.gateway.environments import Missing
from benchmarks.gateway.launch import Launch, Place, Start
from benchmarks.gateway.observation import DIRECT, Observation
from benchmarks.gateway.probe import await_answer, free_ports
from benchmarks.gateway.process import BenchError, Child
from benchmarks.gateway.workloads import Workload

__all__ = ["Cores", "Proxy", "Stage", "stage"]

GRACE_SECONDS = 30.0
"""For the generator to say its next word, beyond the time it is due."""
SETTLE_SECONDS = 5.0
"""For what a run left behind in a proxy, before the next proxy has the core."""
SETTLE_STEP = 0.1
QUIET = 0.05
"""Share of its core below which a proxy counts as idle."""


@dataclass(frozen=True, slots=True)
class Cores:
    load: int
    proxy: int
    nice: int
    """Of our scheduling group, against other sessions; 0 = leave it."""


@dataclass(frozen=True, slots=True)
class Proxy:
    name: str
    launch: Launch
    ports: tuple[int, ...]
    child: Child | None = None
    """None for `direct`."""

    def pids(self) -> list[int]:
        return machine.family(self.child.pid) if self.child else []


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds of CPU used until now."""

    proxy: float
    load: float
    load_core: float
    proxy_core: float


@dataclass(slots=True)
class Stage:
    folder: Path
    cache: Path
    cores: Cores
    backend: Backend
    proxies: dict[str, Proxy] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def start(self, name: str, how: Start) -> None:
        """A peer that cannot be had is noted, not fatal."""
        room = self.folder / name
        room.mkdir()
        port, side_port = free_ports(2)
        try:
            launch = how(Place(room, self.cache, port, side_port, self.backend.ports))
        except Missing as error:
            self.missing[name] = str(error)
            return
        child = Child(launch.argv, self.cores.proxy, room / "log", launch.env)
        try:
            problem = await_answer(child, port, launch.key)
        except BaseException:
            child.stop()
            raise
        if problem:
            child.stop()
            self.missing[name] = problem
            return
        self.proxies[name] = Proxy(name, launch, (port,), child)
        if self.cores.nice:
            machine.precedence(self.proxies[name].pids(), self.cores.nice)

    def stop(self) -> None:
        for proxy in self.proxies.values():
            if proxy.child:
                proxy.child.stop()
        self.backend.stop()

    @contextlib.contextmanager
    def load(self, proxy: Proxy, workload: Workload) -> Iterator[Child]:
        """The generator at work. Its numbers go on from the clock, so that no prompt comes twice."""
        options = workload.options(proxy.launch.key, time.time_ns() // 1000)
        argv = [str(native.build("load", self.cache)), f"ports={','.join(map(str, proxy.ports))}", *options]
        child = Child(argv, self.cores.load, self.folder / "load.log", reads=True)
        try:
            yield child
        finally:
            child.stop()

    def run(self, proxy: Proxy, workload: Workload, number: int) -> Observation:
        """One run; whether it counts is for others to say."""
        if proxy.child and not proxy.child.alive():
            return _failed(proxy, workload, number, f"{proxy.name} has ended: {proxy.child.last_words()}")
        self.backend.set_pace(workload.pace_us)
        renders, completions = self.backend.counts()
        pids = proxy.pids()
        with self.load(proxy, workload) as child:
            try:
                seen = self._watch(child, pids, proxy, workload, number)
            except BenchError as error:
                seen = _failed(proxy, workload, number, str(error))
        self._settle(pids)
        renders_then, completions_then = self.backend.counts()
        asked = [then - before for before, then in zip(completions, completions_then, strict=True)]
        return replace(
            seen, endpoints=sum(count > 0 for count in asked), renders=(renders_then - renders) / max(1, sum(asked))
        )

    def _watch(self, child: Child, pids: list[int], proxy: Proxy, workload: Workload, number: int) -> Observation:
        child.line(workload.warm + GRACE_SECONDS)  # "measuring"
        before = self._read(pids, machine.cpu_seconds([child.pid]))
        pss = 0
        if workload.memory:
            time.sleep(workload.seconds / 2)
            pss = machine.pss_bytes(pids)
        child.line(workload.seconds + GRACE_SECONDS)  # "done"
        after = self._read(pids, 0.0)
        answer: dict[str, Any] = json.loads(child.line(GRACE_SECONDS))
        counted = {name: answer.pop(name) for name in COUNTED}
        counted["seconds"] = max(counted["seconds"], MOMENT)  # it gave up before it measured
        proxy_cpu, load_cpu = after.proxy - before.proxy, after.load + answer.pop("cpu") - before.load
        others = (after.load_core - before.load_core - load_cpu, after.proxy_core - before.proxy_core - proxy_cpu)
        return Observation(
            proxy=proxy.name,
            workload=workload.name,
            round=number,
            **counted,
            times=answer,
            proxy_cpu=proxy_cpu,
            load_cpu=load_cpu,
            strangers=max(0.0, *others) / counted["seconds"],
            pss=pss,
        )

    def _read(self, pids: Sequence[int], generator: float) -> Reading:
        load = generator + machine.cpu_seconds([self.backend.pid])
        cores = (machine.busy_seconds(self.cores.load), machine.busy_seconds(self.cores.proxy))
        return Reading(machine.cpu_seconds(pids), load, *cores)

    def _settle(self, pids: Sequence[int]) -> None:
        end = time.monotonic() + SETTLE_SECONDS
        while pids and time.monotonic() < end:
            before = machine.cpu_seconds(pids)
            time.sleep(SETTLE_STEP)
            if machine.cpu_seconds(pids) - before < QUIET * SETTLE_STEP:
                return


MOMENT = 1e-9
COUNTED = ("seconds", "requests", "events", "errors", "reconnects", "late", "streams_open", "error")


def _failed(proxy: Proxy, workload: Workload, number: int, why: str) -> Observation:
    """A run that could not be made counts as one error."""
    return Observation(proxy.name, workload.name, number, 1.0, 0, 0, 1, 0, 0, 0, why, {}, 0.0, 0.0, 0.0)


@contextlib.contextmanager
def stage(cache: Path, cores: Cores) -> Iterator[Stage]:
    """The backend runs, and `direct` leads to it; proxies are added by start()."""
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as name:
        folder = Path(name)
        backend = Backend(cache, cores.load, folder / "backend.log")
        here = Stage(folder, cache, cores, backend)
        here.proxies[DIRECT] = Proxy(DIRECT, Launch((), "no proxy"), backend.ports)
        try:
            yield here
        finally:
            here.stop()
