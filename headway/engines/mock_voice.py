"""The mock engine's answers as OpenAI's APIs write them, whole or as events. Pure.

Everything that is the same in each event of a stream is encoded once; a token costs the joining of three bytes
objects.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from headway.engines import mock_text
from headway.engines.mock_parts import Part, Parts
from headway.engines.mock_question import Question

__all__ = ["Chat", "ChatInParts", "Response", "Text", "Voice", "usage", "voice"]

_MARK = "\x7fpiece\x7f"
DONE = b"data: [DONE]\n\n"


class Voice(Protocol):
    """One answer. Events are whole server-sent events."""

    def opening(self) -> bytes: ...

    def piece(self, piece: bytes, upto: int) -> bytes:
        """One event more of the answer, which then has `upto` tokens; `piece` is the inside of a JSON string."""

    def closing(self, tokens: int, cached: int) -> bytes: ...

    def error(self, message: str) -> bytes:
        """The end of a stream that failed, as vLLM writes it."""

    def whole(self, tokens: int, cached: int) -> bytes: ...


def voice(question: Question, ident: str, created: int) -> Voice:
    if isinstance(question.said, Parts):
        return ChatInParts(question, question.said, ident, created)
    kinds: Mapping[str, type[Chat | Text | Response]] = {"chat": Chat, "text": Text, "response": Response}
    return kinds[question.kind](question, ident, created)


def usage(prompt: int, generated: int, cached: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": generated,
        "total_tokens": prompt + generated,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


class _Completion(ABC):
    """What chat and text completions share: one choice, events of one shape."""

    event = ""
    whole_kind = ""
    prefix = ""

    def __init__(self, question: Question, ident: str, created: int) -> None:
        self._question = question
        self._stem = {"id": self.prefix + ident, "created": created, "model": question.model}
        self._head, self._tail = _halves(self._choice(self._delta(_MARK), None))

    def opening(self) -> bytes:
        return b""

    def piece(self, piece: bytes, upto: int) -> bytes:
        return self._spent(b"%b%b%b" % (self._head, piece, self._tail), upto)

    def closing(self, tokens: int, cached: int) -> bytes:
        last = self._spent(_event(self._choice(self._last(), self._question.finish)), tokens)
        if self._question.usage in (None, "none"):
            return last
        spent = usage(mock_text.count(self._question.prompt), tokens, cached)
        return last + _event({**self._stem, "object": self.event, "choices": [], "usage": spent})

    def error(self, message: str) -> bytes:
        return _event({"error": {"message": message, "type": "server_error", "param": None, "code": 500}}) + DONE

    def whole(self, tokens: int, cached: int) -> bytes:
        question = self._question
        choice = {"index": 0, **self._body(tokens), "logprobs": None}
        body = {
            **self._stem,
            "object": self.whole_kind,
            "choices": [{**choice, "finish_reason": question.finish}],
        }
        if question.usage != "none":
            body["usage"] = usage(mock_text.count(question.prompt), tokens, cached)
        return msgspec.json.encode(body)

    def _spent(self, event: bytes, tokens: int) -> bytes:
        """The event with the tokens until then, where each is to tell them (vLLM's `continuous_usage_stats`)."""
        if self._question.usage != "continuous":
            return event
        prompt = mock_text.count(self._question.prompt)
        numbers = b'"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d' % (prompt, tokens, prompt + tokens)
        return b'%b,"usage":{%b}}\n\n' % (event.removesuffix(b"}\n\n"), numbers)

    def _choice(self, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        choice = {"index": 0, **delta, "logprobs": None, "finish_reason": finish}
        return {**self._stem, "object": self.event, "choices": [choice]}

    @abstractmethod
    def _delta(self, text: str) -> dict[str, Any]:
        """What an event says that holds this much of the answer."""

    @abstractmethod
    def _last(self) -> dict[str, Any]:
        """What the last one says."""

    @abstractmethod
    def _body(self, tokens: int) -> dict[str, Any]:
        """The answer in one piece."""


class Text(_Completion):
    event = whole_kind = "text_completion"
    prefix = "cmpl-"

    def _delta(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _last(self) -> dict[str, Any]:
        return {"text": ""}

    def _body(self, tokens: int) -> dict[str, Any]:
        return {"text": self._question.said.text(tokens)}


class Chat(_Completion):
    event = "chat.completion.chunk"
    whole_kind = "chat.completion"
    prefix = "chatcmpl-"

    def opening(self) -> bytes:
        delta: dict[str, Any] = {"role": "assistant", "content": None if self._question.tool else ""}
        if self._question.tool:
            delta["tool_calls"] = [{"index": 0, **self._call("")}]
        return self._spent(_event(self._choice({"delta": delta}, None)), 0)

    def _delta(self, text: str) -> dict[str, Any]:
        if self._question.tool:
            return {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}}
        return {"delta": {"content": text}}

    def _last(self) -> dict[str, Any]:
        return {"delta": {}}

    def _body(self, tokens: int) -> dict[str, Any]:
        text = self._question.said.text(tokens)
        message: dict[str, Any] = {"role": "assistant", "content": None if self._question.tool else text}
        if self._question.tool:
            message["tool_calls"] = [self._call(text)]
        return {"message": message}

    def _call(self, arguments: str) -> dict[str, Any]:
        ident = f"call_{self._stem['id']}"
        return {"id": ident, "type": "function", "function": {"name": self._question.tool, "arguments": arguments}}


class ChatInParts(Chat):
    """Pieces come in their order, each once; so it is counted at which part they are."""

    def __init__(self, question: Question, parts: Parts, ident: str, created: int) -> None:
        super().__init__(question, ident, created)
        self._parts, self._at = parts, 0
        self._halves = {part: _halves(self._choice({"delta": self._grown(part)}, None)) for part in parts.all}

    def opening(self) -> bytes:
        return self._spent(_event(self._choice({"delta": {"role": "assistant", "content": ""}}, None)), 0)

    def piece(self, piece: bytes, upto: int) -> bytes:
        part, at = self._parts.place(self._at)
        before, self._at = self._at, upto
        head, tail = self._halves[part]
        begun = b""
        if part.kind == "call" and at == 0:
            call = {"index": part.number, **self._called(part, "")}
            begun = self._spent(_event(self._choice({"delta": {"tool_calls": [call]}}, None)), before)
        return begun + self._spent(b"%b%b%b" % (head, piece, tail), upto)

    def _grown(self, part: Part) -> dict[str, Any]:
        if part.kind == "call":
            return {"tool_calls": [{"index": part.number, "function": {"arguments": _MARK}}]}
        return {"reasoning_content" if part.kind == "reasoning" else "content": _MARK}

    def _body(self, tokens: int) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": None}
        for part, here in self._parts.upto(tokens):
            said = part.said.text(here)
            if part.kind == "call":
                message.setdefault("tool_calls", []).append(self._called(part, said))
            else:
                message["reasoning_content" if part.kind == "reasoning" else "content"] = said
        return {"message": message}

    def _called(self, part: Part, arguments: str) -> dict[str, Any]:
        function = {"name": part.tool, "arguments": arguments}
        return {"id": f"call_{self._stem['id']}_{part.number}", "type": "function", "function": function}


class Response:
    """The Responses API: a message, or a function call, as the only item of the output."""

    def __init__(self, question: Question, ident: str, created: int) -> None:
        self._question, self._ident, self._created = question, ident, created
        kind = "response.function_call_arguments" if question.tool else "response.output_text"
        self._kind = kind
        self._head, self._tail = _halves({"type": f"{kind}.delta", **self._place(), "delta": _MARK}, f"{kind}.delta")

    def opening(self) -> bytes:
        begun = {"response": self._made("in_progress", [], None)}
        item = {"output_index": 0, "item": self._item("", "in_progress")}
        said = _typed("response.created", begun) + _typed("response.in_progress", begun)
        said += _typed("response.output_item.added", item)
        if not self._question.tool:
            said += _typed("response.content_part.added", {**self._place(), "part": _part("")})
        return said

    def piece(self, piece: bytes, upto: int) -> bytes:
        return b"%b%b%b" % (self._head, piece, self._tail)

    def closing(self, tokens: int, cached: int) -> bytes:
        text = self._question.said.text(tokens)
        name = "arguments" if self._question.tool else "text"
        said = _typed(f"{self._kind}.done", {**self._place(), name: text})
        if not self._question.tool:
            said += _typed("response.content_part.done", {**self._place(), "part": _part(text)})
        said += _typed("response.output_item.done", {"output_index": 0, "item": self._item(text, "completed")})
        return said + _typed(f"response.{self._status}", {"response": self._finished(tokens, cached)})

    def error(self, message: str) -> bytes:
        return _typed("error", {"code": "server_error", "message": message, "param": None})

    def whole(self, tokens: int, cached: int) -> bytes:
        return msgspec.json.encode(self._finished(tokens, cached))

    @property
    def _status(self) -> str:
        return "incomplete" if self._question.finish == "length" else "completed"

    def _place(self) -> dict[str, Any]:
        place: dict[str, Any] = {"item_id": f"item_{self._ident}", "output_index": 0}
        return place if self._question.tool else {**place, "content_index": 0, "logprobs": []}

    def _item(self, text: str, status: str) -> dict[str, Any]:
        item: dict[str, Any] = {"id": f"item_{self._ident}", "status": status}
        if self._question.tool:
            call = {"call_id": f"call_{self._ident}", "name": self._question.tool, "arguments": text}
            return {**item, "type": "function_call", **call}
        return {**item, "type": "message", "role": "assistant", "content": [_part(text)] if text else []}

    def _finished(self, tokens: int, cached: int) -> dict[str, Any]:
        prompt = mock_text.count(self._question.prompt)
        spent = {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": cached},
            "output_tokens": tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + tokens,
        }
        return self._made(self._status, [self._item(self._question.said.text(tokens), "completed")], spent)

    def _made(self, status: str, output: list[Any], spent: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "id": f"resp_{self._ident}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "error": None,
            "model": self._question.model,
            "output": output,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": spent,
        }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def _event(value: Mapping[str, Any]) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(value)


def _typed(kind: str, value: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **value}))


def _halves(value: Mapping[str, Any], kind: str = "") -> tuple[bytes, bytes]:
    """An event before and after its piece of text."""
    event = _typed(kind, value) if kind else _event(value)
    head, _, tail = event.rpartition(msgspec.json.encode(_MARK)[1:-1])
    return head, tail
