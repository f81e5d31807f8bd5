"""Equal keys are equal questions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.wire.canonical import NO_MATTER, asks_repeatable, body_of, digest, fields_of, has_effects

CALL = {"model": "chat", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
ABOUT = ("chat", "/v1/chat/completions", "tenant a")


def key(call: dict[str, Any] | bytes, about: tuple[str, ...] = ABOUT) -> bytes:
    fields = fields_of(call if isinstance(call, bytes) else json.dumps(call).encode())
    assert fields is not None
    return digest(about, fields)


def test_the_order_of_fields_and_what_cannot_matter_are_not_in_it() -> None:
    backwards = dict(reversed(CALL.items()))
    assert key(CALL) == key(backwards) == key(CALL | {"stream": False}) == key(CALL | {"stream": None})
    for name in NO_MATTER:
        assert key(CALL | {name: "x"}) == key(CALL)
    assert key(CALL | {"model": "alias"}) == key(CALL), "the table's name of it is in `about`"


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 1},
        {"seed": 1},
        {"top_p": 0.5},
        {"max_tokens": 5},
        {"stop": ["x"]},
        {"n": 2},
        {"logprobs": True},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": {"type": "json_object"}},
        {"stream": True},
        {"stream_options": {"include_usage": True}},
        {"cache_salt": "mine"},
        {"service_tier": "flex"},
        {"whatever_an_engine_will_have_next_year": None},
        {"messages": [{"role": "user", "content": "hi "}]},
    ],
)
def test_all_else_is(more: dict[str, Any]) -> None:
    assert key(CALL | more) != key(CALL)


def test_the_order_within_a_value_is_for_it_reaches_the_prompt() -> None:
    one, other = {"properties": {"a": 1, "b": 2}}, {"properties": {"b": 2, "a": 1}}
    assert key(CALL | {"tools": [one]}) != key(CALL | {"tools": [other]})


def test_whose_it_is_and_what_was_asked_are() -> None:
    fields = ("tenant b", "tenant a/v1", "")
    assert len({key(CALL, (*ABOUT[:2], scope)) for scope in fields}) == 3
    assert key(CALL, ("ab", "c", "")) != key(CALL, ("a", "bc", ""))


def test_a_field_that_stands_twice_is_said_once_to_the_engine() -> None:
    """Who takes the first and who the last could be told two things: one to be keyed by, one to be answered."""
    twice = b'{"model": "chat", "temperature": 0, "messages": ["asked"], "m\\u0065ssages": ["keyed"]}'
    fields = fields_of(twice)
    assert fields is not None
    assert json.loads(body_of(fields)) == {"model": "chat", "temperature": 0, "messages": ["keyed"]}
    assert body_of(fields).count(b"messages") == 1


def test_what_is_no_object_has_no_fields() -> None:
    for body in (b"", b"[]", b"{", b'{"a": }', b"\xff", b"null"):
        assert fields_of(body) is None


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.text(), st.lists, max_leaves=5)))
def test_what_goes_to_the_engine_is_what_came(call: dict[str, Any]) -> None:
    fields = fields_of(json.dumps(call).encode())
    assert fields is not None
    assert json.loads(body_of(fields)) == call


@pytest.mark.parametrize(
    ("more", "repeatable"),
    [
        ({"temperature": 0}, True),
        ({"temperature": 0.0}, True),
        ({"temperature": -0.0}, True),
        ({"temperature": 0.1}, False),
        ({"temperature": "0"}, False),
        ({"temperature": None}, False),
        ({}, False),
        ({"seed": 0}, True),
        ({"seed": 7, "temperature": 1}, True),
        ({"seed": None}, False),
    ],
)
def test_what_asks_for_a_repeatable_answer(more: dict[str, Any], repeatable: bool) -> None:
    fields = fields_of(json.dumps(more).encode())
    assert fields is not None
    assert asks_repeatable(fields) is repeatable


def test_what_asks_for_more_than_an_answer() -> None:
    for more, effects in (({"store": True}, True), ({"store": False}, False), ({"web_search_options": {}}, True)):
        fields = fields_of(json.dumps(CALL | more).encode())
        assert fields is not None
        assert has_effects(fields) is effects
