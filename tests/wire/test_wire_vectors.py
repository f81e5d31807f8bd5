"""Embedding calls and answers in parts."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from headway.wire.canonical import fields_of
from headway.wire.vectors import joined, split_input, vectors_of, with_input


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ('"a"', ['"a"']),
        ('["a", "b\\n"]', ['"a"', '"b\\n"']),
        ("[1, 2, 3]", ["[1, 2, 3]"]),
        ("[[1, 2], [3]]", ["[1, 2]", "[3]"]),
        ("[]", []),
        ('["a", 1]', None),
        ('["a", ["b"]]', None),
        ('[{"text": "a"}]', None),
        ("[1.5]", None),
        ("{}", None),
        ("null", None),
    ],
)
def test_what_is_one_text(given: str, parts: list[str] | None) -> None:
    found = split_input(msgspec.Raw(given.encode()))
    if parts:
        assert found == [part.encode() for part in parts]
    else:
        assert not found


def answer(*items: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"object": "list", "model": "m", "data": items, "usage": {"prompt_tokens": 3}} | more).encode()


def test_vectors_come_in_the_order_of_their_texts_as_the_bytes_that_were_written() -> None:
    said = answer({"index": 1, "embedding": "AACAPw=="}, {"index": 0, "embedding": [1.50, -0.1], "object": "embedding"})
    assert vectors_of(said, 2) == [b"[1.5, -0.1]", b'"AACAPw=="']


@pytest.mark.parametrize(
    "said",
    [
        answer({"index": 0, "embedding": [1]}),
        answer({"index": 0, "embedding": [1]}, {"index": 0, "embedding": [2]}),
        answer({"index": 1, "embedding": [1]}, {"index": 2, "embedding": [2]}),
        answer({"index": 0, "embedding": [1], "tokens": ["a"]}, {"index": 1, "embedding": [2]}),
        answer({"index": 0}, {"index": 1}),
        b"{}",
        b"not JSON",
    ],
)
def test_what_is_no_answer_to_two_texts(said: bytes) -> None:
    assert vectors_of(said, 2) is None


def test_what_is_put_together_says_all_else_as_the_engine() -> None:
    said = answer({"index": 0, "embedding": [9]}, kind="extra")
    whole = json.loads(joined([b"[1]", b"[9]"], "chat", said))
    assert [each["embedding"] for each in whole["data"]] == [[1], [9]]
    assert [each["index"] for each in whole["data"]] == [0, 1]
    assert (whole["kind"], whole["model"], whole["usage"]) == ("extra", "m", {"prompt_tokens": 3})
    alone = json.loads(joined([b"[1]"], 'a "name"'))
    assert (alone["model"], alone["usage"]) == ('a "name"', {"prompt_tokens": 0, "total_tokens": 0})


def test_the_call_for_the_rest_is_the_same_but_for_its_texts() -> None:
    fields = fields_of(b'{"model": "m", "input": ["a", "b"], "dimensions": 3}')
    assert fields is not None
    assert json.loads(with_input(fields, [b'"b"'])) == {"model": "m", "input": ["b"], "dimensions": 3}
