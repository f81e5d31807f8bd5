"""The last finished requests, numbered, in a ring."""

from __future__ import annotations

from collections import deque
from itertools import islice

from headway.gateway.record import Record, Records

__all__ = ["Journal"]


class Journal:
    def __init__(self, capacity: int) -> None:
        self._ring: deque[Record] = deque(maxlen=capacity)
        self._last = 0

    def add(self, record: Record) -> None:
        self._last += 1
        record.seq = self._last
        self._ring.append(record)

    def since(self, seq: int) -> Records:
        """The records after `seq`. A `seq` from before this worker's start counts as 0."""
        if seq > self._last:
            seq = 0
        first = self._last - len(self._ring) + 1
        skipped = max(0, seq + 1 - first)
        records = list(islice(self._ring, skipped, None))
        return Records(records=records, next=self._last, lost=max(0, first - 1 - seq))

    def find(self, request_id: str) -> Record | None:
        """The newest of that id."""
        return next((record for record in reversed(self._ring) if record.id == request_id), None)
