"""After how long what was read is read again: how much of it a cache of some size still has.

Two kinds: a session comes back when its caller has thought, whatever the load; a beginning that many share is read
again the sooner the more requests come. Intervals are counted at one request a second, in a histogram of steps of 10 %.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from math import exp, log

__all__ = ["Reuse", "Reuses"]

_STEP = log(1.1)
SHORTEST = 1e-6


@dataclass(frozen=True, slots=True)
class Reuse:
    """By interval (seconds, rising), tokens of a request that are read again within it: of one's own session, and of
    beginnings shared by all, these counted at one request a second."""

    own: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    shared: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    def found(self, kept: float, rate: float) -> float:
        """Tokens of a request that a cache has which keeps what was used in the last `kept` seconds, at `rate` requests
        a second."""
        return _within(self.own, kept) + _within(self.shared, kept * rate)


class Reuses:
    """They are counted."""

    def __init__(self) -> None:
        self._tokens: tuple[dict[int, int], dict[int, int]] = ({}, {})

    def add(self, interval: float, tokens: int, *, is_own: bool) -> None:
        step = round(log(max(interval, SHORTEST)) / _STEP)
        counts = self._tokens[not is_own]
        counts[step] = counts.get(step, 0) + tokens

    def counted(self, requests: int, rate: float = 1.0) -> Reuse:
        """`rate`: requests a second while it was counted."""
        own, shared = (sorted(each.items()) for each in self._tokens)
        return Reuse(_table(own, requests, 1.0), _table(shared, requests, rate))


def _table(steps: list[tuple[int, int]], requests: int, rate: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    intervals = tuple(exp(step * _STEP) * rate for step, _ in steps)
    return intervals, tuple(accumulate(tokens / requests for _, tokens in steps))


def _within(table: tuple[tuple[float, ...], tuple[float, ...]], kept: float) -> float:
    intervals, tokens = table
    at = bisect_right(intervals, kept)
    return tokens[at - 1] if at else 0.0
