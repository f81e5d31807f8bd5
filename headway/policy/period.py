"""Days and months of budgets, in UTC: where they begin, and how long they last. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

__all__ = ["PERIODS", "Period", "ends_in", "start_of"]

Period = Literal["day", "month"]
PERIODS: tuple[Period, ...] = ("day", "month")


def start_of(period: Period, now: float) -> str:
    """The first day of the period that Unix time `now` is in, as 2026-11-21; these sort by time."""
    day = datetime.fromtimestamp(now, UTC).date()
    return (day if period == "day" else day.replace(day=1)).isoformat()


def ends_in(period: Period, now: float) -> float:
    """Seconds, more than 0."""
    at = datetime.fromtimestamp(now, UTC)
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        end = midnight + timedelta(days=1)
    else:
        end = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return (end - at).total_seconds()
