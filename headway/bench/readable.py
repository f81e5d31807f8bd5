"""Figures of a run as people read them: three digits, a unit that fits, and no share rounded up to "all" or down to "none"."""

from __future__ import annotations

import math

__all__ = ["count", "each_second", "percent", "ratio", "seconds", "span"]

NONE = "-"
NEVER = "never"
"""Infinitely late: of the requests that the percentile counts, so many failed that it falls on one."""


def seconds(value: float | None) -> str:
    """A latency: 0.82 ms, 4.5 ms, 61 ms, 4.51 s, 45.1 s, 612 s."""
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return NEVER
    if abs(value) < 0.9995:
        return f"{_digits(value * 1000)} ms"
    return f"{_digits(value, fine=True)} s"


def span(value: float) -> str:
    """How long something lasts: 45 s, 90 s, 12 min, 3.5 h."""
    if value < 100:
        return f"{value:.3g} s"
    return f"{value / 60:.3g} min" if value < 6000 else f"{value / 3600:.3g} h"


def each_second(value: float | None) -> str:
    """A rate: 0.3/s, 19.7/s, 1,182/s."""
    if value is None or math.isnan(value):
        return NONE
    return f"{_digits(value, fine=value < 0.1)}/s" if math.isfinite(value) else NONE


def count(value: float | None) -> str:
    if value is None or math.isnan(value):
        return NONE
    return f"{value:,.0f}"


def percent(share: float | None) -> str:
    """Of 1: 98 %, 99.95 %; what is not quite all is never "100 %", and what is not nothing never "0 %"."""
    if share is None or math.isnan(share):
        return NONE
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    hundred = share * 100
    if hundred > 99.995:
        return "over 99.99 %"
    if 0 < hundred < 0.005:
        return "under 0.01 %"
    places = 2 if hundred > 99.9 or hundred < 0.1 else 1 if hundred > 99 or hundred < 1 else 0
    return f"{hundred:.{places}f} %"


def ratio(value: float) -> str:
    """B of A: 0.88, 1.02, 12.4."""
    return NONE if math.isnan(value) else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _digits(value: float, *, fine: bool = False) -> str:
    """About three of them: two below ten (three when fine), thousands with commas."""
    size = abs(value)
    if size >= 99.95:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}" if fine or size < 99.95 and round(value, 1) % 1 else f"{value:.0f}"
    return f"{value:.2f}" if fine or size < 0.995 else f"{value:.1f}"
