"""`deadlines` of a Model: read, written, laid over by a profile, every fault told with its line."""

from __future__ import annotations

import pytest

from headway.errors import SpecError
from headway.spec.deadlines import Deadlines
from headway.spec.load import load
from headway.spec.model import Model
from headway.spec.schema import json_schema
from tests.support.spec import fits

HEAD = "kind: Model\nname: chat\nsource: builtin://smollm2-135m-instruct\n"


def read(text: str) -> Model:
    (found,) = load(HEAD + text, "f.yaml", "/")
    assert isinstance(found, Model)
    return found


def test_every_field_is_read_and_written_again() -> None:
    model = read("deadlines: {begin: 500ms, idle: 30s, whole: 1h}\n")
    assert model.deadlines == Deadlines(begin=0.5, idle=30, whole=3600)
    written = model.model_dump(mode="json")
    assert written["deadlines"] == {"begin": "500ms", "idle": "30s", "whole": "1h"}
    assert Model.model_validate(written) == model
    assert fits(model.model_dump(mode="json", exclude_none=True), json_schema())
    assert read("").deadlines is None


def test_a_profile_has_its_own() -> None:
    model = read("deadlines: {whole: 1m}\nprofiles:\n  local: {deadlines: {whole: 10m, begin: 5m}}\n")
    assert model.on("local", "local").deadlines == Deadlines(whole=600, begin=300)
    assert model.on("prod", "kubernetes").deadlines == Deadlines(whole=60)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{whole: 30}",
         "4:20: deadlines.whole: found 30, which has no unit; write a duration like 500ms, 10m or 1h30m"),
        ("{first: 30s}", "4:13: deadlines.first: unknown field; fields here: begin, idle, whole"),
        ("{}", "4:12: deadlines: says no deadline; write deadlines: {begin: 20s}, or leave it out"),
        ("{idle: 1ms}", "4:19: deadlines.idle: found 1ms, which is too little; write 100ms or more"),
        ("{begin: 2m, whole: 1m}",
         "4:20: deadlines.begin: found 2m, which is longer than the whole of 1m; write 1m or less, or a longer whole"),
    ],
)  # fmt: skip
def test_a_fault(text: str, told: str) -> None:
    with pytest.raises(SpecError) as found:
        read(f"deadlines: {text}\n")
    assert str(found.value) == f"f.yaml:{told}"


def test_a_deadline_that_stands_beside_is_told_where_it_belongs() -> None:
    with pytest.raises(SpecError, match="4:1: whole: unknown field; write it under deadlines"):
        read("whole: 1m\n")
