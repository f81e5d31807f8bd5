"""A Messages call as a chat call: each field where it belongs, and what cannot be said refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.wire.anthropic import ChatForm, read_message
from headway.wire.calls import ChatCall
from headway.wire.openai import MESSAGES, Refusal, read_call

USER = {"role": "user", "content": "Hello"}
TOOL = {"name": "weather", "description": "Of a city.", "input_schema": {"type": "object", "properties": {}}}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}}
PNG_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def use(ident: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": ident, "name": "weather", "input": given}


def result(ident: str, content: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": ident, **({} if content is None else {"content": content}), **more}


def form(**fields: Any) -> ChatForm:
    call = {"model": "chat", "max_tokens": 9, "messages": [USER], **fields}
    read = read_message(json.dumps(call).encode())
    assert isinstance(read, ChatForm), read
    return read


def chat(**fields: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(form(**fields).body)
    return said


def messages(*turns: dict[str, Any], **fields: Any) -> list[Any]:
    said: list[Any] = chat(messages=list(turns), **fields)["messages"]
    return said


def refused(**fields: Any) -> Refusal:
    call = {"model": "chat", "max_tokens": 9, "messages": [USER], **fields}
    read = read_message(json.dumps({k: v for k, v in call.items() if v is not ...}).encode())
    assert isinstance(read, Refusal), read
    return read


def test_the_least_call() -> None:
    assert chat() == {"model": "chat", "messages": [USER], "max_tokens": 9}


def test_each_plain_field_has_its_place() -> None:
    said = chat(
        system="Be brief.",
        stop_sequences=["END", "\n\n"],
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        metadata={"user_id": "u1"},
        stream=True,
        seed=7,
        chat_template_kwargs={"a": 1},
    )
    assert said == {
        "model": "chat",
        "messages": [{"role": "system", "content": "Be brief."}, USER],
        "max_tokens": 9,
        "stop": ["END", "\n\n"],
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "user": "u1",
        "stream": True,
        "stream_options": {"include_usage": True},
        "seed": 7,
        "chat_template_kwargs": {"a": 1},
    }


def test_what_is_left_out_changes_nothing() -> None:
    marked = [{"role": "user", "content": [text("Hello", cache_control={"type": "ephemeral"}, citations=None)]}]
    left_out = {
        "service_tier": "auto",
        "cache_control": {"type": "ephemeral"},
        "inference_geo": "eu",
        "speed": "fast",
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "container": None,
        "mcp_servers": [],
        "thinking": {"type": "adaptive"},
    }
    assert chat(messages=marked, **left_out) == chat()


def test_the_system_says_one_thing_first() -> None:
    blocks = [text("x-anthropic-billing-header: cc_version=2.1; cch=00aa1;"), text("You code."), text("Be brief.")]
    turns = [{"role": "system", "content": "And kind."}, USER]
    said = messages(*turns, system=blocks)
    assert said == [{"role": "system", "content": "You code.\n\nBe brief.\n\nAnd kind."}, USER]
    assert messages(USER, system="") == [USER]


def test_a_system_message_in_the_middle_stays_where_it_is() -> None:
    answer = {"role": "assistant", "content": "Hi."}
    said = messages(USER, {"role": "system", "content": [text("Now in French.")]}, answer, USER)
    reminder = "Hello\n\n<system-reminder>\nNow in French.\n</system-reminder>"
    assert said == [{"role": "user", "content": reminder}, answer, USER]


def test_turns_in_a_row_are_one() -> None:
    said = messages(
        USER, {"role": "user", "content": [text("How"), text("are you?")]}, {"role": "assistant", "content": "I"},
        {"role": "assistant", "content": [text(" am"), text(" fine")]}, USER,
    )  # fmt: skip
    assert [each["content"] for each in said] == ["Hello\n\nHow\n\nare you?", "I am fine", "Hello"]


def test_images_are_parts() -> None:
    url = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    (said,) = messages({"role": "user", "content": [text("Look:"), PNG, url]})
    assert said["content"] == [
        text("Look:"),
        PNG_PART,
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]


def test_documents_and_search_results_are_text_with_a_frame() -> None:
    plain = {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}
    words = {"type": "document", "source": {"type": "content", "content": [text("b"), text("c")]}}
    found = {"type": "search_result", "source": "s", "title": "t", "content": [text("d")]}
    (said,) = messages({"role": "user", "content": [plain, words, found]})
    assert said["content"] == (
        '<document title="T">\na\n</document>\n\n<document>\nb\n\nc\n</document>\n\n'
        '<search_result title="t" source="s">\nd\n</search_result>'
    )


def test_tools_there_and_back() -> None:
    said = messages(
        USER,
        {"role": "assistant", "content": [text("I look."), use("a", city="Paris"), use("b")]},
        {"role": "user", "content": [result("a", "sunny"), result("b", [text("no"), text("idea")], is_error=True),
                                     text("Well?")]},
    )  # fmt: skip
    calls = [
        {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}},
        {"id": "b", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
    ]
    assert said == [
        USER,
        {"role": "assistant", "content": "I look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: no\n\nidea"},
        {"role": "user", "content": "Well?"},
    ]


def test_results_may_be_empty_or_pictures() -> None:
    asked = {"role": "assistant", "content": [use("a"), use("b"), use("c")]}
    given = {"role": "user", "content": [result("a"), result("b", is_error=True), result("c", [text("seen"), PNG])]}
    said = messages(USER, asked, given)[2:]
    assert said == [
        {"role": "tool", "tool_call_id": "a", "content": ""},
        {"role": "tool", "tool_call_id": "b", "content": "Error"},
        {"role": "tool", "tool_call_id": "c", "content": "seen"},
        {"role": "user", "content": [text("Images of the result c:"), PNG_PART]},
    ]


def test_what_was_thought_goes_back_under_both_names() -> None:
    blocks = [{"type": "thinking", "thinking": "Hm.", "signature": ""}, {"type": "redacted_thinking", "data": "x"}]
    said = messages(USER, {"role": "assistant", "content": [*blocks, text("Yes.")]}, USER)[1]
    assert said == {"role": "assistant", "content": "Yes.", "reasoning": "Hm.", "reasoning_content": "Hm."}


def test_a_last_word_of_the_assistant_is_gone_on_with() -> None:
    turns = [USER, {"role": "assistant", "content": "The answer is ("}]
    said = chat(messages=turns)
    assert form(messages=turns).begun == "The answer is ("
    assert (said["continue_final_message"], said["add_generation_prompt"]) == (True, False)
    assert said["messages"][-1] == {"role": "assistant", "content": "The answer is ("}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            {"tool_choice": "auto", "parallel_tool_calls": False},
        ),
    ],
)
def test_tools_and_the_choice_among_them(choice: dict[str, Any], said: dict[str, Any]) -> None:
    strict = {"name": "b", "input_schema": {"type": "object"}, "type": "custom", "strict": True, "defer_loading": True}
    found = chat(tools=[TOOL, strict], tool_choice=choice)
    function = {"name": "weather", "parameters": TOOL["input_schema"], "description": "Of a city."}
    assert found.pop("tools") == [
        {"type": "function", "function": function},
        {"type": "function", "function": {"name": "b", "parameters": {"type": "object"}, "strict": True}},
    ]
    assert found == {**chat(), **said}
    if choice["type"] in ("auto", "none"):
        assert chat(tools=[], tool_choice=choice) == chat()


def test_a_tool_that_must_be_used_is_the_only_one_shown() -> None:
    found = chat(tools=[TOOL, {**TOOL, "name": "b"}], tool_choice={"type": "tool", "name": "b"})
    assert [each["function"]["name"] for each in found["tools"]] == ["b"]
    assert found["tool_choice"] == "required"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"thinking": {"type": "disabled"}}, {"chat_template_kwargs": {"enable_thinking": False}}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2048}, "chat_template_kwargs": {"x": 1}},
            {
                "chat_template_kwargs": {"enable_thinking": True, "x": 1},
                "thinking_budget_tokens": 2048,
                "thinking_token_budget": 2048,
            },
        ),
        ({"output_config": {"effort": "high"}}, {"reasoning_effort": "high"}),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
                }
            },
        ),
    ],
)
def test_how_it_shall_think_and_answer(fields: dict[str, Any], said: dict[str, Any]) -> None:
    assert chat(**fields) == {**chat(), **said}


def test_what_the_answer_is_told_with() -> None:
    told = form(stop_sequences=["END"], thinking={"type": "adaptive", "display": "omitted"})
    assert (told.model, told.stop_sequences, told.hides_thinking) == ("chat", ("END",), True)


DOCUMENT = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "x"}}
REFUSED = [
    ({"max_tokens": ...}, "missing_field", "max_tokens", "required"),
    ({"max_tokens": 0}, "not_translatable", "max_tokens", "1 or more"),
    ({"model": ...}, "missing_field", "model", "required"),
    ({"messages": []}, "invalid_type", "messages", "at least one"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "invalid_type", "messages[0].role", "invalid enum value"),
    ({"messages": [{"role": "user", "content": [{"type": "mcp_tool_use"}]}]}, "invalid_type", None, "mcp_tool_use"),
    ({"messages": [{"role": "user", "content": [text("a", colour=1)]}]}, "invalid_type", None, "colour"),
    ({"messages": [{"role": "user", "content": [use("a")]}]}, "not_translatable", "messages[0].content[0]", "not the"),
    ({"messages": [{"role": "assistant", "content": [PNG]}, USER]}, "not_translatable", None, "user's"),
    ({"messages": [{"role": "user", "content": [DOCUMENT]}]}, "not_translatable", None, "not PDF"),
    ({"messages": [USER, {"role": "system", "content": [PNG]}]}, "not_translatable", "messages[1].content[0]", "text"),
    ({"messages": [USER, {"role": "assistant", "content": [use("a")]}]}, "not_translatable", "messages", "must follow"),
    ({"system": [PNG]}, "invalid_type", None, "image"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}]}, "not_translatable", "tools[0]",
     "run by Anthropic"),
    ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "not_translatable", "tools[0]", "input_schema"),
    ({"tools": [{"name": "x"}]}, "invalid_type", "tools[0]", "input_schema"),
    ({"tools": [{**TOOL, "colour": 1}]}, "invalid_type", "tools[0]", "colour"),
    ({"tools": [{**TOOL, "input_schema": []}]}, "invalid_type", "tools[0].input_schema", "object"),
    ({"tools": [{**TOOL, "allowed_callers": ["code_execution_20250825"]}]}, "not_translatable",
     "tools[0].allowed_callers", "directly"),
    ({"tool_choice": {"type": "any"}}, "not_translatable", "tool_choice", "no tools"),
    ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "missing_field", "tool_choice.name", "required"),
    ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}}, "not_translatable", "tool_choice.name", "'x'"),
    ({"mcp_servers": [{"url": "https://example.com"}]}, "not_translatable", "mcp_servers", "MCP"),
    ({"container": "c"}, "not_translatable", "container", "containers"),
    ({"thinking": {"type": "deep"}}, "invalid_type", "thinking.type", "deep"),
    ({"colour": 1}, "invalid_type", None, "colour"),
    ({"temperature": "hot"}, "invalid_type", "temperature", "float"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[2]} {case[3]}")
def test_what_cannot_be_said_is_refused_by_name(case: tuple[dict[str, Any], str, str | None, str]) -> None:
    fields, code, field, says = case
    found = refused(**fields)
    assert (found.status, found.code) == (400, code)
    assert says in found.message
    assert field is None or found.param == field


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"messages":' * 100_000])
def test_rubbish_is_refused(body: bytes) -> None:
    assert isinstance(read_message(body), Refusal)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "content"]), inner),
    max_leaves=8,
)
BLOCKS = st.one_of(
    st.text(max_size=9).map(text),
    st.just(PNG),
    st.text(max_size=5).map(lambda said: use("a", said=said)),
    st.text(max_size=5).map(lambda said: result("a", said)),
    JSON,
)
TURNS = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "system"]),
            "content": st.text(max_size=9) | st.lists(BLOCKS, max_size=3),
        }
    ),
    max_size=6,
)


@settings(max_examples=200)
@given(turns=TURNS)
def test_any_call_is_a_chat_call_or_refused(turns: list[Any]) -> None:
    call = {"model": "chat", "max_tokens": 9, "messages": turns}
    read = read_message(json.dumps(call).encode())
    if isinstance(read, ChatForm):
        again = read_call(MESSAGES, read.body)
        assert isinstance(again, ChatCall) or json.loads(read.body)["messages"] == []
    else:
        assert read.status == 400


@settings(max_examples=100)
@given(said=st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=3, max_size=9))
def test_a_conversation_that_grows_keeps_its_beginning(said: list[str]) -> None:
    """Byte for byte up to where the last message's own text ends: what the prefix index needs."""
    turns = [{"role": "user" if n % 2 == 0 else "assistant", "content": each} for n, each in enumerate(said)]
    turns = turns if len(turns) % 2 else turns[:-1]
    before, after = (json.loads(form(messages=part).body)["messages"] for part in (turns[:-2], turns))
    assert after[: len(before)] == before
    one, other = (bytes(read.messages) for part in (turns[:-2], turns)
                  if isinstance(read := read_call(MESSAGES, form(messages=part).body), ChatCall))  # fmt: skip
    assert other.startswith(one[:-1])
