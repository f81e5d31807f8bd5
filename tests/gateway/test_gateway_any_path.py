"""Any path goes to the engines of its model: forms, paths of engines, models that are asked in turn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.gateway.conftest import Start
from tests.support.gateway import (
    answers,
    ask,
    endpoint,
    gateway_here,
    route,
)


def call(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


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
