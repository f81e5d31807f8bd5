"""A straight line through noisy samples that keeps up with the times: coefficients that are never negative.

Least squares of *relative* error with forgetting: each sample is divided by what was predicted for it, so that short
and long requests count alike, and old ones fade by a constant factor. A prior stands in as samples that do not fade,
so that a direction without samples stays where it was believed to be. What lies far off the usual error counts as
much less (Huber): one stalled request moves little, while a real change makes large errors usual within some twenty
samples. Solved by a few sweeps of coordinate descent from where it stood: O(1), no matrix is inverted, and a
coefficient that would be negative is held at its least with the others fitted around that. Sums are exact (fsum), since
`sum` of floats rounds otherwise from Python 3.12 on, and a simulation is to be the same on all.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Final

__all__ = ["Line"]

_KEEP: Final = 0.98  # a sample's weight after each later one: the last fifty count
_DOUBT: Final = 0.9  # the same when that one is far off: either it is a stray, or what was learned is out of date
_FAR: Final = 2.0  # usual errors: beyond so many a sample counts less
_USUAL: Final = 0.1  # how fast the usual error follows
_CREEP: Final = 4.0  # usual errors: what is beyond counts as this when the usual error is learned
_FLOOR: Final = 0.02  # the least usual error: clocks and event loops are no better
_SWEEPS: Final = 3
_NOTHING, _LEAST = 1e-3, 1e-12  # a share of the first prior, and a value, that is as good as 0


class Line:
    """y = sum(coefficient * x); x[0] is 1. `trust` is what the prior weighs: samples of usual error. `shares`: what
    each coefficient explains of the mean y at least, up to its prior: noise never makes something cost nothing."""

    __slots__ = ("_gram", "_least", "_moment", "_usual", "coefficients", "prior", "samples", "shares", "trust")

    def __init__(self, prior: Sequence[float], trust: float, shares: Sequence[float]) -> None:
        self.prior, self.trust, self.shares = tuple(prior), trust, tuple(shares)
        self.coefficients = list(prior)
        self._least = [max(_LEAST, _NOTHING * each) for each in prior]
        size = len(self.coefficients)
        self._gram = [[0.0] * size for _ in range(size)]
        self._moment = [0.0] * size
        self._usual = (
            1.0  # nothing is far off before anything is known: an error is below 2 by its definition, or above
        )
        self.samples = 0

    def predict(self, x: Sequence[float]) -> float:
        return fsum(map(float.__mul__, self.coefficients, x))

    def observe(self, x: Sequence[float], y: float, weight: float = 1.0) -> None:
        """`x` are floats, none negative. A `y` that is not positive is no sample."""
        if y <= 0.0:
            return
        self.samples += 1
        predicted = self.predict(x)
        inverse = 1.0 / max(predicted, 0.5 * y)  # else what was predicted far too small would be all that counts
        error, usual = abs(y - predicted) * inverse, self._usual
        keep = _KEEP
        if error > _FAR * usual:
            keep = _DOUBT
            weight *= _FAR * usual / error
            error = min(error, _CREEP * usual)
        self._usual = max(_FLOOR, usual + max(_USUAL, 1.0 / (self.samples + 1)) * (error - usual))
        heavy = weight * inverse * inverse
        gram, moment = self._gram, self._moment
        for row, left in enumerate(x):
            scaled, line = heavy * left, gram[row]
            moment[row] = keep * moment[row] + scaled * y
            for column, right in enumerate(x):
                line[column] = keep * line[column] + scaled * right
        self._solve()

    def _solve(self) -> None:
        found, gram, moment = self.coefficients, self._gram, self._moment
        least = [
            min(share * moment[0] / max(x, _LEAST), believed)
            for share, x, believed in zip(self.shares, gram[0], self.prior, strict=True)
        ]
        for _ in range(_SWEEPS):
            for row, line in enumerate(gram):
                believed, own = self.prior[row], line[row]
                scale = max(believed, found[row], self._least[row])
                anchor = self.trust / (scale * scale)
                if own + anchor > 0.0:
                    rest = fsum(map(float.__mul__, line, found)) - own * found[row]
                    found[row] = max(least[row], (moment[row] + anchor * believed - rest) / (own + anchor))
