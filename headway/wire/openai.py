"""The OpenAI API as the gateway reads it: which operation a path is, the few fields of a call that matter,
errors.

A call is decoded only as far as it is needed to route it and to refuse what is plainly wrong; the engine
reads the rest, from the same bytes. What cannot be served is a Refusal: a value, never an exception.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import msgspec

from headway.wire.calls import Call, ChatCall, CompletionCall, EmbeddingCall, ErrorBody, OtherCall
from headway.wire.multipart import boundary_of, field, with_field

__all__ = [
    "COUNTS",
    "MESSAGES",
    "OPERATIONS",
    "OTHER",
    "Operation",
    "Refusal",
    "error_body",
    "is_error_body",
    "mistyped",
    "model_not_found",
    "other_operation",
    "read_call",
    "with_fields",
    "with_model",
    "wrong_operation",
]

Task = Literal["chat", "completion", "embedding"]

OTHER: Final = "other"
"""`name` of every operation that is not in OPERATIONS: a label of metrics, so there must not be many."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that says no. `retry_after` is in seconds; `allow` lists the methods of a 405."""

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after: int | None = None
    allow: str = ""

    @property
    def kind(self) -> str:
        """OpenAI's `type`."""
        return "invalid_request_error" if self.status < 500 else "server_error"

    def body(self) -> bytes:
        return error_body(self.message, self.kind, self.code, self.param)


def error_body(message: str, kind: str, code: str, param: str | None = None) -> bytes:
    """`{"error": …}` as OpenAI shapes it."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


@dataclass(frozen=True, slots=True)
class Operation:
    """One path that models serve. `name` is OpenTelemetry's `gen_ai.operation.name`; `text` names the field
    that the prompt is in: a string or an array; with `turns` an array that is not empty; empty = none is looked at.
    What is within it the engine checks. Without `tasks` any engine may have it or not. `engine_path`: where engines
    serve it, if that is another; `free`: it costs nobody tokens."""

    path: str
    name: str
    tasks: tuple[Task, ...]
    decoder: msgspec.json.Decoder[Call]
    text: str = ""
    turns: bool = False
    engine_path: str = ""
    free: bool = False

    @property
    def known(self) -> bool:
        return bool(self.tasks)


OPERATIONS: Final = {
    operation.path: operation
    for operation in (
        Operation(
            "/v1/chat/completions",
            "chat",
            ("chat",),
            msgspec.json.Decoder(ChatCall),
            "messages",
            turns=True,
        ),
        Operation(
            "/v1/completions",
            "text_completion",
            ("chat", "completion"),
            msgspec.json.Decoder(CompletionCall),
            "prompt",
        ),
        Operation("/v1/embeddings", "embeddings", ("embedding",), msgspec.json.Decoder(EmbeddingCall), "input"),
    )
}


_OTHER: Final[msgspec.json.Decoder[Call]] = msgspec.json.Decoder(OtherCall)
_CHAT: Final = OPERATIONS["/v1/chat/completions"]
_COUNT: Final = "/v1/messages/count_tokens"

MESSAGES: Final = replace(_CHAT, path="/v1/messages", name="messages", engine_path=_CHAT.path)
"""Anthropic's Messages API: its calls become chat calls before anything reads them (wire.anthropic)."""

COUNTS: Final = tuple(
    Operation(_COUNT, "count_tokens", _CHAT.tasks, _OTHER, engine_path=path, free=True)
    for path in ("/tokenize", "/v1/chat/completions/input_tokens")
)
"""Ways to count a chat's tokens: vLLM's, llama.cpp's."""

_WORD: Final = re.compile(r"/v1/[A-Za-z][A-Za-z0-9_-]*(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_.-]+)*")
_LONGEST_PATH: Final = 128


def other_operation(path: str) -> Operation | None:
    """Whatever else engines serve under /v1 by a model's name: responses, rerank, score, audio/speech, …"""
    if len(path) > _LONGEST_PATH or not _WORD.fullmatch(path):
        return None  # it goes into a request line as it is: no byte of it may be anything but a path's
    return Operation(path, OTHER, (), _OTHER, engine_path=_UNVERSIONED.get(path, ""))


_UNVERSIONED: Final = {f"/v1/{name}": f"/{name}" for name in ("tokenize", "detokenize")}
"""Engines serve these without a version, all of them."""


def read_call(operation: Operation, body: bytes, content_type: bytes = b"") -> Call | Refusal:
    """What the caller asks for, or why it cannot be read. Forms (multipart) are read for what is not `known`."""
    if not operation.known and (boundary := boundary_of(content_type)):
        return _read_form(body, boundary)
    try:
        call = operation.decoder.decode(body)
    except msgspec.ValidationError as error:
        return mistyped(str(error))
    except RecursionError:
        return Refusal(400, "invalid_json", "The body is nested too deeply.")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Refusal(400, "invalid_json", f"The body is not valid JSON: {error}.")
    if operation.text and (wrong := _misformed(operation, memoryview(getattr(call, operation.text)))):
        return Refusal(400, "invalid_type", f"{operation.text}: expected {wrong}", operation.text)
    return call


def _read_form(body: bytes, boundary: bytes) -> Call | Refusal:
    name = field(body, boundary, "model")
    if name is None:
        return Refusal(400, "missing_field", "model: this field of the form is required", "model")
    return OtherCall(model=name, stream=field(body, boundary, "stream") == "true")


def _misformed(operation: Operation, text: memoryview) -> str:
    """What the text of a call should have been; empty when it is that."""
    if not operation.turns:
        return "" if text[0] in b'"[' else "a string or an array"
    empty = len(text) < 64 and not bytes(text[1:-1]).strip()
    return "" if text[0] == ord("[") and not empty else "an array of at least one message"


_MISSING: Final = re.compile(r"Object missing required field `([^`]+)`")
_AT: Final = re.compile(r" - at `\$\.?([^`]*)`$")


def mistyped(text: str) -> Refusal:
    """msgspec's message, said with the field first: `messages[0].role: expected str, got int`."""
    place = _AT.search(text)
    field = place[1] if place else ""
    if missing := _MISSING.match(text):
        field = f"{field}.{missing[1]}" if field else missing[1]
        return Refusal(400, "missing_field", f"{field}: this field is required", field)
    what = _AT.sub("", text).replace("`", "")
    message = f"{field or 'the body'}: {what[:1].lower()}{what[1:]}"
    return Refusal(400, "invalid_type", message, field or None)


def model_not_found(name: str, known: Iterable[str]) -> Refusal:
    names = sorted(known)
    near = difflib.get_close_matches(name[:200], names, n=1)
    if near:
        rest = f"Did you mean {near[0]!r}?"
    elif names:
        rest = f"Served here: {', '.join(names[:20])}{', …' if len(names) > 20 else ''}."
    else:
        rest = "No model is served here yet."
    return Refusal(404, "model_not_found", f"The model {name[:200]!r} does not exist. {rest}", "model")


def wrong_operation(model: str, task: Task, path: str) -> Refusal:
    paths = " or ".join(other.path for other in OPERATIONS.values() if task in other.tasks)
    message = f"The model {model!r} ({task}) does not serve {path}; use {paths}."
    return Refusal(404, "wrong_endpoint", message, "model")


def with_model(body: bytes, name: str, content_type: bytes = b"") -> bytes | Refusal:
    """The same call under another model name; every other value keeps its bytes."""
    if boundary := boundary_of(content_type):
        return with_field(body, boundary, "model", name)
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Refusal(400, "invalid_json", f"The body is not valid JSON: {error}.")
    fields["model"] = msgspec.Raw(msgspec.json.encode(name))
    return msgspec.json.encode(fields)


def with_fields(body: bytes, **fields: Any) -> bytes | Refusal:
    """The same call with these fields set: new ones behind the last one, so that every other byte stays."""
    fresh = {name: value for name, value in fields.items() if b'"%b"' % name.encode() not in body}
    if len(fresh) == len(fields):
        end = body.rfind(b"}")
        added = msgspec.json.encode(fresh)[1:-1]
        return body[:end] + (b"," + added if added else b"") + body[end:]
    try:
        known = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Refusal(400, "invalid_json", f"The body is not valid JSON: {error}.")
    known.update({name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()})
    return msgspec.json.encode(known)


def is_error_body(body: bytes) -> bool:
    """Whether an engine's answer is already shaped as an OpenAI error."""
    try:
        msgspec.json.decode(body, type=ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
