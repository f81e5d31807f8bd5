"""Quantiles of many values in bounded memory: exact for the first so many, then a histogram with a stated error.

The histogram's bins are 128 to a doubling (as in HdrHistogram), so that a quantile is wrong by at most 0.4 % of
itself. Bins are made with `math.frexp`, which is exact, so that they are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import frexp, inf, ldexp, nan

__all__ = ["ERROR", "EXACT", "Distribution"]

EXACT = 20_000
"""Values kept as they are."""
_BINS = 128
ERROR = 0.5 / _BINS
"""Of a quantile beyond that, relative."""


_ZERO = -1 << 20


def _bin(value: float) -> int:
    if value <= 0:
        return _ZERO
    mantissa, exponent = frexp(value)
    return exponent * _BINS + int((mantissa - 0.5) * (2 * _BINS))


def _middle(number: int) -> float:
    if number == _ZERO:
        return 0.0
    exponent, part = divmod(number, _BINS)
    return ldexp(0.5 + (part + 0.5) / (2 * _BINS), exponent)


def _start(number: int) -> float:
    exponent, part = divmod(number, _BINS)
    return ldexp(0.5 + part / (2 * _BINS), exponent)


class Distribution:
    """Of values from 0 on. `exact`: how many are kept as they are (0: none)."""

    __slots__ = ("_bins", "_exact", "_values", "count", "least", "most", "total")

    def __init__(self, exact: int = EXACT) -> None:
        self.count, self.total, self.least, self.most = 0, 0.0, inf, 0.0
        self._exact = exact
        self._values: list[float] | None = [] if exact else None
        self._bins: dict[int, int] = {}

    def add(self, value: float, count: int = 1) -> None:
        self.count += count
        self.total += value * count
        self.least = min(self.least, value)
        self.most = max(self.most, value)
        values = self._values
        if values is not None:
            if count == 1 and len(values) < self._exact:
                values.append(value)
                return
            self._spill(values)
        number = _bin(value)
        self._bins[number] = self._bins.get(number, 0) + count

    def add_rising(self, first: float, longer: float, steps: int, each: int) -> None:
        """`each` times the values first, first + longer, … of so many steps."""
        last = first + longer * (steps - 1)
        begins, ends = _bin(first), _bin(last)
        if steps == 1 or begins == ends:
            self.add((first + last) / 2, steps * each)
            return
        done = 0
        for number in range(begins, ends + 1):
            below = steps if number == ends else min(steps, int((_start(number + 1) - first) / longer) + 1)
            if below > done:
                self.add(first + longer * ((done + below - 1) / 2), (below - done) * each)
                done = below

    def merge(self, other: Distribution) -> None:
        self.count, self.total = self.count + other.count, self.total + other.total
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)
        if other._values is not None:
            if self._values is not None and self.count <= self._exact:
                self._values += other._values
                return
            for value in other._values:
                number = _bin(value)
                self._bins[number] = self._bins.get(number, 0) + 1
        if self._values is not None:
            self._spill(self._values)
        for number, count in other._bins.items():
            self._bins[number] = self._bins.get(number, 0) + count

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else nan

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """Rising shares of [0, 1]: the value that such a share of all do not pass (nearest rank)."""
        if not self.count:
            return [nan] * len(shares)
        if self._values is not None:
            ordered = sorted(self._values)
            return [ordered[max(0, min(len(ordered) - 1, _rank(share, len(ordered))))] for share in shares]
        found: list[float] = []
        bins = sorted(self._bins)
        at, below = 0, 0
        for share in shares:
            wanted = _rank(share, self.count)
            while at < len(bins) - 1 and below + self._bins[bins[at]] <= wanted:
                below += self._bins[bins[at]]
                at += 1
            found.append(min(max(_middle(bins[at]), self.least), self.most))
        return found

    def quantile(self, share: float) -> float:
        return self.quantiles((share,))[0]

    def _spill(self, values: list[float]) -> None:
        self._values = None
        for value in values:
            number = _bin(value)
            self._bins[number] = self._bins.get(number, 0) + 1


def _rank(share: float, count: int) -> int:
    """From 0; the share's last bit must not move it."""
    return max(0, -int(-(share * count - 1e-9) // 1) - 1)
