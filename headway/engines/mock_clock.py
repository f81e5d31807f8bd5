"""A mock engine's clock: it runs `scale` times as fast as ours, and stands still while the engine stalls. Pure.

Standing still is the whole of a stall: what was due in it is due as much later, what comes in it counts from its end.
"""

from __future__ import annotations

import math

__all__ = ["Clock"]


class Clock:
    """Ours is the monotonic clock, in seconds. `began`: when the engine's was 0. `stall`: from when until when, in
    seconds of ours after the first request came."""

    def __init__(self, scale: float, began: float, stall: tuple[float, float] | None = None) -> None:
        self._scale = scale
        self._began = began
        self._stall = stall
        self._from = self._until = math.inf
        self._length = 0.0

    def first_request(self, came: float) -> None:
        """The seconds of a stall count from here; only the first call does anything."""
        if self._stall is not None:
            self._from, self._until = came + self._stall[0], came + self._stall[1]
            self._length = self._until - self._from
            self._stall = None

    def engine(self, ours: float) -> float:
        """What the engine's clock says then."""
        stalled = min(max(ours - self._from, 0.0), self._length)
        return (ours - self._began - stalled) * self._scale

    def ours(self, engine: float) -> float:
        """When the engine's clock says that: what is due at a stall's beginning is due at its end."""
        at = self._began + engine / self._scale
        return at if at < self._from else at + self._length

    def seconds(self, engine: float) -> float:
        """How long so many of the engine's seconds take."""
        return engine / self._scale

    def stalled_until(self, ours: float) -> float | None:
        """When the stall that it is then in ends."""
        return self._until if self._from <= ours < self._until else None
