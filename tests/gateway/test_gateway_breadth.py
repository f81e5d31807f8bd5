"""What engines serve beside chat, asked by the official openai client: responses, ranks, tokens, audio, images."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from headway.gateway.table import TenantRule
from tests.gateway.conftest import Start
from tests.support.gateway import (
    DONE,
    STREAM_HEAD,
    GatewayProcess,
    Here,
    answers,
    ask,
    chunked,
    endpoint,
    eventually,
    gateway_here,
    key_for,
    route,
    sends,
)
from tests.support.mock_engine import Engines, engines

WAV = bytes(range(256)) * 40
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}


@pytest.fixture
async def mock() -> AsyncIterator[Engines]:
    async with engines("--alias", "chat") as running:
        yield running


@pytest.fixture
async def here(tmp_path: Path, mock: Engines) -> AsyncIterator[Here]:
    async with gateway_here(tmp_path, route(endpoint(mock.url))) as running:
        yield running


def client_of(url: str, key: str = "unused") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=30)


async def test_responses_whole_and_streamed(here: Here) -> None:
    async with client_of(here.url) as client:
        whole = await client.responses.create(model="chat", input="Hello", max_output_tokens=8)
        stream = await client.responses.create(model="chat", input="Hello", max_output_tokens=8, stream=True)
        events = [each async for each in stream]
        called = await client.responses.create(model="chat", input="call the tool", tools=[TOOL])
    assert whole.output_text
    assert "".join(each.delta for each in events if each.type == "response.output_text.delta") == whole.output_text
    assert events[-1].type == "response.incomplete"  # eight tokens and no more: its own last word
    assert called.output[0].type == "function_call"
    assert json.loads(called.output[0].arguments) == {"city": "text"}
    for record in here.records():
        assert (record.path, record.status, record.error) == ("/v1/responses", 200, "")
    assert [each.completion_tokens for each in here.records()][:2] == [8, 8]
    assert here.records()[0].prompt_tokens == whole.usage.input_tokens if whole.usage else False
    assert here.records()[1].cached_tokens is not None


@pytest.mark.parametrize("stream", [False, True])
async def test_responses_are_charged_as_they_say(tmp_path: Path, mock: Engines, stream: bool) -> None:
    key, entry = key_for("acme")
    rule = TenantRule("acme", day_tokens=500)
    live = GatewayProcess(tmp_path, route(endpoint(mock.url)), tenants=(rule,), keys=(entry,))
    try:
        async with client_of(f"http://127.0.0.1:{live.port}/v1", key) as client:
            for _ in range(2):
                asked: dict[str, Any] = {"model": "chat", "input": "Hello", "max_output_tokens": 100}
                if stream:
                    assert [each async for each in await client.responses.create(**asked, stream=True)]
                else:
                    await client.responses.create(**asked)
            with pytest.raises(openai.RateLimitError):  # what it may write is reserved
                await client.responses.create(model="chat", input="Hello", max_output_tokens=300)
        spent = (await mock.json("/mock/totals"))["finished"]

        def charged() -> int:
            with contextlib.closing(sqlite3.connect(live.socket.with_suffix(".ledger"))) as database:
                query = "SELECT tokens FROM accounts WHERE tenant = 'acme' AND period = 'day'"
                return int((database.execute(query).fetchone() or (0,))[0])

        await eventually(lambda: charged() == spent["prompt_tokens"] + spent["completion_tokens"] > 200)
    finally:
        live.stop()


async def test_ranks_scores_and_tokens(here: Here) -> None:
    async with client_of(here.url) as client:

        async def post(path: str, **body: Any) -> dict[str, Any]:
            return await client.post(path, body={"model": "chat", **body}, cast_to=dict[str, Any])

        ranked = await post("/rerank", query="red fox", documents=["a blue bird", "the red fox"])
        assert [each["index"] for each in ranked["results"]] == [1, 0]
        scored = await post("/score", text_1="red fox", text_2=["red fox", "x"])
        assert [each["score"] for each in scored["data"]] == [1.0, 0.0]
        tokens = await post("/tokenize", prompt="Hello you")
        assert tokens["count"] == 3
        assert (await post("/detokenize", tokens=tokens["tokens"]))["prompt"] == "Hello you"
    assert {each.path for each in here.records()} == {"/v1/rerank", "/v1/score", "/v1/tokenize", "/v1/detokenize"}


async def test_audio_in_and_out(tmp_path: Path, engine: Start) -> None:
    spent = {"type": "tokens", "input_tokens": 14, "output_tokens": 2, "total_tokens": 16}
    whole = {"type": "transcript.text.done", "text": "Hello", "usage": spent}
    words = [
        b'data: {"type":"transcript.text.delta","delta":"Hel"}\n\n',
        b"data: " + json.dumps(whole).encode() + b"\n\n",
    ]
    one = await engine(
        answers(b'{"text":"Hello","usage":{"type":"duration","seconds":1}}'),
        sends(STREAM_HEAD, *map(chunked, words), b"0\r\n\r\n"),
        sends(STREAM_HEAD, chunked(words[0]), b"0\r\n\r\n"),
        answers(WAV * 200, kind="audio/wav"),
    )
    target = endpoint(one.url, upstream_model="whisper-large")
    async with gateway_here(tmp_path, route(target, name="whisper")) as here, client_of(here.url) as client:
        file = ("speech.wav", WAV, "audio/wav")
        heard = await client.audio.transcriptions.create(model="whisper", file=file, language="en")
        assert heard.text == "Hello"
        stream = await client.audio.transcriptions.create(model="whisper", file=file, stream=True)
        assert [each.type async for each in stream] == ["transcript.text.delta", "transcript.text.done"]
        assert (here.last.stream, here.last.error, here.last.completion_tokens) == (True, "", 2)
        again = await client.audio.transcriptions.create(model="whisper", file=file, stream=True)
        assert [each.type async for each in again] == ["transcript.text.delta"], "it may end as it likes"
        async with client.audio.speech.with_streaming_response.create(
            model="whisper", voice="alloy", input="Hello"
        ) as spoken:
            assert spoken.headers["content-type"] == "audio/wav"
            assert b"".join([piece async for piece in spoken.iter_bytes()]) == WAV * 200
    form = one.asked[0]
    assert form.line == "POST /v1/audio/transcriptions HTTP/1.1"
    assert form.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert WAV in form.body
    assert b"whisper-large" in form.body
    assert one.asked[3].json["model"] == "whisper-large"


async def test_a_stream_that_breaks_off_is_visibly_broken(tmp_path: Path, engine: Start) -> None:
    said = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"Hel"}\n\n'
    one = await engine(sends(STREAM_HEAD, chunked(said)))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here:
        answer = await ask(here.port, "/v1/responses", body=b'{"model":"chat","input":"x","stream":true}')
        assert answer.body.startswith(said)
        assert answer.body.endswith(b"\n\n")
        assert b'"engine_failed"' in answer.body
        assert here.last.error == "engine_failed"


async def test_images_and_moderations(tmp_path: Path, engine: Start) -> None:
    image = b'{"created":1,"data":[{"b64_json":"iVBORw0="}]}'
    partial = b'event: image_generation.completed\ndata: {"type":"image_generation.completed","b64_json":"iVBO"}\n\n'
    judged = b'{"id":"m","model":"guard","results":[{"flagged":true,"categories":{},"category_scores":{}}]}'
    one = await engine(
        answers(image),
        answers(image),
        sends(STREAM_HEAD, chunked(partial), chunked(DONE), b"0\r\n\r\n"),
        answers(judged),
    )
    async with gateway_here(tmp_path, route(endpoint(one.url), name="flux")) as here, client_of(here.url) as client:
        made = await client.images.generate(model="flux", prompt="A fox")
        assert made.data
        assert made.data[0].b64_json == "iVBORw0="
        changed = await client.images.edit(model="flux", prompt="Red", image=("a.png", WAV, "image/png"))
        assert changed.data
        stream = await client.images.generate(model="flux", prompt="A fox", stream=True)
        assert [each.type async for each in stream] == ["image_generation.completed"]
        assert (await client.moderations.create(model="flux", input="x")).results[0].flagged
    paths = ["/v1/images/generations", "/v1/images/edits", "/v1/images/generations", "/v1/moderations"]
    assert [each.line.split()[1] for each in one.asked] == paths


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_an_engine_that_has_it_not(tmp_path: Path, engine: Start, status: int) -> None:
    one = await engine(answers(b'{"detail":"Not Found"}', status))
    async with gateway_here(tmp_path, route(endpoint(one.url))) as here, client_of(here.url) as client:
        with pytest.raises(openai.NotFoundError) as missing:
            await client.images.generate(model="chat", prompt="A fox")
        assert missing.value.code == "wrong_endpoint"
        assert "(chat) does not serve /v1/images/generations; use /v1/chat/completions" in missing.value.message
        assert (here.last.status, here.last.error) == (404, "wrong_endpoint")
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.audio.transcriptions.create(model="whisper", file=("a.wav", WAV, "audio/wav"))
        assert unknown.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError) as nameless:
            await client.moderations.create(input="x")
        assert (nameless.value.code, nameless.value.param) == ("missing_field", "model")
