"""How often: `20/s`, `600/min`, or a ramp from one rate to another, `5..50/s`. Requests a second inside the code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema

from headway.spec.fault import Fault, describe
from headway.spec.fields import is_written

__all__ = ["MOST_RATE", "Rate", "RateText"]

RATE_FORM = "write a rate like 20/s, 600/min or 0.5/s, or a ramp like 5..50/s"
MOST_RATE = 1e6
"""Requests a second; more is a slip of the keyboard."""

_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,20})?"
_RATE = re.compile(rf"({_NUMBER})(?:\.\.({_NUMBER}))? ?/ ?(s|min|h)", re.ASCII)
_SECONDS = {"s": Decimal(1), "min": Decimal(60), "h": Decimal(3600)}


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second; from `first` it goes to `last` in a straight line."""

    first: float
    last: float

    @property
    def mean(self) -> float:
        return (self.first + self.last) / 2

    @property
    def is_ramp(self) -> bool:
        return self.first != self.last

    def __str__(self) -> str:
        return f"{_plain(self.first)}..{_plain(self.last)}/s" if self.is_ramp else f"{_plain(self.first)}/s"


def _plain(rate: float) -> str:
    """Without an exponent, and read again as the very same number."""
    text = format(Decimal(repr(float(rate))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _read(value: Any, info: ValidationInfo) -> Rate:
    if isinstance(value, Rate):
        found = value
    elif isinstance(value, int | float) and not isinstance(value, bool) and not is_written(info):
        found = Rate(float(value), float(value))
    elif isinstance(value, str) and (match := _RATE.fullmatch(value)):
        first, last = (float(Decimal(each) / _SECONDS[match[3]]) for each in (match[1], match[2] or match[1]))
        found = Rate(first, last)
    else:
        no_unit = isinstance(value, int | float) and not isinstance(value, bool)
        raise Fault(f"found {describe(value)}" + (", which has no unit" if no_unit else ""), RATE_FORM)
    if not (0 <= found.first <= MOST_RATE and 0 <= found.last <= MOST_RATE):  # nan fits neither
        raise Fault(f"found {describe(value)}, which is too much", RATE_FORM)
    return found


RateText = Annotated[
    Rate,
    BeforeValidator(_read),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(\.\.[0-9]+(\.[0-9]+)?)? ?/ ?(s|min|h)$"}),
]
