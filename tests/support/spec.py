"""Does a document fit `headway schema`? The part of JSON Schema it uses, checked; and a call that may be refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["attempt", "fits"]

T = TypeVar("T")

_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}
_WORDS = {
    "$schema",
    "$defs",
    "title",
    "description",
    "examples",
    "default",
    "x-unit",
    "x-kubernetes-preserve-unknown-fields",
}


def attempt(call: Callable[[], T]) -> T | ValueError:
    """What the call returns, or the fault that it raises."""
    try:
        return call()
    except ValueError as fault:
        return fault


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None) -> bool:
    root = root or schema
    return all(_keyword(value, key, wanted, schema, root) for key, wanted in schema.items() if key not in _WORDS)


def _keyword(value: Any, key: str, wanted: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    if key in _SCALARS:
        return _SCALARS[key](value, wanted)
    if key == "$ref":
        return fits(value, root["$defs"][wanted.removeprefix("#/$defs/")], root)
    if key == "anyOf":
        return any(fits(value, each, root) for each in wanted)
    if key == "items":
        return not isinstance(value, list) or all(fits(each, wanted, root) for each in value)
    return not isinstance(value, dict) or _of_object(value, key, wanted, schema, root)


def _is_type(value: Any, wanted: str | list[str]) -> bool:
    return any(_TYPES[each](value) for each in ([wanted] if isinstance(wanted, str) else wanted))


_SCALARS: dict[str, Callable[[Any, Any], bool]] = {
    "type": _is_type,
    "const": lambda value, wanted: bool(value == wanted),
    "enum": lambda value, wanted: value in wanted,
    "pattern": lambda value, wanted: not isinstance(value, str) or re.search(wanted, value) is not None,
    "minItems": lambda value, wanted: not isinstance(value, list) or len(value) >= wanted,
    "maxItems": lambda value, wanted: not isinstance(value, list) or len(value) <= wanted,
    "uniqueItems": lambda value, _: not isinstance(value, list) or len({repr(each) for each in value}) == len(value),
    "minLength": lambda value, wanted: not isinstance(value, str) or len(value) >= wanted,
    "maxLength": lambda value, wanted: not isinstance(value, str) or len(value) <= wanted,
    "minimum": lambda value, wanted: not _TYPES["number"](value) or value >= wanted,
    "maximum": lambda value, wanted: not _TYPES["number"](value) or value <= wanted,
    "exclusiveMinimum": lambda value, wanted: not _TYPES["number"](value) or value > wanted,
}


def _of_object(value: dict[str, Any], key: str, wanted: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    match key:
        case "required":
            return all(each in value for each in wanted)
        case "properties":
            return all(fits(value[each], part, root) for each, part in wanted.items() if each in value)
        case "patternProperties":
            return all(
                fits(item, part, root)
                for pattern, part in wanted.items()
                for each, item in value.items()
                if re.search(pattern, each)
            )
        case "propertyNames":
            return all(fits(each, wanted, root) for each in value)
        case "additionalProperties":
            rest = [
                item
                for each, item in value.items()
                if each not in named and not any(re.search(pattern, each) for pattern in patterns)
            ]
            return not rest if wanted is False else all(fits(item, wanted, root) for item in rest)
        case _:
            raise AssertionError(f"the schema uses {key}, which this check does not know")
