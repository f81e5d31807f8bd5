"""Who has which part of this machine. One placement at a time: each sees what the one before it was promised."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

from headway.policy.gpu_choice import Device
from headway.policy.placement import Placement, Refusal, Room, Taken, Wish, place
from headway.sites.base import Inventory
from headway.sites.local.process import Process

__all__ = ["Places"]


class Places:
    """The ledger of what running Replicas were promised; what they really took is read when it matters."""

    def __init__(self, read_inventory: Callable[[], Inventory]) -> None:
        self._read_inventory = read_inventory
        self._taken: dict[str, Taken] = {}
        self._processes: dict[str, Process] = {}
        self._one_at_a_time = asyncio.Lock()
        self._freed = asyncio.Event()

    async def inventory(self) -> Inventory:
        return await asyncio.to_thread(self._read_inventory)

    async def place(self, wish: Wish) -> Placement | Refusal:
        """The place is held for `wish.replica` from now until `give_back`."""
        async with self._one_at_a_time:
            inventory, resident = await asyncio.to_thread(self._observe, dict(self._processes))
            taken = [
                replace(one, resident_bytes=resident.get(name, 0))
                for name, one in self._taken.items()
                if name != wish.replica
            ]
            found = place(wish, _room(inventory), taken)
            if isinstance(found, Placement):
                self._taken[wish.replica] = Taken(
                    wish.replica, found.memory_bytes, gpus=found.gpus, fraction=found.fraction
                )
            return found

    def started(self, process: Process) -> None:
        """Also holds the place of an adopted process, which never asked for one."""
        marks = process.marks
        self._processes[marks.replica] = process
        self._taken.setdefault(
            marks.replica, Taken(marks.replica, marks.memory, gpus=marks.gpus, fraction=marks.gpu_fraction)
        )

    def loaded(self, replica: str) -> None:
        if one := self._taken.get(replica):
            self._taken[replica] = replace(one, loading=False)

    def give_back(self, replica: str) -> None:
        self._processes.pop(replica, None)
        if self._taken.pop(replica, None) is not None:
            self._freed.set()
            self._freed = asyncio.Event()

    async def freed(self, timeout: float) -> None:
        """Return when a place was given back, or after `timeout` seconds (others free memory without telling us)."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._freed.wait(), timeout)

    def _observe(self, processes: dict[str, Process]) -> tuple[Inventory, dict[str, int]]:
        return self._read_inventory(), {name: process.resident_bytes() for name, process in processes.items()}


def _room(inventory: Inventory) -> Room:
    devices = tuple(
        Device(one.uuid, one.product, one.memory_bytes, one.free_bytes, one.parent, one.profile)
        for one in inventory.accelerators
    )
    return Room(inventory.cores, inventory.memory_bytes, inventory.free_memory_bytes, devices)
