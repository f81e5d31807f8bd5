"""A real llama-server behind the gateway, asked by the official client, in all its ways."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.support.gateway import eventually
from tests.support.real_engine import Real, real_gateway

QUESTION: Any = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    with real_gateway(tmp_path_factory.mktemp("real")) as running:
        yield running


def client_of(base_url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=base_url, api_key="unused", max_retries=0)


def test_the_answer_is_the_engines_own(real: Real) -> None:
    texts = []
    for base_url in (real.engine_url + "/v1", real.engine_url + "/v1", real.base_url):
        with client_of(base_url) as client:
            answer = client.chat.completions.create(model="chat", messages=QUESTION, max_tokens=24, temperature=0)
            assert answer.usage
            assert answer.usage.prompt_tokens > 10
            texts.append(answer.choices[0].message.content)
    assert texts[2] in texts[:2]  # an engine itself may differ by a word once it has the prompt in its cache
    assert texts[0]


def test_completions_and_models(real: Real) -> None:
    with client_of(real.base_url) as client:
        answer = client.completions.create(model="chat", prompt="The capital of France is", max_tokens=4, temperature=0)
        assert "Paris" in answer.choices[0].text
        assert [model.id for model in client.models.list()] == ["chat"]
        assert client.models.retrieve("chat").owned_by == "headway"


def test_a_stream_says_what_a_whole_answer_says(real: Real) -> None:
    with client_of(real.base_url) as client:
        whole = client.chat.completions.create(model="chat", messages=QUESTION, max_tokens=24, temperature=0)
        stream = client.chat.completions.create(
            model="chat",
            messages=QUESTION,
            max_tokens=24,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage
    record = asyncio.run(real.gateway.records()).records[-1]
    assert (record.stream, record.completion_tokens) == (True, chunks[-1].usage.completion_tokens)
    assert record.prompt_tokens == chunks[-1].usage.prompt_tokens
    assert record.ttft is not None


async def test_responses_and_tokens(real: Real) -> None:
    asked: Any = {"model": "chat", "input": "What is the capital of France?", "max_output_tokens": 16, "temperature": 0}
    async with openai.AsyncOpenAI(base_url=real.base_url, api_key="unused", max_retries=0) as client:
        whole = await client.responses.create(**asked)
        events = [each async for each in await client.responses.create(**asked, stream=True)]
        tokens = await client.post("/tokenize", body={"model": "chat", "content": "Hello"}, cast_to=dict[str, Any])
    assert "".join(each.delta for each in events if each.type == "response.output_text.delta") == whole.output_text
    assert len(tokens["tokens"]) >= 1
    one, two = (await real.gateway.records()).records[-3:-1]
    assert (one.error, two.error) == ("", "")
    assert whole.usage
    assert (one.prompt_tokens, one.completion_tokens) == (whole.usage.input_tokens, whole.usage.output_tokens)
    assert two.completion_tokens == one.completion_tokens


async def test_many_at_once_async(real: Real) -> None:
    async with openai.AsyncOpenAI(base_url=real.base_url, api_key="unused") as client:

        async def one(n: int) -> str:
            if n % 2:
                answer = await client.completions.create(model="chat", prompt=f"{n} plus", max_tokens=8)
                return answer.choices[0].text
            stream = await client.chat.completions.create(
                model="chat",
                messages=QUESTION,
                max_tokens=8,
                stream=True,
            )
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

        assert all(await asyncio.gather(*(one(n) for n in range(12))))


def test_errors_reach_the_client_as_its_own_kinds(real: Real) -> None:
    with client_of(real.base_url) as client:
        with pytest.raises(openai.NotFoundError) as missing:
            client.chat.completions.create(model="chad", messages=QUESTION, max_tokens=1)
        assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
        assert "Did you mean 'chat'" in missing.value.message
        with pytest.raises(openai.NotFoundError) as wrong:
            client.embeddings.create(model="chat", input="x")
        assert wrong.value.code == "wrong_endpoint"
        with pytest.raises(openai.BadRequestError) as field:
            client.chat.completions.create(model="chat", messages="x")
        assert field.value.param == "messages"
        with pytest.raises(openai.BadRequestError) as engines:  # llama-server's own, passed on
            client.chat.completions.create(
                model="chat", messages=[{"role": "user", "content": "x " * 9000}], max_tokens=1
            )
        assert "context" in engines.value.message


async def test_the_engine_stops_when_the_client_leaves(real: Real) -> None:
    async with openai.AsyncOpenAI(base_url=real.base_url, api_key="unused") as client:
        stream = await client.chat.completions.create(
            model="chat",
            messages=[{"role": "user", "content": "Count from 1 to 2000."}],
            max_tokens=2000,
            stream=True,
            extra_body={"ignore_eos": True},
        )
        async for _ in stream:
            break
        await stream.close()

    async def stopped() -> bool:
        stats = await real.gateway.stats()
        return stats.running == 0 and stats.endpoints[0].running == 0

    await eventually(stopped)
    last = (await real.gateway.records()).records[-1]
    assert (last.status, last.error) == (499, "client_closed")
    await eventually(lambda: asyncio.to_thread(real.idle), deadline=15)
