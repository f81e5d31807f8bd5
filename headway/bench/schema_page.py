"""Writes docs/bench-json.md from the shapes of the Summary and the formulas: `make docs`; a test says when to."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import FieldInfo, fields

from headway.bench import schema
from headway.bench.measures import FORMULAS
from headway.bench.record import Record
from headway.bench.schema import SCHEMA_VERSION, Summary

__all__ = ["json_schema", "render"]

_HEAD = """\
# The JSON of `headway bench`

Generated from `headway/bench/schema.py` by `make docs`; change the sentences there, not this page.

`summary.json` is one object of the shape [Summary](#summary), version {version}. The same as a JSON Schema:
[bench-summary.schema.json](bench-summary.schema.json). Times are in seconds and rates per second; no number is NaN or
infinite, and null means that there is no such number. What each number means, and how other tools define the same
word, is in [the numbers](bench-numbers.md).

The records beside it (`records.jsonl`, one request a line; or `records.parquet`) recompute it to the last digit:

```python
from pathlib import Path

from headway.bench.records import read_records
from headway.bench.summary import summarise

run = read_records(Path("records.jsonl"))
print(summarise(run.records, run.facts, run.slo).verdict.text)
```
"""

_FORMULAS = """\
## Formulas

As they are in `formulas` of the JSON, over the fields of a [record](#record): `due` when a request should have been
sent, `started` when the generator took it up, `sent` when it was, `first` the first piece of content, `ended` its end.

| measure | unit | formula | of |
|---|---|---|---|
"""

_RECORD = """\
## Record

A line of `records.jsonl`, a row of `records.parquet`. Fields that have their default are left out in JSONL. The last
line has the key `headway_bench`: what the run tells of itself and its limits; with the records they give the Summary.

| field | type | default |
|---|---|---|
"""


def render() -> str:
    formulas = [f"| `{each.name}` | {each.unit} | {each.formula} | {each.of} |\n" for each in FORMULAS.values()]
    told = get_type_hints(Record)
    record = [f"| `{each.name}` | {_type(told[each.name])} | {_default(each)} |\n" for each in fields(Record)]
    head = _HEAD.format(version=SCHEMA_VERSION)
    return "\n".join([head, *map(_shape, _shapes()), _FORMULAS + "".join(formulas), _RECORD + "".join(record)])


def json_schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of a summary.json."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(Summary)


def _shapes() -> Iterator[type[msgspec.Struct]]:
    """The Summary first, the others as the file has them."""
    yield Summary
    for each in vars(schema).values():
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and each not in (Summary, msgspec.Struct):
            yield each


def _shape(shape: type[msgspec.Struct]) -> str:
    lines = [f"## {shape.__name__}", "", " ".join((shape.__doc__ or "").split()), ""]
    lines += ["| field | type | meaning |", "|---|---|---|"]
    for name, hint in get_type_hints(shape, include_extras=True).items():
        meta = next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, msgspec.Meta)), None)
        about = meta.description if meta is not None else None
        lines.append(f"| `{name}` | {_type(hint)} | {about or ''} |")
    return "\n".join(lines) + "\n"


def _type(hint: Any) -> str:
    """As the JSON has it."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _type(parts[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_type(each) for each in parts)
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in parts)
    if origin in (list, dict):
        return f"{'list' if origin is list else 'object'} of {_type(parts[-1])}"
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    return {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null"}[hint]


def _default(field: FieldInfo) -> str:
    if field.required:
        return "always there"
    return f"`{msgspec.json.encode(field.default if field.default is not msgspec.NODEFAULT else []).decode()}`"
