"""Random numbers that are the same on every machine and every Python: one stream for each purpose.

Only `Random.random()` is used, the one method whose numbers Python promises never to change; laws are made from it
here, so that an upgrade moves no schedule. (exp and log are the machine's; their last bit may differ.)
"""

from __future__ import annotations

import math
from random import Random
from statistics import NormalDist

__all__ = ["gamma", "normal", "stream"]

_NORMAL = NormalDist()
_LEAST = 2.0**-54
"""Half of what `random()` has above 0: a law with a tail can take no 0."""


def stream(seed: int, purpose: str) -> Random:
    """What one purpose draws changes nothing for another."""
    return Random(f"{seed}/{purpose}")  # noqa: S311


def normal(part: float) -> float:
    """The standard normal value that `part` (0 to 1) of all do not pass."""
    return _NORMAL.inv_cdf(max(part, _LEAST))


def gamma(shape: float, draw: Random) -> float:
    """Of scale 1. Marsaglia and Tsang, "A simple method for generating gamma variables", 2000."""
    if shape < 1:
        return gamma(shape + 1, draw) * math.pow(1 - draw.random(), 1 / shape)
    d = shape - 1 / 3
    c = 1 / math.sqrt(9 * d)
    while True:
        x = normal(draw.random())
        v = (1 + c * x) ** 3
        if v > 0 and math.log(1 - draw.random()) < x * x / 2 + d - d * v + d * math.log(v):
            return d * v
