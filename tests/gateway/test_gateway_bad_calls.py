"""Calls that are refused: each names its field, its code, and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import (
    CHAT,
    ask,
    gateway_here,
    route,
)

POST_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"


def call(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


MESSAGES = [{"role": "user", "content": "x"}]


BAD_CALLS = [
    (CHAT, b"", 400, "invalid_json", None, "not valid JSON"),
    (CHAT, b"{", 400, "invalid_json", None, "not valid JSON"),
    (CHAT, b"\xff\xfe", 400, "invalid_json", None, "not valid JSON"),
    (CHAT, b"[" * 100_000, 400, "invalid_type", None, "expected object"),
    (CHAT, b'{"a":' * 100_000, 400, "invalid_json", None, "nested"),
    (CHAT, b"[]", 400, "invalid_type", None, "expected object, got array"),
    (CHAT, call(messages=MESSAGES), 400, "missing_field", "model", "required"),
    (CHAT, call(model="chat"), 400, "missing_field", "messages", "required"),
    (CHAT, call(model=3, messages=MESSAGES), 400, "invalid_type", "model", "expected str, got int"),
    (CHAT, call(model="chat", messages="x"), 400, "invalid_type", "messages", "an array of at least one"),
    (CHAT, call(model="chat", messages=[]), 400, "invalid_type", "messages", "an array of at least one"),
    (CHAT, call(model="chat", messages=MESSAGES, stream="y"), 400, "invalid_type", "stream", "bool"),
    (CHAT, call(model="chat", messages=MESSAGES, max_tokens="9"), 400, "invalid_type", "max_tokens", "int"),
    (
        CHAT,
        call(model="chat", messages=MESSAGES, temperature=[]),
        400,
        "invalid_type",
        "temperature",
        "float",
    ),
    (CHAT, call(model="chat", messages=MESSAGES, n=1.5), 400, "invalid_type", "n", "int"),
    ("/v1/completions", call(model="chat"), 400, "missing_field", "prompt", "required"),
    ("/v1/completions", call(model="chat", prompt=3), 400, "invalid_type", "prompt", "string or an array"),
    ("/v1/embeddings", call(model="embed", input={}), 400, "invalid_type", "input", "string or an array"),
    (CHAT, call(model="chap", messages=MESSAGES), 404, "model_not_found", "model", "Did you mean 'chat'"),
    (
        CHAT,
        call(model="zzzzz", messages=MESSAGES),
        404,
        "model_not_found",
        "model",
        "Served here: chat, embed",
    ),
    (CHAT, call(model="embed", messages=MESSAGES), 404, "wrong_endpoint", "model", "use /v1/embeddings"),
    ("/v1/embeddings", call(model="chat", input="x"), 404, "wrong_endpoint", "model", "or /v1/completions"),
]


@pytest.mark.parametrize("case", BAD_CALLS, ids=lambda case: f"{case[3]} {case[4]}")
async def test_a_bad_call_is_refused_with_its_field(
    tmp_path: Path, case: tuple[str, bytes, int, str, str | None, str]
) -> None:
    path, body, status, code, param, says = case
    async with gateway_here(tmp_path, route(), route(name="embed", task="embedding")) as here:
        answer = await ask(here.port, path, body=body)
        assert (answer.status, answer.error["code"], answer.error["param"]) == (status, code, param)
        assert says in answer.error["message"]
        assert answer.error["type"] == "invalid_request_error"
        assert here.last.status == status
        assert here.last.error == code
        assert here.stats().running == 0


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 404, None),
        ("POST", "/chat/completions", 404, None),
        ("GET", CHAT, 405, "POST, OPTIONS"),
        ("DELETE", "/v1/models", 405, "GET, HEAD, OPTIONS"),
        ("POST", "/healthz", 405, "GET, HEAD, OPTIONS"),
        ("PUT", "/v1/models/chat", 405, "GET, HEAD, OPTIONS"),
    ],
)
async def test_unknown_paths_and_methods(
    tmp_path: Path, method: str, path: str, status: int, allow: str | None
) -> None:
    async with gateway_here(tmp_path, route()) as here:
        answer = await ask(here.port, path, method, body=b"")
        assert answer.status == status
        assert answer.headers.get("allow") == allow
        assert answer.error["code"] in ("unknown_url", "method_not_allowed")
