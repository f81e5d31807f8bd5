"""A request to generate, read and checked. Pure. Each fault names the field."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from headway.engines import mock_text
from headway.engines.mock_answers import Abroad, Prattle, Recital, Said, sample
from headway.engines.mock_parts import Part, Parts
from headway.engines.mock_script import PLAIN, Script, Usage
from headway.engines.mock_text import BadRequest

__all__ = ["DEFAULT_TOKENS", "Question", "Rules", "UnknownModel", "ask", "functions", "scripted"]

DEFAULT_TOKENS = 16
"""What an answer has when the request sets no limit."""

CALL_WORDS = "call the tool"
"""With these in the last user message, and `tools`, the mock calls the first tool of its own will."""
ALL_WORDS = "call all tools"
"""The same for each of them, in one answer."""
THINK_WORDS = "think first"
"""With these in the last user message a chat begins with so many tokens of thinking:"""
THINK_TOKENS = 8


class UnknownModel(Exception):
    """The model's name is none that is served here."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the engine was started with."""

    model: str
    adapters: Collection[str]
    longest: int  # tokens of prompt and answer together
    answer_tokens: int  # after so many an answer ends by itself; 0 = it runs to its limit


@dataclass(frozen=True, slots=True)
class Question:
    kind: str  # chat, text, response
    model: str  # as asked for
    adapter: str  # "" = the base model
    prompt: bytes
    said: Said | Parts
    length: int  # tokens that the answer will have
    finish: str  # why it ends there: stop, length, tool_calls
    stream: bool = False
    usage: Usage | None = None  # None = not asked for: only a whole answer tells it
    salt: str = ""
    tool: str = ""  # the tool that is called


def ask(body: Any, kind: str, rules: Rules) -> Question:
    """Read a request body. Raises BadRequest, UnknownModel."""
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    model = body.get("model") or rules.model
    if model != rules.model and model not in rules.adapters:
        raise UnknownModel(str(model))
    if body.get("n", 1) not in (1, None):
        raise BadRequest("n: the mock engine gives one choice a request; leave n out")
    if body.get("logprobs") or body.get("top_logprobs"):
        raise BadRequest("logprobs: the mock engine has no probabilities; leave it out")
    prompt, said, tool = _reading(body, kind)
    question = Question(
        kind=kind,
        model=model,
        adapter="" if model == rules.model else model,
        prompt=prompt,
        said=said,
        length=1,
        finish="stop",
        stream=bool(body.get("stream")),
        usage=_usage(body.get("stream_options")),
        salt=str(body.get("cache_salt") or ""),
        tool=tool,
    )
    length, finish = _length(body, question, rules)
    return replace(question, length=length, finish=finish)


def scripted(question: Question, script: Script, longest: int) -> Question:
    """The question as a script wants it answered; `longest` as in Rules."""
    if script is PLAIN:
        return question
    said, finish = question.said, question.finish
    room = longest - mock_text.count(question.prompt)
    most = room if said.length is None else min(room, said.length)
    length = max(1, min(question.length + script.tokens, most))
    if script.tokens and finish != "tool_calls":
        finish = "length" if length > question.length else "stop"
    if script.split == "utf8" and isinstance(said, Prattle):
        said = Abroad(question.prompt)
    return replace(question, said=said, length=length, finish=finish, usage=script.usage or question.usage)


def _usage(options: Any) -> Usage | None:
    """What `stream_options` asks for, as vLLM reads it."""
    if not isinstance(options, dict) or not options.get("include_usage"):
        return None
    return "continuous" if options.get("continuous_usage_stats") else "last"


def _reading(body: dict[str, Any], kind: str) -> tuple[bytes, Said | Parts, str]:
    """The prompt, what is said to it, and the tool that is called by that."""
    if kind == "text":
        prompt = mock_text.plain(body.get("prompt"))
        return prompt, Prattle(prompt), ""
    messages = _messages(body) if kind == "response" else body.get("messages")
    tools = functions(body)
    prompt = mock_text.chat(messages, tools)
    assert isinstance(messages, list)  # noqa: S101 - chat() has seen to it
    called = _called(body, messages, tools) if tools else []
    said = _arguments(called[0]) if called else _spoken(body, prompt)
    tool = str(called[0].get("name", "")) if called else ""
    thought = _asked(messages, THINK_WORDS)
    if kind == "chat" and (thought or len(called) > 1):
        return prompt, _parts(prompt, said, called, thought=thought), tool
    return prompt, said, tool


def functions(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The tools, as both APIs describe them."""
    return [each.get("function", each) for each in body.get("tools") or () if isinstance(each, dict)]


def _spoken(body: dict[str, Any], prompt: bytes) -> Said:
    if (form := body.get("response_format") or {}) and form.get("type") in ("json_object", "json_schema"):
        schema = (form.get("json_schema") or {}).get("schema") or {"type": "object"}
        return Recital(json.dumps(sample(schema)))
    return Prattle(prompt)


def _messages(body: dict[str, Any]) -> list[Any]:
    """The input of the Responses API as messages."""
    given = body.get("input")
    head = [{"role": "system", "content": body["instructions"]}] if body.get("instructions") else []
    if isinstance(given, str):
        return [*head, {"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise BadRequest("input: use a string or a list of items")
    return head + given


def _called(body: dict[str, Any], messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tools that the request demands, or that its last user message asks for in the agreed words."""
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict):
        wanted = (choice.get("function") or choice).get("name")
        for tool in tools:
            if tool.get("name") == wanted:
                return [tool]
        raise BadRequest(f"tool_choice: no tool is named {wanted!r}")
    if choice in ("required", "auto") and _asked(messages, ALL_WORDS):
        return tools if body.get("parallel_tool_calls") is not False else tools[:1]
    asked = choice == "auto" and _asked(messages, CALL_WORDS)
    return tools[:1] if asked or choice == "required" else []


def _asked(messages: list[dict[str, Any]], words: str) -> bool:
    last = messages[-1]
    return last.get("role") == "user" and words in str(last.get("content")).lower()


def _arguments(tool: dict[str, Any]) -> Recital:
    return Recital(json.dumps(sample(tool.get("parameters") or {"type": "object"})))


def _parts(prompt: bytes, said: Said, called: list[dict[str, Any]], *, thought: bool) -> Parts:
    parts = [Part("reasoning", Prattle(prompt + b"?"), THINK_TOKENS)] if thought else []
    for number, tool in enumerate(called):
        arguments = _arguments(tool)
        parts.append(Part("call", arguments, arguments.length, str(tool.get("name", "")), number))
    return Parts(parts if called else [*parts, Part("content", said, said.length)])


def _length(body: dict[str, Any], question: Question, rules: Rules) -> tuple[int, str]:
    """How many tokens the answer has, and why no more."""
    limit = _whole_number(body, ("max_completion_tokens", "max_tokens", "max_output_tokens"), least=1)
    least = _whole_number(body, ("min_tokens",), least=0) or 0
    if limit is not None and least > limit:
        raise BadRequest(f"min_tokens: {least} is more than max_tokens, {limit}")
    room = rules.longest - mock_text.count(question.prompt)
    if room < max(limit or 1, least):
        raise BadRequest(
            f"max_tokens: this model's maximum context length is {rules.longest} tokens; the request has "
            f"{mock_text.count(question.prompt)} in its prompt and asks for {max(limit or 1, least)}; ask for less"
        )
    most = room if limit is None else limit
    natural = question.said.length or rules.answer_tokens or (DEFAULT_TOKENS if limit is None else 0)
    if question.said.length is None and (least > natural or body.get("ignore_eos")):
        natural = max(least, natural) if limit is None else 0
    if natural == 0 or natural > most:
        return most, "length"
    return natural, "tool_calls" if question.tool else "stop"


def _whole_number(body: dict[str, Any], names: tuple[str, ...], *, least: int) -> int | None:
    for name in names:
        if (value := body.get(name)) is not None:
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise BadRequest(f"{name}: found {value!r}, use an integer of {least} or more")
            return value
    return None
