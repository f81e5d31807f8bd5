"""Chat completions as Messages, whole and streamed: the same whatever way the bytes were cut."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import anthropic.types
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.wire.anthropic import (
    ChatForm,
    MessageStream,
    Unreadable,
    engine_error,
    is_messages,
    message,
    refusal_answer,
    token_count,
)
from headway.wire.openai import Refusal
from headway.wire.sse import EventSplitter

FORM = ChatForm(b"", "chat", ("END",))
USAGE = {"prompt_tokens": 11, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
SPENT = {"input_tokens": 7, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 5}
RAW = pydantic.TypeAdapter(anthropic.types.RawMessageStreamEvent)


def completion(finish: str | None = "stop", usage: Any = USAGE, **said: Any) -> bytes:
    more = {key: said.pop(key) for key in ("stop_reason", "matched_stop") if key in said}
    choice = {"index": 0, "message": {"role": "assistant", **said}, "finish_reason": finish, **more}
    return json.dumps({"id": "c", "choices": [choice], "usage": usage}).encode()


def call(ident: str | None, arguments: str, index: int | None = None, name: str | None = "weather") -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    given: dict[str, Any] = {"type": "function", "function": function}
    return given | ({} if ident is None else {"id": ident}) | ({} if index is None else {"index": index})


def told(body: bytes, form: ChatForm = FORM) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(message(body, form, "req-1"))
    anthropic.types.Message.model_validate(said, strict=False)
    return said


def test_a_whole_answer() -> None:
    assert told(completion(content="Paris.")) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "chat",
        "content": [{"type": "text", "text": "Paris."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": SPENT,
    }


@pytest.mark.parametrize(
    ("said", "reason", "sequence"),
    [
        ({"finish": "length"}, "max_tokens", None),
        ({"finish": "tool_calls", "tool_calls": [call("a", "{}")]}, "tool_use", None),
        ({"finish": "stop", "tool_calls": [call("a", "{}")]}, "tool_use", None),  # of a call that it was told to make
        ({"finish": "length", "tool_calls": [call("a", "{")]}, "max_tokens", None),
        ({"finish": "content_filter"}, "refusal", None),
        ({"finish": "stop", "refusal": "I cannot."}, "refusal", None),
        ({"finish": "stop", "stop_reason": "END"}, "stop_sequence", "END"),  # vLLM
        ({"finish": "stop", "matched_stop": "END"}, "stop_sequence", "END"),  # SGLang
        ({"finish": "stop", "stop_reason": 151645}, "end_turn", None),
        ({"finish": "stop", "matched_stop": [1, 2]}, "end_turn", None),
        ({"finish": None}, "end_turn", None),
    ],
)
def test_why_it_stopped(said: dict[str, Any], reason: str, sequence: str | None) -> None:
    found = told(completion(said.pop("finish"), **said))
    assert (found["stop_reason"], found["stop_sequence"]) == (reason, sequence)


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_what_it_thought_is_a_block_unless_the_caller_wants_none(name: str) -> None:
    body = completion(content="Yes.", **{name: "Hm."})
    thought = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    assert told(body)["content"] == [thought, {"type": "text", "text": "Yes."}]
    assert told(body, ChatForm(b"", "chat", (), True))["content"] == [{"type": "text", "text": "Yes."}]


def test_what_the_caller_began_is_not_said_again() -> None:
    form = ChatForm(b"", "chat", begun="It is")
    assert told(completion(content="It is Paris."), form)["content"] == [{"type": "text", "text": " Paris."}]
    assert told(completion(content=" Paris."), form)["content"] == [{"type": "text", "text": " Paris."}]
    assert heard(chunk(content="It is Pa"), chunk(content="It is"), DONE, form=form).said == [("text", " PaIt is")]
    assert heard(chunk(content="It is"), chunk(content=" Paris"), DONE, form=form).said == [("text", " Paris")]


def test_calls_of_tools() -> None:
    calls = [call("a", '{"city":  "Paris"}'), call(None, ""), call("c", '{"cut'), call("d", "[1]")]
    blocks = told(completion("tool_calls", content=None, tool_calls=calls))["content"]
    assert [(each["id"], each["input"]) for each in blocks] == [
        ("a", {"city": "Paris"}),
        ("toolu_req-1_1", {}),
        ("c", {"INVALID_JSON": '{"cut'}),
        ("d", {"INVALID_JSON": "[1]"}),
    ]


def test_usage_may_be_sparse_or_rich() -> None:
    assert told(completion(content="", usage=None))["usage"]["output_tokens"] == 0
    rich = {**USAGE, "completion_tokens_details": {"reasoning_tokens": 3}, "prompt_tokens_details": None}
    assert told(completion(content="", usage=rich))["usage"] == {
        **SPENT,
        "input_tokens": 11,
        "cache_read_input_tokens": 0,
        "output_tokens_details": {"thinking_tokens": 3},
    }


@pytest.mark.parametrize("body", [b"", b"{}", b"\x1f\x8b\x08", b'{"choices":[{"message":{"content":[]}}]}', b"[]"])
def test_what_is_no_completion(body: bytes) -> None:
    with pytest.raises(Unreadable):
        message(body, FORM, "req-1")


def test_counts() -> None:
    assert token_count(b'{"count": 3, "tokens": [1, 2, 3]}') == b'{"input_tokens":3}'
    assert token_count(b'{"input_tokens": 4, "object": "response.input_tokens"}') == b'{"input_tokens":4}'
    assert token_count(b'{"tokens": []}') is None
    assert token_count(b"<html>") is None


# streams


@dataclass
class Heard:
    """What a strict reader makes of the events. Blocks come one after the other, each begun and ended once."""

    events: list[str] = field(default_factory=list)
    blocks: list[dict[str, Any]] = field(default_factory=list)
    delta: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    open: bool = False

    def read(self, data: bytes) -> Heard:
        pieces = data.split(b"\n\n")
        assert pieces.pop() == b""
        for piece in pieces:
            first, second = piece.decode().split("\n")
            event = json.loads(second.removeprefix("data: "))
            assert first == f"event: {event['type']}"
            self.take(event)
        return self

    def take(self, event: dict[str, Any]) -> None:
        assert not self.error, "nothing comes after an error"
        assert self.events[-1:] != ["message_stop"], "nothing comes after the end"
        kind = event["type"]
        if kind not in ("error", "ping"):
            RAW.validate_python(event)
        assert (kind in ("message_start", "error")) or self.events[:1] == ["message_start"]
        self.events.append(kind)
        if kind == "content_block_start":
            assert (self.open, event["index"]) == (False, len(self.blocks))
            self.open = True
            self.blocks.append({**event["content_block"], "json": ""})
        elif kind == "content_block_delta":
            assert (self.open, event["index"]) == (True, len(self.blocks) - 1)
            delta, block = event["delta"], self.blocks[-1]
            wanted = {"text": "text_delta", "thinking": "thinking_delta", "tool_use": "input_json_delta"}
            assert delta["type"] == wanted[block["type"]]
            name = {"tool_use": "json"}.get(block["type"], block["type"])
            piece = delta["partial_json" if name == "json" else name]
            assert piece, "no empty deltas"
            block[name] += piece
        elif kind == "content_block_stop":
            assert (self.open, event["index"]) == (True, len(self.blocks) - 1)
            self.open = False
        elif kind == "message_delta":
            assert not self.open
            self.delta, self.usage = event["delta"], event["usage"]
        elif kind == "error":
            self.error = event["error"]

    @property
    def said(self) -> list[tuple[str, ...]]:
        """Blocks as (kind, text), tools as (kind, id, name, arguments)."""
        return [
            ("tool_use", each["id"], each["name"], each["json"])
            if each["type"] == "tool_use"
            else (each["type"], each[each["type"]])
            for each in self.blocks
        ]


def chunk(finish: str | None = None, *, usage: Any = None, choices: bool = True, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    said: dict[str, Any] = {"id": "c", "choices": [choice] if choices else []}
    return b"data: " + json.dumps(said | ({"usage": usage} if usage else {}), ensure_ascii=False).encode() + b"\n\n"


LAST = chunk(usage=USAGE, choices=False)
DONE = b"data: [DONE]\n\n"


def heard(*events: bytes, form: ChatForm = FORM) -> Heard:
    stream = MessageStream(form, "req-1")
    return Heard().read(b"".join(stream.feed(each) for each in events))


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


@settings(max_examples=150, deadline=None)
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


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"data: {text}\n\n".encode()))
def test_any_bytes_are_survived(data: bytes) -> None:
    heard(data)


# errors


def test_paths_of_this_api() -> None:
    yes = (b"/v1/messages", b"/v1/messages?beta=true", b"/v1/messages/count_tokens")
    assert [is_messages(each) for each in yes] == [True] * 3
    assert not any(map(is_messages, (b"/v1/messagesX", b"/v1/chat/completions", b"")))


@pytest.mark.parametrize(
    ("refusal", "status", "kind"),
    [
        (Refusal(400, "invalid_json", "x"), 400, "invalid_request_error"),
        (Refusal(401, "invalid_api_key", "x"), 401, "authentication_error"),
        (Refusal(403, "model_not_allowed", "x"), 403, "permission_error"),
        (Refusal(404, "model_not_found", "x"), 404, "not_found_error"),
        (Refusal(408, "request_timeout", "x"), 408, "timeout_error"),
        (Refusal(413, "request_too_large", "x"), 413, "request_too_large"),
        (Refusal(429, "insufficient_quota", "x"), 429, "rate_limit_error"),
        (Refusal(502, "engine_failed", "x"), 502, "api_error"),
        (Refusal(503, "model_not_ready", "x"), 503, "api_error"),
        (Refusal(503, "queue_full", "x"), 529, "overloaded_error"),
        (Refusal(503, "overloaded", "x"), 529, "overloaded_error"),
        (Refusal(504, "deadline_exceeded", "x"), 504, "timeout_error"),
    ],
)
def test_refusals(refusal: Refusal, status: int, kind: str) -> None:
    found, body = refusal_answer(refusal, "req-1")
    assert (found, json.loads(body)) == (
        status,
        {
            "type": "error",
            "error": {"type": kind, "message": "x", "details": {"error_code": refusal.code}},
            "request_id": "req-1",
        },
    )


def test_engines_errors() -> None:
    def said(status: int, body: bytes) -> tuple[str, str, str]:
        error = json.loads(engine_error(status, body, "req-1"))["error"]
        return error["type"], error["message"], error["details"]["error_code"]

    shaped = b'{"error":{"message":"bad","type":"x","param":null,"code":"engine_refused_key"}}'
    assert said(502, shaped) == ("api_error", "bad", "engine_refused_key")
    llama = b'{"error":{"code":400,"message":"request exceeds","type":"exceed_context_size_error"}}'
    assert said(400, llama) == ("invalid_request_error", "prompt is too long: request exceeds", "engine_error")
    vllm = b'{"error":{"message":"This model\'s maximum context length is 8 tokens","code":400}}'
    assert said(400, vllm)[1].startswith("prompt is too long: This model's maximum")
    assert said(500, b"<h1>") == ("api_error", "<h1>", "engine_error")
