"""The official anthropic client against a real llama-server behind the gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.support.gateway import eventually
from tests.support.real_engine import Real, real_gateway

QUESTION: Any = [{"role": "user", "content": "What is the capital of France?"}]
TOOL: Any = {
    "name": "weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    template = Path(__file__).parents[1] / "support" / "tools.jinja"  # the model's own knows no tools
    with real_gateway(tmp_path_factory.mktemp("messages"), "--jinja", "--chat-template-file", str(template)) as running:
        yield running


def client_of(real: Real) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=real.url, api_key="unused", max_retries=0)


def chat_text(real: Real) -> str:
    """What the engine says to the same as a chat."""
    turns: Any = [{"role": "system", "content": "You are a teacher."}, *QUESTION]
    with openai.OpenAI(base_url=f"{real.engine_url}/v1", api_key="unused") as client:
        said = client.chat.completions.create(model="chat", messages=turns, max_tokens=24, temperature=0)
    return said.choices[0].message.content or ""


def test_a_message_and_the_stream_of_it(real: Real) -> None:
    asked: Any = {"model": "chat", "max_tokens": 24, "messages": QUESTION, "extra_body": {"temperature": 0}}
    expected = chat_text(real)  # which leaves the prompt in the engine's cache, as it will be for the others
    with client_of(real) as client:
        client.messages.create(**asked, system="You are a teacher.")
        whole = client.messages.create(**asked, system="You are a teacher.")
        with client.messages.stream(**asked, system="You are a teacher.") as stream:
            text = "".join(stream.text_stream)
            last = stream.get_final_message()
    (block,) = whole.content
    assert block.type == "text"
    assert block.text == text != ""
    assert text in (expected, chat_text(real))
    assert whole.stop_reason == last.stop_reason
    assert last.usage.output_tokens == whole.usage.output_tokens > 1
    read = [each.usage.input_tokens + (each.usage.cache_read_input_tokens or 0) for each in (whole, last)]
    assert read[0] == read[1] > 10
    assert last.usage.cache_read_input_tokens, "the second one finds the prompt of the first"
    record = asyncio.run(real.gateway.records()).records[-1]
    assert (record.path, record.stream, record.completion_tokens) == ("/v1/messages", True, last.usage.output_tokens)
    assert record.ttft is not None


def test_tokens_are_counted_as_they_are_read(real: Real) -> None:
    with client_of(real) as client:
        counted = client.messages.count_tokens(model="chat", messages=QUESTION, system="You are a teacher.")
        asked = client.messages.create(model="chat", max_tokens=1, messages=QUESTION, system="You are a teacher.")
    assert counted.input_tokens == asked.usage.input_tokens + (asked.usage.cache_read_input_tokens or 0)


def test_it_goes_on_with_what_was_begun(real: Real) -> None:
    begun: Any = [*QUESTION, {"role": "assistant", "content": "The capital of France is"}]
    with client_of(real) as client:
        said = client.messages.create(model="chat", max_tokens=6, messages=begun, extra_body={"temperature": 0})
    assert said.content[0].type == "text"
    assert "Paris" in said.content[0].text
    assert "capital of France" not in said.content[0].text


def use(ident: str, city: str) -> Any:
    return {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": ident, "name": "weather", "input": {"city": city}}],
    }


def result(ident: str, *more: str) -> Any:
    blocks: list[Any] = [{"type": "tool_result", "tool_use_id": ident, "content": '{"sky": "clear"}'}]
    return {"role": "user", "content": blocks + [{"type": "text", "text": text} for text in more]}


SHOWN: Any = [{"role": "user", "content": "How is the weather in Rome?"}]
for number, (city, following) in enumerate(pairwise(["Rome", "Oslo", "Lima", "Cairo", "Paris"])):
    SHOWN += [use(f"c{number}", city), result(f"c{number}", f"How is the weather in {following}?")]
"""Each question was answered by a call, so that a model this small makes another one."""


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_and_its_result_read(real: Real, stream: bool) -> None:
    asked: Any = {"model": "chat", "max_tokens": 100, "tools": [TOOL], "extra_body": {"temperature": 0}}
    choice: Any = {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    with client_of(real) as client:
        if stream:
            with client.messages.stream(**asked, messages=SHOWN, tool_choice=choice) as events:
                said: anthropic.types.Message = events.get_final_message()
        else:
            said = client.messages.create(**asked, messages=SHOWN, tool_choice=choice)
        (call,) = [block for block in said.content if block.type == "tool_use"]
        assert (said.stop_reason, call.name, call.input) == ("tool_use", "weather", {"city": "Paris"})
        turns = [*SHOWN, {"role": "assistant", "content": said.content}, result(call.id)]
        after = client.messages.create(**asked, messages=turns, tool_choice={"type": "none"})
    assert after.content
    assert after.stop_reason in ("end_turn", "max_tokens")


def test_an_answer_of_a_schema(real: Real) -> None:
    schema = TOOL["input_schema"]
    with client_of(real) as client:
        said = client.messages.create(
            model="chat",
            max_tokens=60,
            messages=[{"role": "user", "content": "Name a city, as JSON."}],
            output_config={"format": {"type": "json_schema", "schema": schema}},
        )
    assert said.content[0].type == "text"
    assert isinstance(json.loads(said.content[0].text)["city"], str)


def test_errors_are_of_the_clients_own_kinds(real: Real) -> None:
    with client_of(real) as client:
        with pytest.raises(anthropic.NotFoundError) as missing:
            client.messages.create(model="chad", max_tokens=1, messages=QUESTION)
        assert missing.value.error_code == "model_not_found"
        with pytest.raises(anthropic.BadRequestError) as long:
            client.messages.create(model="chat", max_tokens=1, messages=[{"role": "user", "content": "x " * 9000}])
        assert str(long.value.api_message).startswith("prompt is too long: ")


async def test_the_engine_stops_when_the_caller_leaves(real: Real) -> None:
    async with anthropic.AsyncAnthropic(base_url=real.url, api_key="unused") as client:
        asked: Any = [{"role": "user", "content": "Count from 1 to 2000."}]
        stream = await client.messages.create(
            model="chat", max_tokens=2000, messages=asked, stream=True, extra_body={"ignore_eos": True}
        )
        async for event in stream:
            if event.type == "content_block_delta":
                break
        await stream.close()

    async def stopped() -> bool:
        return (await real.gateway.stats()).running == 0

    await eventually(stopped)
    last = (await real.gateway.records()).records[-1]
    assert (last.status, last.error) == (499, "client_closed")
    await eventually(lambda: asyncio.to_thread(real.idle), deadline=15)
