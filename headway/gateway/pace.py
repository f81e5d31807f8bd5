"""How evenly one stream came: the time from each of its events to the next, sorted as it passes.

One clock reading serves all that came in one read: its events share the time since the read before, so that the sum is
the stream's own length, and a stall of two seconds among a hundred tokens shows as what it was. It costs a read of the
stream some 60 ns compiled: no object is made, nothing is searched.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

__all__ = ["ITL_BOUNDS", "Pace"]

ITL_BOUNDS: Final = (0.0025, 0.005, *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5))
"""Seconds. OpenTelemetry's for a token's time, and a quarter of the least."""
_FINEST: Final = 400.0
_LONGEST: Final = 2.5
_BUCKETS: Final[list[int]] = [bisect_left(ITL_BOUNDS, (step + 0.5) / _FINEST) for step in range(1001)]
"""Of gaps by 2.5 ms: all bounds are multiples of it."""


class Pace:
    """`events`: with data, that a stream has brought so far. `counts`: of gaps, by the bounds. Times are loop time."""

    __slots__ = ("_at", "_began", "_seen", "counts", "events")

    def __init__(self) -> None:
        self.events = self._seen = 0
        self.counts: list[int] = [0] * (len(ITL_BOUNDS) + 1)
        self._began = self._at = 0.0

    def begin(self, now: float) -> None:
        """The first of them are here."""
        self._began = self._at = now
        self.counts[0] = max(0, self.events - 1)
        self._seen = self.events

    def heard(self, now: float) -> None:
        """A read brought more, or the end."""
        fresh = self.events - self._seen
        if fresh > 0:
            gap = (now - self._at) / fresh
            place = _BUCKETS[int(gap * _FINEST)] if gap < _LONGEST else len(self.counts) - 1
            self.counts[place] += fresh
            self._seen, self._at = self.events, now

    @property
    def seconds(self) -> float:
        """All gaps together."""
        return self._at - self._began
