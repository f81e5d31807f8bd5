"""How many requests may be tried again, so that a fleet that fails is not kept down by its own retries. Pure.

    retries of the last WINDOW seconds <= ratio * requests of the last WINDOW seconds + floor * WINDOW

both as sums that fade (a weight of exp(-age / WINDOW)). From it follows for any span of T seconds, and a test holds it:
retries <= ratio * requests + floor * (T + WINDOW). Each failing layer of a system multiplies the load of the next one
by at most 1 + ratio, where "three tries each" would multiply it by three.

The form is that of Finagle (RetryBudget: a fifth, and 10 a second, over 10 s), Envoy (retry_budget: a fifth of the
active requests, and 3) and gRPC (retryThrottling). Unlike there, who finds no room waits for it: its patience is
bounded, and an engine's death that takes hundreds of long answers at once is not their end.
"""

from __future__ import annotations

from math import exp

__all__ = ["WINDOW", "RetryBudget"]

WINDOW = 10.0
"""Seconds. Finagle's."""


class RetryBudget:
    """`sent` counts all tries so far, first ones and others; it may fall when endpoints go. `floor` is a second."""

    __slots__ = ("_at", "_fresh_from", "_requests", "_retries")

    def __init__(self) -> None:
        self._at = 0.0
        self._requests = self._retries = 0.0
        self._fresh_from = 0  # of `sent`: what is beyond it has not been looked at

    def left(self, sent: int, now: float, *, ratio: float, floor: float) -> bool:
        """Whether one may be tried again now."""
        fade = exp(-max(0.0, now - self._at) / WINDOW)
        self._at = max(self._at, now)
        self._requests = self._requests * fade + max(0, sent - self._fresh_from)
        self._retries *= fade
        self._fresh_from = sent
        return self._retries + 1.0 <= ratio * self._requests + floor * WINDOW

    def take(self, sent: int, now: float, *, ratio: float, floor: float) -> bool:
        """One is tried again now, if there is room; its try will be counted in `sent` like any other."""
        if not self.left(sent, now, ratio=ratio, floor=floor):
            return False
        self._retries += 1.0
        self._fresh_from += 1
        return True
