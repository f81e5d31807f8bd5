"""Numbers within their bounds, names of any server's, and the path of a trace: the plain values of a Workload."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema

from headway.spec.fault import Fault, describe
from headway.spec.fields import Written

__all__ = ["Callers", "Path", "Seed", "Speed", "Text", "Variation", "Weight", "Zipf", "whole"]

MOST_CALLERS = 100_000
LONGEST_NAME = 200


def _number(least: float, most: float, form: str) -> BeforeValidator:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise Fault(f"found {describe(value)}", form)
        return float(value)

    return BeforeValidator(read)


def whole(least: int, most: int, form: str) -> BeforeValidator:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Fault(f"found {describe(value)}", form)
        return value

    return BeforeValidator(read)


def _read_text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > LONGEST_NAME:
        raise Fault(f"found {describe(value)}", "write a name, e.g. chat")
    return value


def _read_file(value: Any, info: ValidationInfo) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise Fault(f"found {describe(value)}", "write a path, like ./azure.csv")
    if "://" in value:
        raise Fault(f"found {describe(value)}", "write the path of a file on this machine, like ./azure.csv")
    if isinstance(info.context, Written) and not value.startswith("/"):
        return f"{info.context.base}/{value.removeprefix('./')}"
    return value


Text = Annotated[
    str, BeforeValidator(_read_text), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_NAME})
]
"""The name of a Model, an adapter, a tenant: of any server, not ours alone."""
Path = Annotated[str, BeforeValidator(_read_file), WithJsonSchema({"type": "string", "minLength": 1})]
Variation = Annotated[
    float, _number(0.01, 100, "write a number from 0.01 to 100, like 3"),
    WithJsonSchema({"type": "number", "minimum": 0.01, "maximum": 100}),
]  # fmt: skip
Zipf = Annotated[
    float, _number(0, 5, "write a number from 0 to 5, like 1"),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 5}),
]  # fmt: skip
Weight = Annotated[
    float, _number(1e-6, 1e6, "write a number above 0, like 9"),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1e6}),
]  # fmt: skip
Speed = Annotated[
    float, _number(1e-3, 1e6, "write how many times faster, like 20"),
    WithJsonSchema({"type": "number", "minimum": 1e-3, "maximum": 1e6}),
]  # fmt: skip
Callers = Annotated[
    int, whole(1, MOST_CALLERS, f"write a whole number from 1 to {MOST_CALLERS}, like 32"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST_CALLERS}),
]  # fmt: skip
Seed = Annotated[
    int, whole(0, 2**63 - 1, "write a whole number from 0 on, like 1"),
    WithJsonSchema({"type": "integer", "minimum": 0}),
]  # fmt: skip
