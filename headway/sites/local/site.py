"""The Site `local`: this machine. Holds the Supervisors by name and nothing besides them.

What is wanted is not remembered apart from what is: `ensure` makes the Supervisors that are missing, each then keeps
its own Replica running until it is drained. So there is no second truth that could disagree.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Literal

import psutil

from headway.engines.base import Engine
from headway.errors import UsageError
from headway.paths import StateDir
from headway.policy.decision import Decision
from headway.sites.base import Inventory, Replica
from headway.sites.local import logs
from headway.sites.local.inventory import read_inventory
from headway.sites.local.marks import Marks
from headway.sites.local.nvml import Gpus
from headway.sites.local.places import Places
from headway.sites.local.preparations import Preparations
from headway.sites.local.process import Process, find_all
from headway.sites.local.settings import LocalSettings
from headway.sites.local.supervisor import Shared, Supervisor
from headway.spec.revision import Revision

__all__ = ["LocalSite"]

log = logging.getLogger(__name__)


class LocalSite:
    """Implements `headway.sites.base.Site`. Lives on one event loop; make it where that runs."""

    kind: Literal["local", "kubernetes"] = "local"

    def __init__(
        self,
        state: StateDir,
        engines: Callable[[str], Engine],
        *,
        name: str = "local",
        settings: LocalSettings | None = None,
        inventory: Callable[[], Inventory] | None = None,
    ) -> None:
        """`engines` finds an engine by name. `inventory` reads the machine, in a thread."""
        self.name = name
        self._state = state
        self._settings = settings or LocalSettings()
        self._places = Places(inventory or partial(read_inventory, Gpus()))
        self._preparations = Preparations()
        self._supervisors: dict[str, Supervisor] = {}
        self._incarnations: dict[str, int] = {}  # of names that are gone: an endpoint's id is never used again
        self._decisions: deque[Decision] = deque(maxlen=self._settings.decisions_kept)
        self._change = asyncio.Event()
        self._shared = Shared(
            state=state,
            settings=self._settings,
            engines=engines,
            places=self._places,
            preparations=self._preparations,
            sharers=self._sharers,
            tell=self._decisions.append,
            changed=self._change.set,
            gone=self._gone,
        )

    async def open(self) -> Sequence[Replica]:
        """Adopt what runs of this state directory. The Revisions are known by id alone until they are ensured."""
        self._state.create()
        engines, strays = await asyncio.to_thread(find_all, str(self._state.root.resolve()))
        for stray in strays:
            with contextlib.suppress(psutil.Error):
                log.warning("pid %d was left behind by an engine that has ended: killed", stray.pid)
                stray.kill()
        await asyncio.gather(*(self._adopt(pid, marks) for pid, marks in engines))
        return self.replicas()

    async def inventory(self) -> Inventory:
        return await self._places.inventory()

    async def ensure(self, revision: Revision, count: int) -> None:
        staying = [
            one for one in self._supervisors.values() if one.view.revision == revision.id and not one.is_draining
        ]
        for one in staying:
            one.bind(revision)
        for _ in range(count - len(staying)):
            name = self._free_name(revision)
            one = Supervisor(name, revision.model, revision.id, self._shared, self._incarnations.get(name, 0))
            one.bind(revision)
            one.start()
            self._supervisors[name] = one
            self._change.set()

    async def drain(self, replica: str, grace: float) -> None:
        """A name that is not there has been drained already."""
        if one := self._supervisors.get(replica):
            one.drain(grace)

    def replicas(self) -> Sequence[Replica]:
        return [one.view for one in self._supervisors.values()]

    def decisions(self) -> Sequence[Decision]:
        told = list(self._decisions)
        self._decisions.clear()
        return told

    async def changed(self, timeout: float) -> None:
        """Signals come every few seconds by themselves and are no change: read `replicas` for them."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._change.wait(), timeout)
        self._change.clear()

    async def logs(self, replica: str, *, follow: bool = False, lines: int = 100) -> AsyncIterator[str]:
        """Also of a Replica that is gone, as long as its log lies there. Following ends when the Replica has."""
        log_file = self._state.logs / f"{replica}.log"
        own = log_file.parent == self._state.logs
        if replica not in self._supervisors and not (own and await asyncio.to_thread(log_file.is_file)):
            raise UsageError(f"no replica {replica!r}", hint="headway status NAME shows the names")
        if not follow:
            for line in await asyncio.to_thread(logs.last_lines, log_file, lines):
                yield line
            return
        async for line in logs.follow(log_file, lines, lambda: replica in self._supervisors):
            yield line

    async def close(self) -> None:
        supervisors = list(self._supervisors.values())
        await asyncio.gather(*(one.let_go() for one in supervisors))
        await self._preparations.close(self._settings.prepare_cancel_deadline)

    async def _adopt(self, pid: int, marks: Marks) -> None:
        if marks.replica in self._supervisors:
            return
        try:
            process = Process(pid, marks)
        except psutil.NoSuchProcess:
            return
        one = self._supervisors[marks.replica] = Supervisor(marks.replica, marks.model, marks.revision, self._shared)
        await one.adopt(process)

    def _sharers(self) -> int:
        return sum(not one.is_draining and not one.is_external for one in self._supervisors.values())

    def _gone(self, name: str) -> None:
        if one := self._supervisors.pop(name, None):
            self._incarnations[name] = one.view.incarnation
        self._change.set()

    def _free_name(self, revision: Revision) -> str:
        number = 0
        way = f"{revision.model}-{revision.variant}" if revision.variant else revision.model
        while (name := f"{way}-{revision.id[:6]}-{number}") in self._supervisors:
            number += 1
        return name
