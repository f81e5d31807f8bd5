"""Paths, methods, errors, headers: what a caller of the OpenAI API may count on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import Start
from tests.support.gateway import (
    CHAT,
    Answer,
    GatewayProcess,
    answers,
    ask,
    chat_body,
    completion,
    endpoint,
    eventually,
    gateway_here,
    raw,
    request_bytes,
    route,
)


def call_bytes(**fields: Any) -> bytes:
    return json.dumps({"model": "chat", **fields}).encode()


async def test_a_completion_passes_untouched_and_is_recorded(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers(headers="x-engine: 1\r\nserver: llama\r\nset-cookie: a=b\r\n"))
    body = b'{"model" : "chat",  "messages":[{"role":"user","content":"\\u00e9"}], "odd": 1e400}'
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        secret = [
            "authorization: Bearer caller",
            "cookie: a=b",
            "x-request-id: abc-1",
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ]
        answer = await ask(here.port, body=body, headers=secret)
        assert answer.status == 200
        assert answer.body == completion()
        assert answer.headers["x-engine"] == "1"
        assert answer.headers["x-request-id"] == "abc-1"
        assert answer.headers["x-headway-replica"] == "chat-0"
        assert "date" in answer.headers
        assert not {"server", "set-cookie"} & set(answer.headers)
        record = here.last
    asked = one.asked[0]
    assert asked.body == body
    assert asked.line == "POST /v1/chat/completions HTTP/1.1"
    assert asked.headers["x-request-id"] == "abc-1"
    assert asked.headers["traceparent"] == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert not {"authorization", "cookie"} & set(asked.headers)
    assert (record.status, record.error, record.id, record.model) == (200, "", "abc-1", "chat")
    assert (record.prompt_tokens, record.cached_tokens, record.completion_tokens) == (7, 2, 3)
    assert [(a.endpoint, a.failure, a.why) for a in record.attempts] == [("chat-0.1", "", "only_one")]


async def test_upstream_model_and_key(tmp_path: Path, engine: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_SECRET_CLOUD_KEY", "sk-1")
    one = await engine(answers())
    target = endpoint(one.url + "/api", upstream_model="big/model", key="secret:cloud/key")
    async with gateway_here(tmp_path, route(target)) as here:
        body = b'{"model":"chat","messages":[{"role":"user","content":"\\u00e9"}],"seed":12345678901234567890}'
        assert (await ask(here.port, body=body)).status == 200
        odd = body[:-1] + b',"\xff":1}'
        refused = await ask(here.port, body=odd)
        assert (refused.status, refused.error["code"]) == (400, "invalid_json")
        assert here.stats().endpoints[0].running == 0
    asked = one.asked[0]
    assert asked.line.startswith("POST /api/v1/chat/completions ")
    assert asked.headers["authorization"] == "Bearer sk-1"
    assert asked.body == body.replace(b'"chat"', b'"big/model"', 1)


async def test_a_missing_secret_leaves_the_endpoint_out_until_it_is_there(
    tmp_path: Path, engine: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_STATE_DIR", str(tmp_path / "state"))
    one = await engine(answers())
    live = GatewayProcess(tmp_path, route(endpoint(one.url, key="secret:cloud/key")))
    try:
        answer = await ask(live.port)
        assert answer.status == 503
        assert "cannot be used" in answer.error["message"]
        await eventually(lambda: "HEADWAY_SECRET_CLOUD_KEY" in live.log.read_text())
        secret = tmp_path / "state/secrets/cloud/key"
        secret.parent.mkdir(parents=True)
        secret.write_text("sk-2")  # found within a second, with no change of the table

        async def it_answers() -> bool:
            return (await ask(live.port)).status == 200

        await eventually(it_answers)
    finally:
        live.stop()
    assert one.asked[0].headers["authorization"] == "Bearer sk-2"
    assert live.log.read_text().count("HEADWAY_SECRET_CLOUD_KEY") == 1


OTHER_CALLS = [
    ("/v1/completions", "completion", call_bytes(prompt="x")),
    ("/v1/completions", "completion", call_bytes(prompt=[[1, 2], [3]])),
    ("/v1/completions", "chat", call_bytes(prompt=["a", "b"], max_tokens=None, n=1, temperature=0)),
    ("/v1/embeddings", "embedding", call_bytes(input="x")),
    ("/v1/embeddings", "embedding", call_bytes(input=["a", "b"], encoding_format="base64")),
]


@pytest.mark.parametrize(("path", "task", "body"), OTHER_CALLS)
async def test_the_other_operations(tmp_path: Path, engine: Start, path: str, task: str, body: bytes) -> None:
    one = await engine(answers())
    async with gateway_here(tmp_path, route(endpoint(one.url), task=task)) as here:
        assert (await ask(here.port, path, body=body)).status == 200
        assert here.last.path == path
    assert one.asked[0].line == f"POST {path} HTTP/1.1"
    assert one.asked[0].body == body


async def test_models(tmp_path: Path) -> None:
    models = route(name="a", created=5), route(name="org/b", task="embedding")
    async with gateway_here(tmp_path, *models) as here:
        listed = await ask(here.port, "/v1/models", "GET")
        assert [m["id"] for m in listed.json["data"]] == ["a", "org/b"]
        assert listed.json["object"] == "list"
        shown = {"id": "a", "object": "model", "created": 5, "owned_by": "headway"}
        assert (await ask(here.port, "/v1/models/a", "GET")).json == shown
        assert (await ask(here.port, "/v1/models/org%2Fb", "GET")).json["id"] == "org/b"
        assert (await ask(here.port, "/v1/models/org/b", "GET")).json["id"] == "org/b"
        missing = await ask(here.port, "/v1/models/c", "GET")
        assert (missing.status, missing.error["code"]) == (404, "model_not_found")
        head = await ask(here.port, "/v1/models", "HEAD")
        assert (head.status, head.body, head.rest) == (200, b"", b"")
        assert int(head.headers["content-length"]) == len(listed.body)


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


async def test_health_readiness_and_metrics(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        assert (await ask(here.port, "/healthz", "GET")).body == b"ok\n"
        assert (await ask(here.port, "/readyz", "GET")).status == 200
        await ask(here.port)
        await ask(here.port, model="../../etc")
        text = (await ask(here.port, "/metrics", "GET")).body.decode()
    labels = 'model="chat",operation="chat"'
    assert f'headway_gateway_requests_total{{{labels},status="200"}} 1.0' in text
    assert 'headway_gateway_requests_total{model="",operation="chat",status="404"} 1.0' in text
    assert f'headway_gateway_request_duration_seconds_bucket{{le="81.92",{labels}}} 1.0' in text
    assert f'headway_gateway_tokens_total{{{labels},type="output"}} 3.0' in text
    assert 'headway_gateway_requests_waiting{model="chat"} 0.0' in text
    assert "etc" not in text
    assert "process_resident_memory_bytes" in text


async def test_not_ready_before_a_table_was_read(tmp_path: Path) -> None:
    async with gateway_here(tmp_path, route()) as here:
        here.worker.gateway.catalog.ready = False
        answer = await ask(here.port, "/readyz", "GET")
        assert (answer.status, answer.error["code"]) == (503, "not_ready")
        assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:8485", "http://localhost"])
async def test_pages_of_this_machine_may_call(tmp_path: Path, origin: str) -> None:
    async with gateway_here(tmp_path, route()) as here:
        asked = [f"origin: {origin}", "access-control-request-method: POST"]
        asked.append("access-control-request-headers: authorization,content-type")
        preflight = await ask(here.port, CHAT, "OPTIONS", headers=asked)
        assert preflight.status == 204
        assert "content-length" not in preflight.headers
        assert preflight.headers["access-control-allow-origin"] == origin
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert preflight.headers["access-control-allow-headers"] == "authorization,content-type"
        answer = await ask(here.port, "/v1/models", "GET", headers=[f"origin: {origin}"])
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["vary"] == "origin"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost.evil.example", "http://127.0.0.1:80@evil", "null"]
)
async def test_other_pages_may_not(tmp_path: Path, origin: str) -> None:
    async with gateway_here(tmp_path, route()) as here:
        for method, path in (("OPTIONS", CHAT), ("GET", "/v1/models")):
            answer = await ask(here.port, path, method, headers=[f"origin: {origin}"])
            assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_an_odd_request_id_is_replaced(tmp_path: Path) -> None:
    async with gateway_here(tmp_path, route()) as here:
        for given in ("a b", "x" * 200, 'a"b', "é"):
            answer = await ask(here.port, "/healthz", "GET", headers=[f"x-request-id: {given}"])
            assert answer.headers["x-request-id"].startswith("req-")


async def test_errors_of_an_engine_keep_or_get_the_shape(tmp_path: Path, engine: Start) -> None:
    shaped = b'{"error":{"message":"too long","type":"invalid_request_error","param":null,"code":"x"}}'
    one = await engine(
        answers(shaped, 400),
        answers(b"<h1>boom</h1>", 500, kind="text/html"),
        answers(b'{"detail":"nope"}', 422),
        answers(b"", 429, headers="retry-after: 7\r\n"),
    )
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        first = await ask(here.port)
        assert (first.status, first.body) == (400, shaped)
        second = await ask(here.port)
        assert second.status == 500
        assert second.error["message"] == "<h1>boom</h1>"
        assert second.headers["content-type"] == "application/json"
        third = await ask(here.port)
        assert (third.status, third.error["message"]) == (422, '{"detail":"nope"}')
        fourth = await ask(here.port)
        assert (fourth.status, fourth.headers["retry-after"]) == (429, "7")
        assert fourth.error["message"] == "The engine answered with status 429."
        assert here.last.error == "engine_error"


async def test_a_refused_key_of_ours_is_not_the_callers_fault(
    tmp_path: Path, engine: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_SECRET_CLOUD_KEY", "sk-secret")
    one = await engine(answers(b'{"error":{"message":"Incorrect API key provided: sk-secret"}}', 401))
    async with gateway_here(tmp_path, route(endpoint(one.url, key="secret:cloud/key"))) as here:
        answer = await ask(here.port)
        assert (answer.status, answer.error["code"]) == (502, "engine_refused_key")
        assert "secret:cloud/key" in answer.error["message"]
        assert b"sk-secret" not in answer.body
        assert here.last.status == 502


async def test_large_answers_are_relayed(tmp_path: Path, engine: Start) -> None:
    big = json.dumps({"data": "x" * 300_000, "usage": {"prompt_tokens": 9}}).encode()
    one = await engine(answers(big))
    async with gateway_here(tmp_path, route(endpoint(one.url)), held_bytes=10_000) as here:
        answer = await ask(here.port)
        assert answer.body == big
        assert here.last.prompt_tokens == 9


async def test_admin_socket_tells_stats_and_records(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    live = GatewayProcess(tmp_path, route(endpoint(one.url)))
    try:
        await ask(live.port)
        await ask(live.port)

        async def admin(path: str) -> Answer:
            reader, writer = await asyncio.open_unix_connection(tmp_path / "g.sock")
            writer.write(request_bytes(path, "GET"))
            data = await reader.read()
            writer.close()
            return Answer.parse(data)

        assert (tmp_path / "g.sock").stat().st_mode & 0o777 == 0o600
        stats = (await admin("/stats")).json
        assert stats["requests_total"] == 2
        assert stats["address"] == f"http://127.0.0.1:{live.port}"
        assert stats["endpoints"] == [{"id": "chat-0.1", "running": 0, "total": 2, "failures": 0}]
        records = (await admin("/records?since=1")).json
        assert [r["seq"] for r in records["records"]] == [2]
        assert records["next"] == 2
        assert (await admin("/records?since=x")).status == 400
        assert (await admin("/nothing")).status == 404
    finally:
        live.stop()
    assert not (tmp_path / "g.sock").exists()


async def test_the_body_may_come_in_chunks(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers())
    body = chat_body()
    head = POST_HEAD + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\nx-trailer: 1\r\n\r\n"
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        assert Answer.parse(await raw(here.port, head, pieces)).status == 200
        assert here.worker.gateway.bodies.held == 0
    assert one.asked[0].body == body
    assert one.asked[0].headers["content-length"] == str(len(body))


# operations that only engines know


def form(model: str = "chat", **files: bytes) -> tuple[str, bytes]:
    parts = [b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n%b\r\n' % model.encode()]
    head = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\n%b\r\n'
    )
    parts[0:0] = [head % data for data in files.values()]
    return 'multipart/form-data; boundary="b"', b"".join(parts) + b"--b--\r\n"


async def test_any_path_goes_to_the_engines_of_its_model(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers(b'{"results":[]}'))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        body = call(model="chat", query="q", documents=["a"])
        answer = await ask(here.port, "/v1/rerank", body=body)
        assert (answer.status, answer.json) == (200, {"results": []})
        assert here.last.path == "/v1/rerank"
    assert (one.asked[0].line, one.asked[0].body) == ("POST /v1/rerank HTTP/1.1", body)
    assert one.asked[0].headers["content-type"] == "application/json"


async def test_a_form_is_routed_by_its_model_and_passed_on_as_it_is(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers(b'{"text":"hello"}'))
    kind, body = form(file=bytes(range(256)) * 2000)
    ends = (endpoint(one.url, "chat-0"), endpoint(one.url, "chat-1", upstream_model="org/whisper"))
    async with gateway_here(tmp_path, route(ends[0]), route(ends[1], name="named")) as here:
        headers = [f"content-type: {kind}"]
        assert (await ask(here.port, "/v1/audio/transcriptions", body=body, headers=headers)).status == 200
        _, other = form("named", file=b"-b--x\r\n")
        assert (await ask(here.port, "/v1/audio/transcriptions", body=other, headers=headers)).status == 200
        _, unknown = form("nobody")
        refused = await ask(here.port, "/v1/audio/transcriptions", body=unknown, headers=headers)
        assert refused.error["code"] == "model_not_found"
        nameless = await ask(here.port, "/v1/audio/transcriptions", body=b"--b--\r\n", headers=headers)
        assert (nameless.status, nameless.error["code"]) == (400, "missing_field")
    assert (one.asked[0].body, one.asked[0].headers["content-type"]) == (body, kind)
    assert one.asked[1].body == other.replace(b"\r\nnamed\r\n", b"\r\norg/whisper\r\n")


async def test_an_operation_that_the_engine_has_not_names_those_of_the_model(tmp_path: Path, engine: Start) -> None:
    one = await engine(answers(b'{"detail":"Not Found"}', 404))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        answer = await ask(here.port, "/v1/images/generations", body=call(model="chat", prompt="a cat"))
        assert (answer.status, answer.error["code"]) == (404, "wrong_endpoint")
        assert "use /v1/chat/completions or /v1/completions" in answer.error["message"]
        for path in ("/v1/", "/v1/../x", "/v1/a//b", "/v2/x", "/v1/models/chat"):
            assert (await ask(here.port, path)).status in (404, 405)
    assert len(one.asked) == 1


async def test_models_that_are_asked_in_turn_use_all_their_endpoints(tmp_path: Path, engine: Start) -> None:
    engines = [await engine(answers()) for _ in range(4)]
    ends = [endpoint(one.url, f"e{number}") for number, one in enumerate(engines)]
    models = [
        route(*ends[:2], name="one", policy="round_robin"),
        route(*ends[2:], name="two", policy="round_robin"),
    ]
    async with gateway_here(tmp_path, *models) as here:
        for name in ("one", "two") * 4:
            assert (await here.ask(model=name)).status == 200
    assert [len(one.asked) for one in engines] == [2, 2, 2, 2]
