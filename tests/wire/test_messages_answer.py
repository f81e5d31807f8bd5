"""Chat completions as Messages, whole and streamed: the same whatever way the bytes were cut."""

from __future__ import annotations

import json
from typing import Any

import anthropic.types
import pytest

from headway.wire.anthropic import (
    ChatForm,
    Unreadable,
    engine_error,
    is_messages,
    message,
    refusal_answer,
    token_count,
)
from headway.wire.openai import Refusal
from tests.support.message_events import DONE, FORM, SPENT, USAGE, call, chunk, heard


def completion(finish: str | None = "stop", usage: Any = USAGE, **said: Any) -> bytes:
    more = {key: said.pop(key) for key in ("stop_reason", "matched_stop") if key in said}
    choice = {"index": 0, "message": {"role": "assistant", **said}, "finish_reason": finish, **more}
    return json.dumps({"id": "c", "choices": [choice], "usage": usage}).encode()


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
