"""The JSON Schema of a kind as Kubernetes takes it (kubernetes.io, "Specifying a structural schema").

A structural schema knows no `$ref`, no `const`, no union but int-or-string, and unknown fields are closed by
themselves. Every text, list and map has a bound, because the cost of a CEL rule is estimated from it. What cannot be
said here (that a number with a unit is not too small) the operator says in the object's status.
"""

from __future__ import annotations

import json
import re
from typing import Any

__all__ = ["Schema", "structural"]

Schema = dict[str, Any]

LONGEST_TEXT = 4096
MOST_ENTRIES = 64
_NOT = re.compile(r"\(\?!([a-z:]+)\)\[\\s\\S\]\*")
"""`(?!word)[\\s\\S]*`: RE2 has no look-ahead."""
_KEPT = (
    "type",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "required",
)
_ANY = {"x-kubernetes-preserve-unknown-fields": True, "nullable": True}
"""Null has a meaning in `args`, and Kubernetes drops a null of what is not nullable."""


def structural(schema: Schema, parts: dict[str, Schema]) -> Schema:
    """`parts`: what `$ref` points into. Raises ValueError for what no structural schema can say."""
    schema = _resolved(schema, parts)
    if "anyOf" in schema:
        return _described(schema) | _union(schema["anyOf"], parts)
    if isinstance(schema.get("type"), list):
        return dict(_ANY)
    made = _described(schema) | {key: schema[key] for key in _KEPT if key in schema}
    if "const" in schema:
        made["enum"] = [schema["const"]]
    if "exclusiveMinimum" in schema:
        made |= {"minimum": schema["exclusiveMinimum"], "exclusiveMinimum": True}
    if "pattern" in made:
        made["pattern"] = _NOT.sub(lambda found: _anything_but(found[1]), made["pattern"])
    return made | _inside(schema, parts)


def _inside(schema: Schema, parts: dict[str, Schema]) -> Schema:
    """What an object or a list holds, and the bounds that nobody wrote."""
    if schema.get("type") == "string":
        return {} if "enum" in schema or "const" in schema or "maxLength" in schema else {"maxLength": LONGEST_TEXT}
    if schema.get("type") == "array":
        made: Schema = {"items": structural(schema["items"], parts), "maxItems": schema.get("maxItems", MOST_ENTRIES)}
        return made | ({"x-kubernetes-list-type": "set"} if schema.get("uniqueItems") else {})
    if schema.get("type") != "object":
        return {}
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return {"x-kubernetes-preserve-unknown-fields": True}
    if "properties" in schema:
        return {"properties": {name: structural(each, parts) for name, each in schema["properties"].items()}}
    values = schema.get("patternProperties") or {"": schema.get("additionalProperties")}
    if len(values) != 1 or not isinstance(value := next(iter(values.values())), dict):
        raise ValueError(f"no structural schema for a map of {values}")
    one = _ANY if "anyOf" in value else structural(value, parts)
    return {"additionalProperties": dict(one), "maxProperties": schema.get("maxProperties", MOST_ENTRIES)}


def _union(options: list[Schema], parts: dict[str, Schema]) -> Schema:
    """Text or a number becomes int-or-string; a list or one of it becomes the list."""
    kinds = {each.get("type") for each in options}
    if kinds <= {"string", "integer", "number"}:
        said = {key: value for each in options for key, value in structural(each, parts).items() if key != "type"}
        return {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]} | said
    lists = [each for each in options if each.get("type") == "array"]
    if len(lists) == 1 and len(options) == 2 and "enum" in options[1]:
        return structural({**lists[0], "items": {"type": "string", **lists[0]["items"]}}, parts)
    raise ValueError(f"no structural schema for one of {options}")


def _resolved(schema: Schema, parts: dict[str, Schema]) -> Schema:
    """A reference replaced by what it points to; words beside it win."""
    if "$ref" not in schema:
        return schema
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return _resolved(parts[schema["$ref"].rpartition("/")[2]], parts) | beside


def _anything_but(word: str) -> str:
    """A pattern, without look-ahead, of all texts that do not begin with the word."""
    begins = [word[:end] for end in range(len(word))]
    leaves = "|".join(f"{begun}[^{word[len(begun)]}]" for begun in begins)
    return rf"({'|'.join(begins)}|({leaves})[\s\S]*)"


def _described(schema: Schema) -> Schema:
    """For `kubectl explain`, which shows nothing else."""
    words = schema.get("description", "")
    if unit := schema.get("x-unit"):
        words += f" Unit: {unit}."
    if examples := schema.get("examples"):
        words += f" For example {', '.join(_example(each) for each in examples[:3])}."
    return {"description": words.strip()} if words else {}


def _example(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
