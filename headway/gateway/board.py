"""The board: what the workers of one host know of each other without asking, in one shared file.

Each worker has a section that it alone writes; everybody reads all sections and adds up. So no lock is needed, a
number is never lost, and what a worker had written is still there when it was killed. A cell is a 64-bit integer.

A section holds, for each endpoint slot: requests running there, prompt tokens sent there and not yet answered by a
first token, tokens in the contexts of the requests that run there, and requests ever sent there.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Final

from headway.errors import ResourceError

__all__ = ["SLOTS", "Board", "Section"]

SLOTS: Final = 4096
"""Endpoints that one gateway can route to at once."""

_FIELDS: Final = 4
_HEADER: Final = 512  # cells: magic, number of sections, then the process id of each worker
_MAGIC: Final = 0x6864777962320002
_SECTION: Final = SLOTS * _FIELDS


class Section:
    """One worker's own cells; `add` is the only write."""

    __slots__ = ("_cells", "_start")

    def __init__(self, cells: memoryview[int], start: int) -> None:
        self._cells, self._start = cells, start

    def add(self, slot: int, running: int, pending: int, context: int) -> None:
        cells, at = self._cells, self._start + slot * _FIELDS
        cells[at] += running
        if running > 0:
            cells[at + 3] += running
        cells[at + 1] += pending
        cells[at + 2] += context

    def sent(self, slot: int) -> int:
        return self._cells[self._start + slot * _FIELDS + 3]

    def read(self, slot: int) -> tuple[int, int, int]:
        cells, at = self._cells, self._start + slot * _FIELDS
        return cells[at], cells[at + 1], cells[at + 2]

    def clear(self) -> None:
        """The worker is gone, and with it all that it had running."""
        end = self._start + _SECTION
        self._cells[self._start : end] = memoryview(bytes(8 * _SECTION)).cast("q")


class Board:
    """`sections[n]` is worker n's. The file is sparse: a few pages a worker are ever touched."""

    def __init__(self, descriptor: int, workers: int) -> None:
        size = 8 * (_HEADER + workers * _SECTION)
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, size)
        self._cells = memoryview(self._map).cast("q")
        self.sections = [Section(self._cells, _HEADER + n * _SECTION) for n in range(workers)]

    @classmethod
    def create(cls, path: Path, workers: int) -> Board:
        """A fresh board at `path`; one that was there is replaced, and who has it open keeps it. Raises
        ResourceError."""
        if not 1 <= workers <= _HEADER - 2:
            raise ResourceError(f"{workers} workers", hint=f"use 1 to {_HEADER - 2}: about one a core")
        fresh = path.with_name(path.name + ".new")
        descriptor = -1
        try:
            descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            os.truncate(descriptor, 8 * (_HEADER + workers * _SECTION))
            fresh.replace(path)
            board = cls(descriptor, workers)
        except (OSError, ValueError) as error:
            if descriptor >= 0:
                os.close(descriptor)
            raise ResourceError(
                f"{path}: cannot be made ({error})", hint="choose a folder on a disk with room"
            ) from error
        board._cells[0], board._cells[1] = _MAGIC, workers
        return board

    @classmethod
    def pids_of(cls, path: Path) -> list[int]:
        """The workers that an earlier hub wrote down; empty when the file is not there or not a board."""
        try:
            with path.open("rb") as file:
                cells = memoryview(file.read(8 * _HEADER)).cast("q")
        except (OSError, TypeError):
            return []
        if len(cells) < _HEADER or cells[0] != _MAGIC:
            return []
        return [pid for pid in cells[2 : 2 + cells[1]] if pid > 0]

    def name_worker(self, number: int, pid: int) -> None:
        self._cells[2 + number] = pid

    def running(self, slot: int) -> int:
        return sum(section.read(slot)[0] for section in self.sections)

    def close(self) -> None:
        for section in self.sections:
            section._cells = memoryview(b"").cast("q")
        self._cells.release()
        self._map.close()
        os.close(self.descriptor)
