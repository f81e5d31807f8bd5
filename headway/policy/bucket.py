"""A rate limit as a bucket that is lent out: it holds one minute's worth and is refilled evenly. Pure.

A tenant that was idle may use a whole minute's worth at once; over any stretch of T seconds it gets at most
limit * (1 + T / 60). What workers hold of it counts as still in the bucket, so lending does not widen the burst.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MINUTE", "Bucket"]

MINUTE = 60.0


@dataclass(slots=True)
class Bucket:
    """`level`: what nobody holds; `at`: the time it was refilled to; `held`: what was held then."""

    per_minute: int
    level: float
    at: float
    held: int = 0

    def refill(self, now: float, held: int) -> int:
        """`held`: what the workers hold unused. Returns what can be lent now, in whole units.

        What was used since the last time was held all the while, for all that is known: its room was not free to be
        refilled. Else a burst out of what workers held would be made up for by the pause before it.
        """
        gained = self.per_minute * max(0.0, now - self.at) / MINUTE
        self.level = min(self.level + gained, max(0.0, float(self.per_minute - max(held, self.held))))
        self.at, self.held = max(self.at, now), held
        return int(self.level)

    def resize(self, per_minute: int) -> None:
        self.per_minute, self.level = per_minute, min(self.level, float(per_minute))

    def move(self, amount: int) -> None:
        """Lent (negative) or given back (positive)."""
        self.level += amount
        self.held = max(0, self.held - amount)

    def seconds_until(self, amount: int) -> float:
        """Until that much can be lent, if nobody else takes any."""
        return max(0.0, (amount - self.level) * MINUTE / self.per_minute)
