"""The mock engine is a real process with a real port; the official client and each of its faults are tried on
it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import openai
import pytest

from headway.engines import mock_pooling, mock_question, registry
from headway.engines.base import Prepared, Slot
from headway.engines.mock_text import BadRequest
from headway.engines.signals import read_signals
from headway.errors import SourceError, SpecError
from headway.spec.model import Model
from headway.spec.revision import Revision
from tests.support.engines import Program, engine_program, get

RULES = mock_question.Rules("m", (), longest=1024, answer_tokens=0)


@asynccontextmanager
async def mock(**args: object) -> AsyncIterator[Program]:
    engine = registry.get("mock")
    model = Model(name="m", source="builtin://mock", engine="mock", args=args)
    revision = Revision("m", "mock", engine.pin(model), "chat", args=args)
    async with engine_program(
        lambda port: engine.launch(revision, Prepared(), Slot("m-0", "127.0.0.1", port, 1))
    ) as program:
        yield program


@asynccontextmanager
async def client(program: Program) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{program.url}/v1", api_key="none", max_retries=0, timeout=20) as one:
        yield one


async def test_official_client_chat_completion_and_embeddings() -> None:
    async with mock() as program, client(program) as ask:
        await program.ready("/health")
        assert [model.id async for model in ask.models.list()] == ["m"]
        chat = await ask.chat.completions.create(model="m", messages=[{"role": "user", "content": "a b"}], max_tokens=5)
        again = await ask.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "a b"}], max_tokens=5
        )
        assert chat.usage is not None
        # <|im_start|>user, a b, <|im_end|>, <|im_start|>assistant: each begins with a token of its own, of four bytes
        assert (chat.usage.prompt_tokens, chat.usage.completion_tokens) == (5 + 1 + 3 + 6, 5)
        assert chat.choices[0].message.content == again.choices[0].message.content
        assert len((chat.choices[0].message.content or "").split()) == 5
        plain = await ask.completions.create(model="m", prompt="a b c", max_tokens=2)
        assert len(plain.choices[0].text.split()) == 2
        as_base64 = await ask.embeddings.create(model="m", input=["a", "b"])
        as_floats = await ask.embeddings.create(model="m", input=["a", "b"], encoding_format="float")
        assert as_base64.data[0].embedding == pytest.approx(as_floats.data[0].embedding)
        assert sum(value * value for value in as_floats.data[1].embedding) == pytest.approx(1)


async def test_stream_says_the_same_as_the_whole_and_ends_with_usage() -> None:
    async with mock() as program, client(program) as ask:
        await program.ready("/health")
        question = {"model": "m", "messages": [{"role": "user", "content": "go"}], "max_tokens": 7}
        whole = await ask.chat.completions.create(**question)
        events = await ask.chat.completions.create(**question, stream=True, stream_options={"include_usage": True})
        seen = [event async for event in events]
        said = "".join(event.choices[0].delta.content or "" for event in seen if event.choices)
        assert said == whole.choices[0].message.content
        assert seen[-1].usage is not None
        assert seen[-1].usage.completion_tokens == 7
        assert [event.choices[0].finish_reason for event in seen if event.choices][-1] == "length"


async def test_signals_follow_the_work_and_a_caller_that_leaves_ends_it() -> None:
    async with mock(stall_after_tokens=2) as program, client(program) as ask:
        await program.ready("/health")
        events = await ask.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "x y z"}], max_tokens=9, stream=True
        )
        seen = aiter(events)
        for _ in range(3):  # the role, and two tokens
            await anext(seen)
        busy = read_signals((await get(f"{program.url}/metrics")).text)
        assert (busy.running, busy.waiting, busy.prompt_tokens, busy.generated_tokens) == (1, 0, 16, 2)
        await events.close()
        await program.until(lambda text: read_signals(text).running == 0, "/metrics")
        totals = json.loads((await get(f"{program.url}/mock/totals")).text)
        left = {"requests": 1, "prompt_tokens": 16, "cached_tokens": 0, "completion_tokens": 2}
        assert totals["aborted"] == left


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/chat/completions", {"messages": []}, "messages"),
        ("/v1/chat/completions", {"messages": [{"content": "a"}], "max_tokens": -1}, "max_tokens"),
        ("/v1/completions", {"prompt": 3}, "prompt"),
        ("/v1/embeddings", {"input": [1]}, "input"),
        ("/v1/embeddings", None, "input"),
    ],
)
def test_bad_requests_name_the_field(path: str, body: object, field: str) -> None:
    def answer() -> object:
        if path.endswith("embeddings"):
            return mock_pooling.embeddings(body, model="m", dimensions=8)
        return mock_question.ask(body, "chat" if "chat" in path else "text", RULES)

    with pytest.raises(BadRequest, match=field):
        answer()


async def test_faults_on_the_wire() -> None:
    async with mock() as program:
        await program.ready("/health")
        assert (await get(f"{program.url}/nowhere")).status == 404
        answer = await get(f"{program.url}/v1/completions", body=b"{")
        assert answer.status == 400
        assert json.loads(answer.text)["error"]["type"] == "invalid_request_error"
        reader, writer = await asyncio.open_connection("127.0.0.1", program.port)
        writer.write(b"rubbish\r\n\r\n")
        assert b"400" in await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        await writer.wait_closed()


async def test_not_ready_until_told() -> None:
    async with mock(ready_after=3600) as program:
        await program.listening()
        assert (await get(f"{program.url}/health")).status == 503
        assert (await get(f"{program.url}/v1/completions", body=b'{"prompt":"a"}')).status == 503


async def test_exit_at_start_says_why() -> None:
    async with mock(exit_at_start=3) as program:
        assert await program.exit_code() == 3
        assert "told to exit" in program.log()


async def test_hang_at_start_never_listens_and_ends_by_sigterm() -> None:
    async with mock(hang_at_start=True) as program:
        await program.logged("told to hang")
        assert not await program.is_listening()
        program.send_signal(signal.SIGTERM)
        assert await program.exit_code() == 0


async def test_dies_after_tokens() -> None:
    async with mock(die_after_tokens=4) as program, client(program) as ask:
        await program.ready("/health")
        await ask.completions.create(model="m", prompt="a", max_tokens=4)
        with pytest.raises(openai.APIConnectionError):
            await ask.completions.create(model="m", prompt="a", max_tokens=4)
        assert await program.exit_code() == 70


async def test_refuses_sigterm() -> None:
    async with mock(ignore_sigterm=True) as program:
        await program.ready("/health")
        program.send_signal(signal.SIGTERM)
        await program.logged("SIGTERM ignored")
        assert (await get(f"{program.url}/health")).status == 200
        program.send_signal(signal.SIGKILL)
        assert await program.exit_code() == -signal.SIGKILL


@pytest.mark.parametrize(("silent", "health"), [("requests", True), ("all", False)])
async def test_silent(silent: str, health: bool) -> None:
    async with mock(silent=silent) as program:
        await program.listening()
        assert await program.answers("/health") is health
        assert not await program.answers("/v1/models")


def test_pin_refuses_other_sources_and_owned_flags() -> None:
    engine = registry.get("mock")
    with pytest.raises(SourceError, match="builtin://mock"):
        engine.pin(Model(name="m", source="hf://a/b", engine="mock"))
    with pytest.raises(SpecError, match="--port"):
        engine.pin(Model(name="m", source="builtin://mock", engine="mock", args={"port": 1}))
