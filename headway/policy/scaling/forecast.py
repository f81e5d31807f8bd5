"""What will come an hour of the day like this one: what came at the same hour before. Seasonal-naive, a floor only.

The mean of the same hour's rate on the last days, and on the same weekday where weeks are known: the larger. It is a
floor under what the last minutes say and never a ceiling, so a wrong one costs money and no request. Anything cleverer
must beat it on the user's own history first (Hyndman & Athanasopoulos, "Forecasting: principles and practice", 5.2).
"""

from __future__ import annotations

from collections.abc import Mapping

from headway.policy.scaling.observation import Rate

__all__ = ["DAY", "HOUR", "forecast"]

HOUR, DAY = 3600.0, 86_400.0
_DAYS = 3
_WEEK = 7


def forecast(history: Mapping[int, Rate], now: float, horizon: float) -> Rate | None:
    """`history`: mean rates by whole hour since the clock's zero (`int(time / HOUR)`). `horizon`: seconds from now.
    None: nothing is known of that hour on any day before."""
    hour = int((now + horizon) // HOUR)
    days = [history[past] for day in range(1, _DAYS + 1) if (past := hour - 24 * day) in history]
    week = history.get(hour - 24 * _WEEK)
    if not days and week is None:
        return None
    prompt = sum(each.prompt for each in days) / max(len(days), 1)
    output = sum(each.output for each in days) / max(len(days), 1)
    return Rate(prompt, output) if week is None else Rate(max(prompt, week.prompt), max(output, week.output))
