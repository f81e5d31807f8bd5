"""Figures of a run as people read them: three digits, a unit that fits, and no share rounded up to "all" or down to
"none"."""

from __future__ import annotations

import math

__all__ = ["count", "each_second", "percent", "ratio", "seconds", "span", "tick_percent", "tick_rate", "tick_seconds"]

NONE = "-"
NEVER = "never"
"""Infinitely late: so many failed that a percentile falls on one of them."""


def seconds(value: float | None) -> str:
    """A latency: 0.82 ms, 4.5 ms, 61 ms, 4.51 s, 45.1 s, 612 s."""
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return NEVER
    if abs(value) < 0.9995:
        millis = value * 1000
        return (
            f"{millis:.0f} ms"
            if abs(millis) >= 9.95
            else f"{millis:.1f} ms"
            if abs(millis) >= 0.995
            else f"{millis:.2f} ms"
        )
    return f"{value:.2f} s" if value < 9.995 else f"{value:.1f} s" if value < 99.95 else f"{value:,.0f} s"


def span(value: float) -> str:
    """How long something lasts: 0.5 s, 45 s, 90 s, 12 min, 3.5 h."""
    if value < 100:
        return f"{value:.3g} s"
    return f"{value / 60:.3g} min" if value < 6000 else f"{value / 3600:.3g} h"


def each_second(value: float | None) -> str:
    """A rate: 0.30/s, 8.1/s, 19.7/s, 20/s, 100.6/s, 1,182/s."""
    if value is None or not math.isfinite(value):
        return NONE
    if value >= 999.5:
        return f"{value:,.0f}/s"
    told = f"{value:.1f}" if value >= 0.995 else f"{value:.2f}" if value else "0"
    return f"{told.removesuffix('.0') if value >= 9.95 else told}/s"


def count(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value:,.0f}"


def percent(share: float | None) -> str:
    """Of 1: 98 %, 99.95 %; what is not quite all is never "100 %", and what is not nothing never "0 %"."""
    if share is None or math.isnan(share):
        return NONE
    if share in (0.0, 1.0):
        return f"{share * 100:.0f} %"
    hundred = share * 100
    if hundred > 99.99:
        return "over 99.99 %"
    if hundred < 0.01:
        return "under 0.01 %"
    places = 2 if hundred > 99.9 or hundred < 0.1 else 1 if hundred > 99 or hundred < 1 else 0
    return f"{hundred:.{places}f} %"


def ratio(value: float) -> str:
    """B of A: 0.88, 1.02, 12.4."""
    return NONE if math.isnan(value) else f"{value:.2f}" if value < 9.995 else f"{value:.1f}"


def tick_seconds(value: float) -> str:
    """Beside an axis, where values are round: 50 ms, 1 s, 20 s."""
    return f"{value * 1000:.4g} ms" if value < 0.9999 else f"{value:.4g} s"


def tick_rate(value: float) -> str:
    return f"{value:,.0f}/s" if value >= 1000 else f"{value:.4g}/s"


def tick_percent(share: float) -> str:
    return f"{share * 100:.4g} %"
