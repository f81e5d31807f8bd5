"""Which slot of the board belongs to which endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from headway.gateway.board import SLOTS

__all__ = ["Slots"]


class Slots:
    """A slot is given anew only when its last endpoint left the table and nothing runs there any more."""

    def __init__(self, running: Callable[[int], int]) -> None:
        self._running = running
        self._by_id: dict[str, int] = {}
        self._leaving: set[int] = set()
        self._unused = iter(range(SLOTS))

    def assign(self, ids: Iterable[str]) -> dict[str, int]:
        """Slots for the endpoints of a new table; one that finds none is left out."""
        wanted = dict.fromkeys(ids)
        gone = self._by_id.keys() - wanted.keys()
        self._leaving.update(self._by_id.pop(each) for each in gone)
        for each in wanted:
            if each not in self._by_id and (slot := self._free()) is not None:
                self._by_id[each] = slot
        return dict(self._by_id)

    def _free(self) -> int | None:
        slot = next(self._unused, None)
        if slot is not None:
            return slot
        free = next((each for each in self._leaving if self._running(each) == 0), None)
        if free is not None:
            self._leaving.discard(free)
        return free
