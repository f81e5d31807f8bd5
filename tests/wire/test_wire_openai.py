"""Usage out of tails, events out of pieces, targets, and bodies under another model name."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.wire.http import header, split_target
from headway.wire.openai import (
    OPERATIONS,
    Refusal,
    is_error_body,
    model_not_found,
    read_call,
    with_fields,
    with_model,
)
from headway.wire.sse import EventSplitter, count_data, is_done, says_error, without_usage_event
from headway.wire.tail import read_usage

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 1}}


@pytest.mark.parametrize(
    "tail",
    [
        json.dumps({"choices": [], "usage": USAGE}).encode(),
        json.dumps({"usage": USAGE, "choices": [{"text": 'x "usage": {"prompt_tokens": 99}'}]}).encode(),
        b'data: {"usage":null}\n\ndata: ' + json.dumps({"usage": USAGE}).encode() + b"\n\ndata: [DONE]\n\n",
        b'data: {"usage":' + json.dumps(USAGE).encode() + b'}\n\ndata: {"usage":null}\n\n',
        b'"usage":{"prompt_tokens":1,"x":{"usage":2}}, "usage": \n ' + json.dumps(USAGE).encode(),
        b'"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":1},"output_tokens":4,"total_tokens":7}',
    ],
)
def test_usage_is_found(tail: bytes) -> None:
    usage = read_usage(tail)
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (3, 4, 1)


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        b'"usage":',
        b'"usage":null',
        b'"usage":{',
        b'"usage":{"prompt_tokens":"x"}',
        b'"usage":{"a":\xff}',
        b"{}",
    ],
)
def test_no_usage(tail: bytes) -> None:
    assert read_usage(tail) is None


@given(st.binary(max_size=300))
def test_any_tail_is_survived(tail: bytes) -> None:
    read_usage(tail)
    read_usage(b'"usage":{' + tail)


EVENTS = st.lists(st.sampled_from(["data: {}", "data: [DONE]", ": note", "event: x\ndata: a\ndata: b", "data"]))


@given(events=EVENTS, cuts=st.lists(st.integers(0, 200)), newline=st.sampled_from(["\n", "\r\n"]))
def test_a_splitter_gives_back_all_bytes_in_whole_events(events: list[str], cuts: list[int], newline: str) -> None:
    body = "".join(event.replace("\n", newline) + newline * 2 for event in events).encode() + b"data: half"
    edges = sorted({0, *(cut for cut in cuts if cut < len(body)), len(body)})
    splitter, out = EventSplitter(), b""
    for start, end in pairwise(edges):
        whole = splitter.push(body[start:end])
        assert not whole or whole.endswith((newline * 2).encode())
        out += whole
    assert out == body.removesuffix(b"data: half")
    assert splitter.pending == len(b"data: half")


def test_what_events_say() -> None:
    assert count_data(b"data: a\n\n: data: no\n\nevent: x\ndata:b\n\n") == 2
    assert is_done(b"data: a\n\ndata: [DONE]\n\n")
    assert is_done(b"data:[DONE]\r\n\r\n")
    assert not is_done(b'data: {"content":"[DONE]"}\n\n')
    assert says_error(b'data: {"x":1}\n\ndata: {"error": {"message": "m"}}\n\n')
    assert not says_error(b'data: {"error": {}}\n\ndata: {"choices":[{"error":1}]}\n\n')


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/a?b=c#d", "/a", "b=c"),
        (b"/%C3%A9%2f", "/\u00e9/", ""),
        (b"http://h:1/a%20b?q", "/a b", "q"),
        (b"HTTPS://h", "/", ""),
        (b"http://h?q=1", "/", "q=1"),
        (b"*", "*", ""),
    ],
)
def test_targets(target: bytes, path: str, query: str) -> None:
    assert split_target(target) == (path, query)


@pytest.mark.parametrize("target", [b"", b"a/b", b"ftp://h/", b"/%ff", b"h:443"])
def test_targets_that_are_none(target: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        split_target(target)


@given(st.text())
def test_a_header_is_always_one_line(value: str) -> None:
    line = header("x", value)
    assert line.endswith(b"\r\n")
    assert not {0, 10, 13} & set(line[:-2])


@given(
    call=st.dictionaries(
        st.text(),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.lists(st.floats(allow_nan=False, allow_infinity=False)),
    ),
    name=st.text(),
)
def test_another_model_name_changes_nothing_else(call: dict[str, object], name: str) -> None:
    body = json.dumps(call | {"model": "old"}).encode()
    changed = with_model(body, name)
    assert isinstance(changed, bytes)
    assert repr(json.loads(changed)) == repr(call | {"model": name})


def test_numbers_and_escapes_keep_their_bytes() -> None:
    body = b'{"model":"a","n":1e400,"seed":12345678901234567890123,"s":"\\u00e9"}'
    assert with_model(body, "b") == body.replace(b'"a"', b'"b"')


@pytest.mark.parametrize("body", [b'{"\xff":1}', b'{"\\ud800":1}', b"{", b'{"a":' * 10**5])
def test_a_body_that_cannot_be_changed_is_refused(body: bytes) -> None:
    assert isinstance(with_model(body, "b"), Refusal)


@given(st.binary(max_size=200))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    for operation in OPERATIONS.values():
        read = read_call(operation, body)
        if isinstance(read, Refusal):
            assert read.status == 400
            assert json.loads(read.body())["error"]["message"]


def test_error_bodies_are_known() -> None:
    assert is_error_body(Refusal(400, "x", "y").body())
    for body in (b"", b"[]", b'{"error":"text"}', b'{"detail":1}', b"[" * 10**6, b"\xff"):
        assert not is_error_body(body)


def test_a_long_unknown_name_is_cut() -> None:
    refusal = model_not_found("x" * 10_000, ["chat"])
    assert len(refusal.message) < 400
    assert "Served here: chat" in refusal.message
    assert "No model is served" in model_not_found("x", []).message


def test_fields_are_put_behind_the_last_one_and_nothing_else_moves() -> None:
    body = b'{ "model": "m",\n "messages": [{"role":"user","content":"}"}] }\n'
    made = with_fields(body, max_tokens=5, stream_options={"include_usage": True})
    assert isinstance(made, bytes)
    assert made.startswith(body[: body.rindex(b"}")])
    assert msgspec.json.decode(made) == msgspec.json.decode(body) | {
        "max_tokens": 5,
        "stream_options": {"include_usage": True},
    }
    again = with_fields(made, max_tokens=7)
    assert isinstance(again, bytes)
    assert msgspec.json.decode(again)["max_tokens"] == 7
    assert msgspec.json.decode(again)["messages"] == [{"role": "user", "content": "}"}]
    assert with_fields(body) == body


def test_only_the_event_that_was_asked_for_in_the_callers_stead_is_dropped() -> None:
    word = b'data: {"choices":[{"delta":{"content":"\\"choices\\":[]"}}]}\n\n'
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 3}}\r\n\r\n'
    done = b"data: [DONE]\n\n"
    assert without_usage_event(word + usage + done) == word + done
    assert without_usage_event(word + done) == word + done
    assert without_usage_event(b": note\n\n" + usage) == b": note\n\n"
