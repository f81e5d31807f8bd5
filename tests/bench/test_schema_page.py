"""The page of the JSON says of every field what it is, and is the one that lies in docs/."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from headway.bench import schema
from headway.bench.record import Record
from headway.bench.schema_page import json_schema, render

DOCS = Path(__file__).parents[2] / "docs"


def test_the_pages_are_fresh() -> None:
    assert (DOCS / "bench-json.md").read_text() == render(), "run: make docs"
    assert json.loads((DOCS / "bench-summary.schema.json").read_text()) == json_schema(), "run: make docs"


SHAPES = [
    each
    for each in vars(schema).values()
    if isinstance(each, type) and issubclass(each, msgspec.Struct) and each is not msgspec.Struct
]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_field_says_what_it_is(shape: type[msgspec.Struct]) -> None:
    [page] = [each for each in render().split("\n## ") if each.startswith(f"{shape.__name__}\n")]
    for name in shape.__struct_fields__:
        [line] = [each for each in page.splitlines() if each.startswith(f"| `{name}` |")]
        assert line.rstrip(" |").split("|")[-1].strip() not in ("", "number", "integer", "text"), line


def test_every_field_of_a_record_is_there() -> None:
    page = render().split("## Record")[1]
    assert all(f"| `{name}` |" in page for name in Record.__struct_fields__)


def test_all_that_is_exported_is_on_the_page() -> None:
    assert {each.__name__ for each in SHAPES} == {
        name for name in schema.__all__ if name not in ("SCHEMA_VERSION", "Word")
    }
