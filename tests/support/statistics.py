"""Whether numbers follow a law: what the tests of schedules and of arrivals at a server ask."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

__all__ = ["kolmogorov", "quantile", "variation"]


def variation(numbers: Sequence[float]) -> float:
    """Standard deviation, divided by the mean."""
    mean = math.fsum(numbers) / len(numbers)
    return math.sqrt(math.fsum((each - mean) ** 2 for each in numbers) / (len(numbers) - 1)) / mean


def quantile(numbers: Sequence[float], part: float) -> float:
    """The number that `part` of all do not pass."""
    ordered = sorted(numbers)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def kolmogorov(numbers: Sequence[float], below: Callable[[float], float]) -> float:
    """The p-value of the Kolmogorov-Smirnov test that `numbers` follow the law whose distribution function `below` is.

    The series of Kolmogorov with the correction for small numbers of Stephens ("Use of the Kolmogorov-Smirnov ...
    statistics without extensive tables", 1970).
    """
    ordered, count = sorted(numbers), len(numbers)
    far = max(max(below(each) - place / count, (place + 1) / count - below(each)) for place, each in enumerate(ordered))
    scaled = (math.sqrt(count) + 0.12 + 0.11 / math.sqrt(count)) * far
    series = (2 * (-1) ** (term - 1) * math.exp(-2 * (term * scaled) ** 2) for term in range(1, 101))
    return min(max(math.fsum(series), 0.0), 1.0)
