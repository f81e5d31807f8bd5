"""The worker's side of the lease file: what it holds of each tenant's limits, and the two changes a request makes.

A change costs about a microsecond: no lock, no call of the kernel, no question to the hub.
"""

from __future__ import annotations

from typing import Final

from headway.policy.budget import AXES, AXIS_OF, LIMITS, Amounts, Axis, Limit
from headway.store.leases import ASK, COPY, LEFT, MARK, NUMBERS, UNSPENT, WANTED, LeaseFile

__all__ = ["Purse", "TenantPurse"]

# Places in a worker's own numbers, as plain ones: a request looks at some thirty of them.
_AXES: Final[list[int]] = [int(axis) for axis in AXIS_OF]
_REQUESTS: Final = int(Axis.REQUESTS)
_TOKENS: Final = int(Axis.TOKENS)
_MICROS: Final = int(Axis.MICROS)
_RUNNING_IN_FLIGHT: Final = AXES + int(Axis.RUNNING)
_TOKENS_IN_FLIGHT: Final = AXES + int(Axis.TOKENS)
_MICROS_IN_FLIGHT: Final = AXES + int(Axis.MICROS)


class TenantPurse:
    """One tenant at one worker: the `View` of policy.admission. Only this worker writes it."""

    __slots__ = ("_at", "_cells", "_file", "_own")

    def __init__(self, file: LeaseFile, at: int) -> None:
        self._file, self._cells, self._at = file, file.cells, at
        self._own = [0] * COPY  # used, in flight (both by Axis), returned (by Limit)

    def rooms(self) -> list[int]:
        """Headroom at every Limit, by Limit."""
        own, start = self._own, self._at + MARK
        rooms: list[int] = self._cells[start : start + LIMITS].tolist()
        for limit in range(LIMITS):
            axis = _AXES[limit]
            rooms[limit] -= own[2 * AXES + limit] + own[axis] + own[AXES + axis]
        return rooms

    def headroom(self, limit: Limit) -> int:
        return self.rooms()[limit]

    def left(self, limit: Limit) -> int:
        return max(self.headroom(limit), self._cells[self._at + LEFT + limit])

    def unspent(self, limit: Limit) -> int:
        return max(self.headroom(limit), self._cells[self._at + UNSPENT + limit])

    def standing(self) -> list[int]:
        """`left` of every Limit, as the hub last told; by Limit."""
        return self._cells[self._at + LEFT : self._at + LEFT + LIMITS].tolist()

    def want(self, limit: Limit, amount: int) -> None:
        """The least that a request needs which waits here; 0 when none waits any more."""
        if self._cells[self._at + WANTED + limit] != amount:
            self._cells[self._at + WANTED + limit] = amount
            self._publish()  # the hub looks at what has changed

    def reserve(self, amounts: Amounts) -> None:
        """Before anything is sent upstream. The request itself counts at once, whatever comes of it."""
        own = self._own
        own[_REQUESTS] += amounts.requests
        own[_RUNNING_IN_FLIGHT] += amounts.running
        own[_TOKENS_IN_FLIGHT] += amounts.tokens
        own[_MICROS_IN_FLIGHT] += amounts.micros
        self._publish()

    def settle(self, reserved: Amounts, tokens: int, micros: int) -> None:
        """The request has ended, and used so much; one that was never sent upstream used nothing."""
        own = self._own
        own[_RUNNING_IN_FLIGHT] -= reserved.running
        own[_TOKENS_IN_FLIGHT] -= reserved.tokens
        own[_MICROS_IN_FLIGHT] -= reserved.micros
        own[_TOKENS] += tokens
        own[_MICROS] += micros
        self._publish()

    def give_back(self) -> bool:
        """Unused headroom that the hub asks for. True when something was given."""
        own, given = self._own, False
        for limit in Limit:
            asked = self._cells[self._at + ASK + limit] - own[2 * AXES + limit]
            if asked > 0 and (more := min(asked, self.headroom(limit))) > 0:
                own[2 * AXES + limit] += more
                given = True
        if given:
            self._publish()
        return given

    def _publish(self) -> None:
        """Beside the numbers that count now; then the flip of one cell makes these count."""
        turn = self._cells[self._at] + 1
        NUMBERS.pack_into(self._file.shared, 8 * (self._at + 1 + (turn & 1) * COPY), *self._own)
        self._cells[self._at] = turn


class Purse:
    """All tenants at one worker, whose section of the file is new (`LeaseFile.hire`)."""

    def __init__(self, file: LeaseFile, section: int) -> None:
        self._file, self._section = file, section
        self._tenants: dict[str, TenantPurse] = {}

    def tenant(self, name: str) -> TenantPurse | None:
        """None while the hub has no slot for it: for a moment after a table was swapped."""
        found = self._tenants.get(name)
        if found is None:
            for slot, known in enumerate(self._file.tenants()):
                if known not in self._tenants:
                    self._tenants[known] = TenantPurse(self._file, self._file.slot_of(self._section, slot))
            found = self._tenants.get(name)
        return found

    def give_back(self) -> bool:
        """Called on each tick of the worker."""
        given = [each.give_back() for each in self._tenants.values()]
        return any(given)
