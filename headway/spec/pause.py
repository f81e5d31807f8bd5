"""How long a caller thinks between an answer and the next question: `10s`, `5s..20s`, `{mean: 10s}` (exponential)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import GetJsonSchemaHandler, ValidationInfo, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from headway.spec import about_workload as about
from headway.spec.fault import Fault, describe
from headway.spec.fields import Wait, is_written
from headway.spec.strict import Strict
from headway.spec.units import format_duration, parse_duration

__all__ = ["Pause"]

PAUSE_FORM = "write a duration (10s), a range (5s..20s), or a mean ({mean: 10s})"
_DURATION = r"([0-9]+(\.[0-9]+)?(ms|[dhms]))+"


class Pause(Strict):
    """A duration, a range, or the mean of an exponential law. Seconds in the code."""

    mean: Annotated[Wait | None, about.PAUSE_MEAN] = None
    min: Annotated[Wait | None, about.PAUSE_MIN] = None
    max: Annotated[Wait | None, about.PAUSE_MAX] = None

    @property
    def average(self) -> float:
        return self.mean if self.mean is not None else ((self.min or 0) + (self.max or 0)) / 2

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, dict | Pause):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool) and not is_written(info):
            return {"min": value, "max": value}
        if not isinstance(value, str):
            no_unit = isinstance(value, int | float) and not isinstance(value, bool)
            raise Fault(f"found {describe(value)}" + (", which has no unit" if no_unit else ""), PAUSE_FORM)
        low, dots, high = value.partition("..")
        try:
            first = parse_duration(low)
            last = parse_duration(high) if dots else first
        except Fault:
            raise Fault(f"found {describe(value)}", PAUSE_FORM) from None
        if first > last:
            raise Fault(f"found {describe(value)}", f"write the lower end first: {high}..{low}")
        return {"min": format_duration(first), "max": format_duration(last)}

    @model_validator(mode="after")
    def _sound(self) -> Pause:
        if self.mean is not None and (self.min is not None or self.max is not None):
            raise Fault("found a mean and a range", "write one of the two", ("mean",))
        if self.mean is None and (self.min is None or self.max is None or self.min > self.max):
            raise Fault("says no duration", PAUSE_FORM)
        return self

    @model_serializer(mode="plain", when_used="json")
    def _write(self) -> str | dict[str, str]:
        if self.mean is not None or self.min is None or self.max is None:
            return {"mean": format_duration(self.mean or 0)}
        low, high = format_duration(self.min), format_duration(self.max)
        return low if low == high else f"{low}..{high}"

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        whole = handler.resolve_ref_schema(handler(schema))
        fields = {key: whole.pop(key) for key in ("type", "properties", "additionalProperties") if key in whole}
        whole["anyOf"] = [{"type": "string", "pattern": rf"^{_DURATION}(\.\.{_DURATION})?$"}, fields]
        return whole
