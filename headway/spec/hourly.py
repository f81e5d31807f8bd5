"""What happens or costs so much each hour: a price `2.5/h`, preemptions `0.05/h`. Both have the face of the file in
JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from headway.spec.fault import Fault, describe

__all__ = ["CURRENCY_CODE", "Hourly", "HourlyPrice", "Preemptions"]

PRICE_FORM = "write money for an hour, like 2.5/h or 2.5 EUR/h"
PREEMPTIONS_FORM = "write how many an hour, of one GPU, like 0.05/h"
MOST_MICROS = 10**12
"""A million an hour; more is a slip of the keyboard."""
MOST_PREEMPTIONS = 60.0
CURRENCY_CODE = r"[A-Z]{3}"
_PRICE = re.compile(rf"(\d{{1,7}}(?:\.\d{{1,6}})?) ?({CURRENCY_CODE})? ?/ ?h", re.ASCII)
_RATE = re.compile(r"(\d{1,3}(?:\.\d{1,9})?) ?/ ?h", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hourly:
    """`micros`: millionths of money for an hour; `currency`: as written, empty: the Site's."""

    micros: int
    currency: str = ""

    @property
    def amount(self) -> float:
        return self.micros / 1e6

    def __str__(self) -> str:
        return f"{_plain(Decimal(self.micros) / 1_000_000)}{' ' + self.currency if self.currency else ''}/h"


def _plain(number: Decimal) -> str:
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _read_price(value: Any) -> Hourly:
    if isinstance(value, Hourly):
        return value
    match = _PRICE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        no_unit = isinstance(value, int | float) and not isinstance(value, bool)
        raise Fault(f"found {describe(value)}" + (", which has no unit" if no_unit else ""), PRICE_FORM)
    micros = int(Decimal(match[1]) * 1_000_000)
    if micros > MOST_MICROS:
        raise Fault(f"found {describe(value)}, which is too much", PRICE_FORM)
    return Hourly(micros, match[2] or "")


def _read_preemptions(value: Any) -> float:
    if isinstance(value, float) and 0 <= value <= MOST_PREEMPTIONS:
        return value  # from code
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None or float(match[1]) > MOST_PREEMPTIONS:
        raise Fault(f"found {describe(value)}", PREEMPTIONS_FORM)
    return float(match[1])


def _write_preemptions(rate: float) -> str:
    return f"{_plain(Decimal(repr(rate)))}/h"


HourlyPrice = Annotated[
    Hourly,
    BeforeValidator(_read_price),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": rf"^[0-9]+(\.[0-9]+)? ?({CURRENCY_CODE})? ?/ ?h$"}),
]
Preemptions = Annotated[
    float,
    BeforeValidator(_read_preemptions),
    PlainSerializer(_write_preemptions, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?/ ?h$"}),
]
"""Of one GPU in an hour."""
