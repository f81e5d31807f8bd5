"""Who gets which share of all requests, by a point in [0, 1) that is the same for the same user each time.

A share is an interval. When somebody is absent, the interval is divided among those who are there by their weights, and
nobody else's users move.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass

__all__ = ["Shares", "shares"]


@dataclass(frozen=True, slots=True)
class Shares:
    """`owners[i]` has the interval that ends at `bounds[i]`."""

    bounds: tuple[float, ...]
    owners: tuple[str, ...]

    def of(self, point: float) -> str:
        return self.owners[min(bisect_right(self.bounds, point), len(self.owners) - 1)]

    def size(self, owner: str) -> float:
        begins = (0.0, *self.bounds)
        return sum(
            end - begin for begin, end, own in zip(begins, self.bounds, self.owners, strict=False) if own == owner
        )


def shares(weights: Mapping[str, float], present: Collection[str]) -> Shares | None:
    """None when nobody with a weight above 0 is there."""
    total = sum(weight for weight in weights.values() if weight > 0)
    there = {name: weight for name, weight in weights.items() if weight > 0 and name in present}
    if not there:
        return None
    bounds: list[float] = []
    owners: list[str] = []
    begin, left = 0.0, sum(there.values())
    for name, weight in weights.items():
        width = max(0.0, weight) / total
        heirs = {name: weight} if name in there else there
        heirs_total = weight if name in there else left
        end = begin
        for heir, part in heirs.items() if width else ():
            end += width * part / heirs_total
            bounds.append(end)
            owners.append(heir)
        begin += width
    return Shares(tuple(bounds), tuple(owners))
