"""Streams of chat completions as streams of Anthropic's Messages API: event for event, whatever the cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.wire.anthropic import (
    ChatForm,
    MessageStream,
)
from headway.wire.sse import EventSplitter
from tests.support.message_events import DONE, FORM, LAST, SPENT, USAGE, Heard, call, chunk, heard


def test_a_stream_of_text_to_the_byte() -> None:
    stream = MessageStream(FORM, "req-1")
    events = [chunk(role="assistant", content=""), chunk(content="Pa"), chunk(content="ris"), chunk("stop"), LAST, DONE]
    assert b"".join(stream.feed(each) for each in events).decode() == (
        'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message",'
        '"role":"assistant","model":"chat","content":[],"stop_reason":null,"stop_sequence":null,"usage":'
        '{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}\n\n'
        'event: ping\ndata: {"type":"ping"}\n\n'
        'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        '"content_block":{"type":"text","text":""}}\n\n'
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        '"delta":{"type":"text_delta","text":"Pa"}}\n\n'
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        '"delta":{"type":"text_delta","text":"ris"}}\n\n'
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
        'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
        '"usage":{"input_tokens":7,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":5}}\n\n'
        'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )


def test_thinking_text_and_a_tool_follow_each_other() -> None:
    got = heard(
        chunk(reasoning_content="Hm"), chunk(reasoning="m."), chunk(content="I look."),
        chunk(tool_calls=[call("a", "", 0)]), chunk(tool_calls=[call(None, '{"city":', 0, None)]),
        chunk("tool_calls", tool_calls=[call(None, '"Paris"}', 0, None)], usage=USAGE), DONE,
    )  # fmt: skip
    assert got.said == [
        ("thinking", "Hmm."),
        ("text", "I look."),
        ("tool_use", "a", "weather", '{"city":"Paris"}'),
    ]
    assert (got.delta["stop_reason"], got.usage) == ("tool_use", SPENT)


def test_thinking_that_is_not_wanted_is_counted_and_not_told() -> None:
    got = heard(chunk(reasoning="Hm."), chunk("stop", content="Yes."), DONE, form=ChatForm(b"", "chat", (), True))
    assert got.said == [("text", "Yes.")]
    assert got.usage["output_tokens"] == 2


def test_parallel_tools_in_interleaved_chunks() -> None:
    got = heard(
        chunk(tool_calls=[call("a", '{"n"', 0), call("b", "", 1)]),
        chunk(tool_calls=[call(None, '{"m":{}', 1, None)]),
        chunk(tool_calls=[call(None, ":1", 0, None)]),
        chunk(tool_calls=[call(None, "}", 1, None), call(None, "}", 0, None)]),
        chunk(tool_calls=[call("c", "{}", 2)]),
        chunk("tool_calls"), LAST, DONE,
    )  # fmt: skip
    assert [each[1:] for each in got.said] == [
        ("a", "weather", '{"n":1}'),
        ("b", "weather", '{"m":{}}'),
        ("c", "weather", "{}"),
    ]


def test_a_second_tool_streams_as_soon_as_the_first_is_whole() -> None:
    stream = MessageStream(FORM, "req-1")
    stream.feed(chunk(tool_calls=[call("a", "{}", 0)]))
    now = stream.feed(chunk(tool_calls=[call("b", '{"x', 1)]))
    assert b"content_block_stop" in now
    assert b'"partial_json":"{\\"x"' in now


@pytest.mark.parametrize("numbers", [(0, 0), (None, None)])
def test_tools_without_numbers_of_their_own(numbers: tuple[int | None, int | None]) -> None:
    one, two = numbers
    got = heard(chunk(tool_calls=[call("a", "{}", one)]), chunk(tool_calls=[call("b", "{}", two)]), DONE)
    assert [each[1] for each in got.said] == ["a", "b"]
    assert got.delta["stop_reason"] == "tool_use"


def test_a_tool_without_id_or_arguments() -> None:
    got = heard(chunk("tool_calls", tool_calls=[call(None, "", 0)]), DONE)
    assert got.said == [("tool_use", "toolu_req-1_0", "weather", "")]


def test_text_after_a_tool_is_a_block_of_its_own() -> None:
    got = heard(chunk(content="a"), chunk(tool_calls=[call("t", "{}", 0)]), chunk(content="b"), chunk("stop"), DONE)
    assert [each[0] for each in got.said] == ["text", "tool_use", "text"]


def test_an_empty_stream_is_an_empty_message() -> None:
    assert heard(DONE).events == ["message_start", "ping", "message_delta", "message_stop"]


@pytest.mark.parametrize(
    ("said", "kind", "says"),
    [
        ({"message": "it died", "type": "server_error", "param": None, "code": "engine_failed"}, "api_error", "died"),
        ({"message": "late", "code": "deadline_exceeded"}, "timeout_error", "late"),
        ({"message": "no", "code": 400}, "invalid_request_error", "no"),
        ({"message": "x", "type": "exceed_context_size_error", "code": 400}, "invalid_request_error", "too long: x"),
        ("plain", "api_error", "plain"),
    ],
)
def test_an_error_in_mid_stream_is_the_last_word(said: Any, kind: str, says: str) -> None:
    error = b"data: " + json.dumps({"error": said}).encode() + b"\n\n"
    got = heard(chunk(content="a"), error, chunk(content="b"), DONE)
    assert got.error["type"] == kind
    assert says in got.error["message"]
    assert got.events[-1] == "error"
    assert heard(error).events == ["error"]


@pytest.mark.parametrize(
    "events",
    [
        [b'data: {"choices": [\n\n'],
        [chunk(content=["parts"])],
        [chunk(tool_calls=[call("a", "{}", 0)]), chunk(content="x"), chunk(tool_calls=[call(None, "more", 0, None)])],
        [chunk(tool_calls=[call("a", "", 0), call("b", "x" * 1_000_000, 1)])] + [chunk(
            tool_calls=[call(None, "x" * 1_000_000, 1, None)])] * 4,
    ],
    ids=["no json", "no text", "after the end", "too much"],
)  # fmt: skip
def test_what_an_engine_must_not_send(events: list[bytes]) -> None:
    assert heard(*events, DONE).error["type"] == "api_error"


def test_comments_and_foreign_choices_are_passed_over() -> None:
    other = b'data: {"choices":[{"index":1,"delta":{"content":"other"}}]}\n\n'
    assert heard(b": keep-alive\n\n", b"event: x\ndata:" + chunk(content="a")[6:], other, DONE).said == [("text", "a")]


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


ARGUMENTS = st.dictionaries(st.text(max_size=3), st.text(max_size=5) | st.integers(), max_size=3).map(json.dumps)


@st.composite
def scripts(draw: st.DrawFn) -> tuple[list[bytes], list[tuple[str, ...]]]:
    """Events of an engine, and the blocks that they must become."""
    events, blocks = [chunk(role="assistant", content="")], []
    for kind in draw(st.lists(st.sampled_from(["thinking", "text"]), max_size=3)):
        said = draw(st.lists(TEXTS, min_size=1, max_size=3))
        name = "content" if kind == "text" else draw(st.sampled_from(["reasoning", "reasoning_content"]))
        events += [chunk(**{name: each}) for each in said]
        if blocks and blocks[-1][0] == kind:
            blocks[-1] = (kind, blocks[-1][1] + "".join(said))
        else:
            blocks.append((kind, "".join(said)))
    tools = draw(st.lists(ARGUMENTS, max_size=3))
    pieces = []
    for number, text in enumerate(tools):
        cut = draw(st.integers(0, len(text)))
        pieces.append([call(f"t{number}", text[:cut], number), call(None, text[cut:], number, None)])
        blocks.append(("tool_use", f"t{number}", "weather", text))
    order = draw(st.permutations([number for number in range(len(tools)) for _ in range(2)]))
    first = list(dict.fromkeys(order))
    renumbered = [first.index(number) for number in order]  # an engine numbers them as they begin
    for number in renumbered:
        events.append(chunk(tool_calls=[pieces[number].pop(0)]))
    return [*events, chunk("tool_calls" if tools else "stop"), LAST, DONE], blocks


@settings(max_examples=150)
@given(script=scripts(), cuts=st.lists(st.integers(1, 400), max_size=30), newline=st.sampled_from([b"\n", b"\r\n"]))
def test_the_same_events_whatever_the_cut(
    script: tuple[list[bytes], list[tuple[str, ...]]], cuts: list[int], newline: bytes
) -> None:
    events, blocks = script
    data = b"".join(events).replace(b"\n", newline)
    splitter, stream, told, at = EventSplitter(), MessageStream(FORM, "req-1"), b"", 0
    for size in [*cuts, len(data)]:
        told += stream.feed(splitter.push(data[at : at + size]))
        at += size
    whole = MessageStream(FORM, "req-1")
    assert told == whole.feed(data) == b"".join(map(MessageStream(FORM, "req-1").feed, events))
    got = Heard().read(told)
    assert got.said == blocks
    assert got.usage == SPENT
    assert got.events[-1] == "message_stop"


@settings(max_examples=100)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"data: {text}\n\n".encode()))
def test_any_bytes_are_survived(data: bytes) -> None:
    heard(data)
