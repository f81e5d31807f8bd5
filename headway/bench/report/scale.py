"""The axes of plots: where a value lies on one (0..1), and which values are written beside it. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Scale", "around", "clock", "linear", "logarithmic"]

WANTED = 5
"""Ticks of an axis, about."""
_DIGITS = ((0.45, (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)), (0.9, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)),
           (1.6, (1.0, 2.0, 5.0)), (2.6, (1.0, 3.0)))  # fmt: skip
"""Of a logarithmic axis that spans so many powers of ten at the most."""
_UNITS = ((86_400.0, "d", (1, 2, 5, 10)), (3600.0, "h", (1, 2, 3, 6, 12)), (60.0, "min", (1, 2, 5, 10, 15, 30)),
          (1.0, "s", (1, 2, 5, 10, 15, 30)))  # fmt: skip
"""Of time: seconds, a name, and how many of them a step may have."""


@dataclass(frozen=True, slots=True)
class Scale:
    low: float
    high: float
    told: Callable[[float], str]
    log: bool = False
    step: float = 0.0  # between ticks of a linear axis; 0: as values in tens want it

    def at(self, value: float) -> float:
        """0 at the lower end, 1 at the upper; what lies beyond stands at the edge."""
        if self.log:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, share))

    def ticks(self) -> list[float]:
        return _decades(self.low, self.high) if self.log else _steps(self.low, self.high, self.step)


def linear(low: float, high: float, told: Callable[[float], str]) -> Scale:
    return Scale(low, high if high > low else low + 1.0, told)


def clock(seconds: float) -> Scale:
    """From the beginning to so many seconds: steps that clocks have, all told in one unit: 0, 5 min, 10 min."""
    if seconds < WANTED:
        return linear(0.0, seconds, lambda value: f"{value:.3g} s" if value else "0")
    rough = seconds / WANTED
    found = [(unit * size, unit, name) for unit, name, sizes in reversed(_UNITS) for size in sizes]
    step, unit, name = next((each for each in found if each[0] >= rough * 0.9999), found[-1])
    if step < rough:  # weeks
        step = unit * math.ceil(rough / unit)
    return Scale(0.0, seconds, lambda value: f"{value / unit:,.0f} {name}" if value else "0", step=step)


def logarithmic(low: float, high: float, told: Callable[[float], str]) -> Scale:
    """Both ends above 0; a little wider than the values, so that the outermost are seen."""
    low, high = max(low, 1e-6), max(high, 1e-6)
    if high < low * 1.5:
        low, high = low / 1.3, high * 1.3
    return Scale(low / 1.05, high * 1.05, told, log=True)


def around(values: Iterable[float], told: Callable[[float], str], *, log: bool = False) -> Scale:
    """An axis that holds all finite values; a linear one begins at 0."""
    known = [each for each in values if math.isfinite(each) and (each > 0 or not log)]
    if log:
        return logarithmic(min(known, default=1e-3), max(known, default=1.0), told)
    return linear(min(0.0, min(known, default=0.0)), max(known, default=0.0) * 1.05, told)


def _steps(low: float, high: float, step: float) -> list[float]:
    """Multiples of `step`; of 1, 2 or 5 times a power of ten where it is 0."""
    if not step:
        rough = (high - low) / WANTED
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough * 0.9999)
    first = math.ceil(low / step - 1e-9)
    return [step * index for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Round values, the fewer of each power of ten the more powers there are."""
    spread = math.log10(high / low)
    digits = next((digits for most, digits in _DIGITS if spread <= most), (1.0,))
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in digits]
    return [each for each in ticks if low <= each <= high]
