"""One command serves real models: the official openai client against every endpoint, real answers."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Iterator

import openai
import pytest

from tests.support.running import Headway

QUESTION = "What is the capital of France?"


@pytest.fixture(scope="module")
def client(serving: Headway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=serving.status("chat")["address"], api_key="unused", max_retries=0) as made:
        yield made


@pytest.fixture
async def aclient(serving: Headway) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=serving.status("chat")["address"], api_key="unused", max_retries=0) as made:
        yield made


def test_ls_and_status_tell_json(serving: Headway) -> None:
    found = {each["name"]: each for each in serving.ls()}
    assert {name: each["state"] for name, each in found.items()} == dict.fromkeys(found, "ready")
    assert {each["task"] for each in found.values()} == {"chat", "completion", "embedding"}
    address = serving.status("chat")["address"]
    assert address == f"http://127.0.0.1:{serving.port}/v1"


def test_headway_chat_answers_sensibly(serving: Headway) -> None:
    done = serving.run("chat", "chat", QUESTION)
    assert done.returncode == 0, done.stderr
    assert "Paris" in done.stdout


def test_models(client: openai.OpenAI, serving: Headway) -> None:
    listed = {each.id for each in client.models.list()}
    assert listed == {each["name"] for each in serving.ls()}
    assert client.models.retrieve("chat").id == "chat"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("no-such-model")
    assert caught.value.code == "model_not_found"


def test_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="chat", messages=[{"role": "user", "content": QUESTION}], max_tokens=24, temperature=0
    )
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.usage
    assert answer.usage.completion_tokens > 0


def test_chat_stream(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="chat",
        messages=[{"role": "user", "content": QUESTION}],
        max_tokens=24,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    pieces = list(stream)
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert "Paris" in text
    assert pieces[-1].usage
    assert pieces[-1].usage.completion_tokens <= 24


async def test_async_chat_and_stream(aclient: openai.AsyncOpenAI) -> None:
    message = {"role": "user", "content": QUESTION}
    answer = await aclient.chat.completions.create(
        model="chat",
        messages=[message],
        max_tokens=24,
        temperature=0,  # type: ignore[list-item]
    )
    stream = await aclient.chat.completions.create(
        model="chat",
        messages=[message],
        max_tokens=24,
        temperature=0,
        stream=True,  # type: ignore[list-item]
    )
    text = "".join([piece.choices[0].delta.content or "" async for piece in stream if piece.choices])
    assert text == answer.choices[0].message.content


def test_completions_of_the_base_model(client: openai.OpenAI) -> None:
    count = "One, two, three, four, five,"
    answer = client.completions.create(model="gemma", prompt=count, max_tokens=6, temperature=0)
    assert answer.choices[0].text.strip().startswith("six, seven")
    pieces = client.completions.create(model="gemma", prompt=count, max_tokens=6, temperature=0, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == answer.choices[0].text


def test_completions_of_the_chat_model(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="chat", prompt="One, two, three,", max_tokens=4, temperature=0)
    assert answer.choices[0].text


def test_a_base_model_does_not_chat(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="/v1/completions"):
        client.chat.completions.create(model="gemma", messages=[{"role": "user", "content": "hello"}])


async def test_embeddings(client: openai.OpenAI, aclient: openai.AsyncOpenAI) -> None:
    texts = ["A cat sits on the mat.", "A kitten rests on a rug.", "The stock market fell today."]
    found = client.embeddings.create(model="embed", input=texts)
    cat, kitten, market = (each.embedding for each in found.data)
    assert len(cat) == 384
    assert _cosine(cat, kitten) > _cosine(cat, market) + 0.2
    again = await aclient.embeddings.create(model="embed", input=texts[0], encoding_format="float")
    assert _cosine(again.data[0].embedding, cat) > 0.9999


def test_a_request_is_explained(serving: Headway, client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="chat", messages=[{"role": "user", "content": "hi"}], max_tokens=4
    )
    request_id = raw.headers["x-request-id"]
    done = serving.run("explain", request_id, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)["story"]["record"]
    assert (record["model"], record["status"], record["completion_tokens"]) == ("chat", 200, 4)
    assert request_id in serving.run("explain", request_id).stdout


def test_a_model_is_explained(serving: Headway) -> None:
    done = serving.run("explain", "chat")
    assert done.returncode == 0, done.stderr
    assert "llamacpp" in done.stdout
    assert "TooFewReplicas" in done.stdout


def _cosine(one: list[float], other: list[float]) -> float:
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))
