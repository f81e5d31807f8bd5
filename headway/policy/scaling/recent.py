"""The most that was wanted in the last seconds: what a scaler goes down to at the earliest.

Kept as the falling staircase of the entries that can still be the maximum: an hour of passes is a few numbers.
"""

from __future__ import annotations

__all__ = ["highest", "noted"]

Wanted = tuple[tuple[float, int], ...]


def noted(wanted: Wanted, now: float, replicas: int, hold: float) -> Wanted:
    """With this one, without those older than `hold` and those that a later one is not below."""
    kept = [each for each in wanted if each[0] > now - hold and each[1] > replicas]
    return (*kept, (now, replicas))


def highest(wanted: Wanted) -> int:
    return max((replicas for _, replicas in wanted), default=0)
