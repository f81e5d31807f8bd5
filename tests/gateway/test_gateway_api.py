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
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n"
    head += b"connection: close\r\n\r\n"
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\nx-trailer: 1\r\n\r\n"
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        assert Answer.parse(await raw(here.port, head, pieces)).status == 200
        assert here.worker.gateway.bodies.held == 0
    assert one.asked[0].body == body
    assert one.asked[0].headers["content-length"] == str(len(body))


# operations that only engines know
