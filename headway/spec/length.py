"""How long prompts and answers are, how many turns a session has: one number, or the law that many follow.

    200                                always 200            {mean: 200, sd: 100, max: 1k}   lognormal
    100..2000                          uniform               {mean: 200, sd: 50, distribution: normal}
    {p50: 1020, p90: 2700, p99: 4000}  a table of quantiles

What is drawn from these is said in `perf.traffic.lengths`. JSON has the face of the file.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from headway.spec import about_workload as about
from headway.spec.fault import Fault, describe
from headway.spec.strict import Strict
from headway.spec.units import QUANTITY_FORM, format_quantity, parse_quantity

__all__ = ["QUANTILES", "Length", "Tokens"]

LENGTH_FORM = "write a number (200), a range (100..2000), {mean: 200, sd: 100} or quantiles ({p50: 200, p90: 900})"
MOST_TOKENS = 10_000_000
"""Ten times the longest window that is sold; more is a slip of the keyboard."""
_COUNT = r"[0-9]+(?:\.[0-9]+)? ?[kM]?"
_RANGE = re.compile(rf"({_COUNT})(?:\.\.({_COUNT}))?", re.ASCII)

QUANTILES = {f"p{each}": each / 100 for each in (1, 5, 10, 25, 50, 75, 90, 95, 99)}
"""The columns that a table may have."""


def _read_tokens(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Fault(f"found {describe(value)}", QUANTITY_FORM)
    count = parse_quantity(value)
    if not 1 <= count <= MOST_TOKENS:
        raise Fault(f"found {describe(value)}", f"write 1 to {format_quantity(MOST_TOKENS)}")
    return count


def _read_amount(value: Any) -> float:
    if isinstance(value, float) and math.isfinite(value):
        amount = value
    elif isinstance(value, str | int) and not isinstance(value, bool):
        amount = float(parse_quantity(value))
    else:
        raise Fault(f"found {describe(value)}", QUANTITY_FORM)
    if not 0 < amount <= MOST_TOKENS:
        raise Fault(f"found {describe(value)}", "write a number above 0, like 200")
    return amount


_ONE = {"type": "integer", "minimum": 1, "maximum": MOST_TOKENS}
_TEXT = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?[kM]?$"}
Tokens = Annotated[
    int,
    BeforeValidator(_read_tokens),
    PlainSerializer(format_quantity, return_type=str, when_used="json"),
    WithJsonSchema({"anyOf": [_ONE, _TEXT]}),
]
Amount = Annotated[
    float,
    BeforeValidator(_read_amount),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": MOST_TOKENS}, _TEXT]}),
]


class Length(Strict):
    """Tokens (or turns): a number, a range, or these fields."""

    mean: Annotated[Amount | None, about.MEAN] = None
    sd: Annotated[Amount | None, about.SD] = None
    distribution: Annotated[Literal["lognormal", "normal"] | None, about.DISTRIBUTION] = None
    min: Annotated[Tokens | None, about.MIN] = None
    p1: Annotated[Tokens | None, about.QUANTILE] = None
    p5: Annotated[Tokens | None, about.QUANTILE] = None
    p10: Annotated[Tokens | None, about.QUANTILE] = None
    p25: Annotated[Tokens | None, about.QUANTILE] = None
    p50: Annotated[Tokens | None, about.QUANTILE] = None
    p75: Annotated[Tokens | None, about.QUANTILE] = None
    p90: Annotated[Tokens | None, about.QUANTILE] = None
    p95: Annotated[Tokens | None, about.QUANTILE] = None
    p99: Annotated[Tokens | None, about.QUANTILE] = None
    max: Annotated[Tokens | None, about.MAX] = None

    @property
    def table(self) -> tuple[tuple[float, int], ...]:
        """(part of all, tokens that so many do not pass), rising; empty when there is no table."""
        found = ((part, getattr(self, name)) for name, part in QUANTILES.items())
        return tuple((part, tokens) for part, tokens in found if tokens is not None)

    @property
    def is_range(self) -> bool:
        """Uniform between min and max, or the one number that both are."""
        return self.mean is None and not self.table

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, dict | Length):
            return value
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise Fault(f"found {describe(value)}", LENGTH_FORM)
        match = _RANGE.fullmatch(str(value))
        if match is None:
            raise Fault(f"found {describe(value)}", LENGTH_FORM)
        low, high = parse_quantity(match[1]), parse_quantity(match[2] or match[1])
        if low > high:
            raise Fault(f"found {describe(value)}", f"write the lower end first: {match[2]}..{match[1]}")
        if low < 1 or high > MOST_TOKENS:
            raise Fault(f"found {describe(value)}", f"write 1 to {format_quantity(MOST_TOKENS)}")
        return {"min": low, "max": high}

    @model_validator(mode="after")
    def _sound(self) -> Length:
        table = self.table
        if self.mean is not None and table:
            raise Fault("found a mean and quantiles", "write one of the two", ("mean",))
        if self.mean is None:
            for name in ("sd", "distribution"):
                if getattr(self, name) is not None:
                    raise Fault(f"{name} without mean", "write {mean: 200, sd: 100}", (name,))
        elif self.sd is None:
            raise Fault("a mean without sd", "write {mean: 200, sd: 100}, or the number alone: 200", ("mean",))
        if self.mean is None and not table and (self.min is None or self.max is None):
            raise Fault("says no length", LENGTH_FORM)
        if len(table) == 1:
            raise Fault("found one quantile", "write two or more, like {p50: 200, p90: 900}")
        self._check_order(table)
        return self

    def _check_order(self, table: tuple[tuple[float, int], ...]) -> None:
        ends = [("min", self.min), *((f"p{part * 100:.0f}", tokens) for part, tokens in table), ("max", self.max)]
        said = [(name, tokens) for name, tokens in ends if tokens is not None]
        for (_, below), (name, above) in pairwise(said):
            if above < below:
                raise Fault(f"found {above}, less than the {below} before it", "write rising numbers", (name,))
        if self.mean is not None and not (self.min or 0) <= self.mean <= (self.max or MOST_TOKENS):
            raise Fault(f"found {self.mean:g}, which is not between min and max", "write one that is", ("mean",))

    @model_serializer(mode="plain", when_used="json")
    def _write(self) -> int | str | dict[str, Any]:
        if not self.is_range or self.min is None or self.max is None:
            return {name: value for name, value in self if value is not None}
        return self.min if self.min == self.max else f"{self.min}..{self.max}"

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        whole = handler.resolve_ref_schema(handler(schema))
        fields = {key: whole.pop(key) for key in ("type", "properties", "additionalProperties") if key in whole}
        text = {"type": "string", "pattern": f"^{_RANGE.pattern.replace('(?:', '(')}$"}
        whole["anyOf"] = [_ONE, text, fields]
        return whole
