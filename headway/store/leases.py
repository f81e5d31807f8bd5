"""The lease file: what the workers of one host hold of each tenant's limits, shared by memory and kept by the kernel.

A worker has a section that it alone writes, with a slot for each tenant; the hub alone writes the marks beside it
(`policy.budget` says what the numbers mean). A worker that is killed leaves its numbers behind, exact to the request:
it writes them beside the old ones and then flips one cell, so a reader sees them from before or from after. Nothing on
the way of a request waits, locks or calls the kernel. The file outlives the hub, too; the next one opens it again.
"""

from __future__ import annotations

import mmap
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headway.errors import ResourceError
from headway.policy.budget import AXES, LIMITS, Amounts, Limit

__all__ = [
    "ASK",
    "COPY",
    "LEFT",
    "MARK",
    "NUMBERS",
    "SECTIONS",
    "SLOTS",
    "UNSPENT",
    "UNTOLD",
    "WANTED",
    "Holding",
    "LeaseFile",
]

SLOTS: Final = 1024
"""Tenants that one gateway can limit."""
SECTIONS: Final = 128
"""Workers of one host at once, those of an earlier hub that still drain included."""

_MAGIC: Final = 0x68647779_6C656101
_NAME: Final = 64  # bytes; a tenant's name has at most 63
_HEADER: Final = 4096 + SLOTS * _NAME  # magic, number of tenants, boot, place; then the tenants' names
_OWNER: Final = 2  # cells at the head of a section: incarnation of the worker (0 = free), its process id
COPY: Final = 2 * AXES + LIMITS  # used, in flight, returned
WANTED: Final = 1 + 2 * COPY  # after the turn and two copies
MARK: Final = WANTED + LIMITS
ASK: Final = MARK + LIMITS
LEFT: Final = ASK + LIMITS
UNSPENT: Final = LEFT + LIMITS
_SLOT: Final = 72  # cells
_SECTION: Final = _OWNER + SLOTS * _SLOT
UNTOLD: Final = 1 << 62
"""Left of a limit that the hub has not told of yet."""
NUMBERS: Final = struct.Struct(f"={COPY}q")
if UNSPENT + LIMITS > _SLOT:
    raise AssertionError("a slot is too small")


@dataclass(frozen=True, slots=True)
class Holding:
    """One worker's numbers of one tenant. `returned` and `wanted` are by Limit."""

    used: Amounts
    in_flight: Amounts
    returned: tuple[int, ...]
    wanted: tuple[int, ...]


class LeaseFile:
    """Opened by the hub and by each worker. Cells are 64-bit integers, each with one writer."""

    def __init__(self, path: Path) -> None:
        """Raises ResourceError when it is not there or not a lease file."""
        self.path = path
        try:
            with path.open("r+b") as file:
                self.shared = mmap.mmap(file.fileno(), _HEADER + 8 * SECTIONS * _SECTION)
        except (OSError, ValueError) as error:
            raise ResourceError(f"{path}: cannot be opened as a lease file: {error}", hint="remove it") from error
        self.cells = memoryview(self.shared).cast("q")
        self.trusted = self.cells[2] == _boot()  # else the machine went down, and not all of it may have been kept
        self.place = self.cells[3]  # no two files have the same
        if self.cells[0] != _MAGIC:
            self.close()
            raise ResourceError(f"{path}: no lease file of this version", hint="remove it")

    @classmethod
    def create(cls, path: Path) -> LeaseFile:
        """An empty one; sparse, so that only what is used takes room. Raises ResourceError."""
        fresh = path.with_name(path.name + ".new")
        try:
            with fresh.open("wb") as file:
                fresh.chmod(0o600)
                file.write(struct.pack("=qqqq", _MAGIC, 0, _boot(), secrets.randbits(62) or 1))
                file.truncate(_HEADER + 8 * SECTIONS * _SECTION)
            fresh.replace(path)
        except OSError as error:
            raise ResourceError(f"{path}: cannot be made: {error}", hint="choose a folder with room") from error
        return cls(path)

    def tenants(self) -> list[str]:
        """By slot."""
        names = [bytes(self.shared[4096 + n * _NAME : 4096 + (n + 1) * _NAME]) for n in range(self.cells[1])]
        return [name.rstrip(b"\0").decode() for name in names]

    def add_tenant(self, name: str) -> int:
        """Its slot. The hub's; the name is whole before it counts."""
        slot = self.cells[1]
        if slot == SLOTS:
            raise ResourceError(f"more than {SLOTS} tenants", hint="restart the gateway to forget those that are gone")
        self.shared[4096 + slot * _NAME : 4096 + (slot + 1) * _NAME] = name.encode().ljust(_NAME, b"\0")
        for section, _, _ in self.workers():
            self._say_nothing(section, slot)
        self.cells[1] = slot + 1
        return slot

    def hire(self, incarnation: int, pid: int) -> int:
        """A free section, cleared, for a worker. The hub's. The incarnation counts once all else is written."""
        for section in range(SECTIONS):
            at = self._at(section)
            if not self.cells[at]:
                used = _OWNER + self.cells[1] * _SLOT
                self.cells[at : at + used] = memoryview(bytes(8 * used)).cast("q")
                for slot in range(self.cells[1]):
                    self._say_nothing(section, slot)
                self.cells[at + 1] = pid
                self.cells[at] = incarnation
                return section
        raise ResourceError(f"more than {SECTIONS} workers on this host", hint="end some")

    def name_pid(self, section: int, pid: int) -> None:
        """When the process is known only after its section was."""
        self.cells[self._at(section) + 1] = pid

    def free(self, section: int) -> None:
        self.cells[self._at(section)] = 0

    def workers(self) -> Iterator[tuple[int, int, int]]:
        """(section, incarnation, process id) of each that is hired."""
        for section in range(SECTIONS):
            at = self._at(section)
            if incarnation := self.cells[at]:
                yield section, incarnation, self.cells[at + 1]

    def holding(self, section: int, slot: int) -> Holding:
        """As of the last change that was whole. Of a living worker each number may be one change old."""
        at = self.slot_of(section, slot)
        copy = at + 1 + (self.cells[at] & 1) * COPY
        numbers = self.cells[copy : copy + COPY].tolist()
        wanted = tuple(self.cells[at + WANTED : at + WANTED + LIMITS].tolist())
        used, in_flight = Amounts(*numbers[:AXES]), Amounts(*numbers[AXES : 2 * AXES])
        return Holding(used, in_flight, tuple(numbers[2 * AXES :]), wanted)

    def turn(self, section: int, slot: int) -> int:
        """Grows with each change, so that what stood still need not be read."""
        return self.cells[self.slot_of(section, slot)]

    def mark(self, section: int, slot: int, limit: Limit) -> int:
        return self.cells[self.slot_of(section, slot) + MARK + limit]

    def lend(self, section: int, slot: int, limit: Limit, mark: int) -> None:
        """The hub's, after the ledger has it."""
        self.cells[self.slot_of(section, slot) + MARK + limit] = mark

    def ask_back(self, section: int, slot: int, limit: Limit, returned: int) -> None:
        """The hub's: how far this worker's `returned` should go."""
        self.cells[self.slot_of(section, slot) + ASK + limit] = returned

    def tell(self, section: int, slot: int, limit: Limit, left: int, unspent: int) -> None:
        """The hub's: how the limit stands on the whole host."""
        at = self.slot_of(section, slot)
        self.cells[at + LEFT + limit], self.cells[at + UNSPENT + limit] = left, unspent

    def left(self, section: int, slot: int, limit: Limit) -> int:
        """What this worker was told last; UNTOLD if it was not yet."""
        return self.cells[self.slot_of(section, slot) + LEFT + limit]

    def _say_nothing(self, section: int, slot: int) -> None:
        """Until the hub has looked, there may be enough for anybody: who comes waits for it, and is not refused."""
        at = self.slot_of(section, slot)
        for cell in range(at + LEFT, at + UNSPENT + LIMITS):
            self.cells[cell] = UNTOLD

    def slot_of(self, section: int, slot: int) -> int:
        """The cell where a slot begins: its turn, then two copies of its numbers, then WANTED and what the hub says."""
        return _HEADER // 8 + section * _SECTION + _OWNER + slot * _SLOT

    def close(self) -> None:
        self.cells.release()
        self.shared.close()

    def _at(self, section: int) -> int:
        return _HEADER // 8 + section * _SECTION


def _boot() -> int:
    """Differs after each start of the machine, where the system tells; else 0."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return 0
    return int(text.replace("-", "")[:15], 16)
