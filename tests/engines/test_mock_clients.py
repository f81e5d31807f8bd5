"""The mock engine as real clients see it: the official openai client, vLLM's own endpoints, several engines."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest

from headway.engines.signals import read_signals
from tests.support.mock_engine import Engines, engines

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
            "required": ["city", "days", "unit"],
        },
    },
}
ARGUMENTS = {"city": "text", "days": 1, "unit": "C"}


def client(to: Engines) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{to.url}/v1", api_key="none", max_retries=0, timeout=30)


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    ("choice", "said", "called"),
    [
        ("required", "hi", True),
        ({"type": "function", "function": {"name": "weather"}}, "hi", True),
        ("auto", "please Call the tool", True),
        ("auto", "hi", False),
        ("none", "call the tool", False),
    ],
)
async def test_tools_are_called_when_they_must_be(choice: Any, said: str, called: bool) -> None:
    async with engines() as to, client(to) as ask:
        given: dict[str, Any] = {"model": "mock", "messages": user(said), "tools": [TOOL], "tool_choice": choice}
        whole = (await ask.chat.completions.create(**given)).choices[0]
        told: list[str] = []
        async for event in await ask.chat.completions.create(**given, stream=True):
            delta, finish = event.choices[0].delta, event.choices[0].finish_reason
            for call in delta.tool_calls or ():
                assert call.index == 0
                assert call.function is not None
                told += [call.function.name or "", call.function.arguments or ""]
        if not called:
            assert (whole.finish_reason, whole.message.tool_calls, told) == ("stop", None, [])
            return
        (call,) = whole.message.tool_calls or ()
        assert isinstance(call, openai.types.chat.ChatCompletionMessageFunctionToolCall)
        assert (whole.finish_reason, finish, call.function.name, told[0]) == (
            "tool_calls",
            "tool_calls",
            *["weather"] * 2,
        )
        assert json.loads(call.function.arguments) == json.loads("".join(told[1:])) == ARGUMENTS


@pytest.mark.parametrize("said", ["think first", "Think first, then call all tools"])
async def test_thinking_and_several_calls_whole_and_streamed(said: str) -> None:
    other: Any = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
    async with engines() as to, client(to) as ask:
        given: dict[str, Any] = {"model": "mock", "messages": user(said), "tools": [TOOL, other]}
        whole = (await ask.chat.completions.create(**given)).choices[0]
        thought, content, calls = "", "", {0: ["", ""], 1: ["", ""]}
        async for chunk in await ask.chat.completions.create(**given, stream=True):
            delta, finish = chunk.choices[0].delta, chunk.choices[0].finish_reason
            thought += getattr(delta, "reasoning_content", None) or ""
            content += delta.content or ""
            for call in delta.tool_calls or ():
                assert call.function
                calls[call.index][0] += call.function.name or ""
                calls[call.index][1] += call.function.arguments or ""
    assert len(thought) == 8 * 4
    assert whole.message.model_extra == {"reasoning_content": thought}
    assert whole.finish_reason == finish
    if "tools" in said:
        functions = [call.function for call in whole.message.tool_calls or () if call.type == "function"]
        assert [[one.name, one.arguments] for one in functions] == list(calls.values())
        assert [(name, json.loads(told)) for name, told in calls.values()] == [("weather", ARGUMENTS), ("clock", {})]
        assert (whole.message.content, content, finish) == (None, "", "tool_calls")
    else:
        assert whole.message.content == content
        assert len(content) == 8 * 4  # of 16 tokens


async def test_json_is_json_that_fits_the_schema() -> None:
    async with engines() as to, client(to) as ask:
        schema: Any = {"name": "s", "schema": TOOL["function"]["parameters"]}  # type: ignore[index]
        fitting: Any = {"type": "json_schema", "json_schema": schema}
        for form, wanted in (({"type": "json_object"}, {}), (fitting, ARGUMENTS)):
            answer = await ask.chat.completions.create(model="mock", messages=user("a"), response_format=form)
            assert json.loads(answer.choices[0].message.content or "") == wanted
            assert answer.choices[0].finish_reason == "stop"


async def test_responses_whole_and_streamed() -> None:
    async with engines() as to, client(to) as ask:
        whole = await ask.responses.create(model="mock", input="hi", max_output_tokens=5)
        assert (whole.status, len(whole.output_text.split())) == ("incomplete", 5)
        assert whole.usage is not None
        assert (whole.usage.output_tokens, whole.usage.input_tokens_details.cached_tokens) == (5, 0)
        events = [each async for each in await ask.responses.create(model="mock", input=user("hi"), stream=True)]
        assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
        told = "".join(each.delta for each in events if each.type == "response.output_text.delta")
        assert events[-1].type == "response.completed"
        assert told == events[-1].response.output_text
        called = await ask.responses.create(
            model="mock",
            input="x",
            tool_choice="required",
            tools=[{"type": "function", **TOOL["function"]}],  # type: ignore[list-item, dict-item]
        )
        assert [(each.type, json.loads(each.arguments)) for each in called.output] == [("function_call", ARGUMENTS)]


async def test_a_conversation_that_grows_is_found_in_the_cache_and_salts_and_adapters_keep_apart() -> None:
    async with engines("--adapters", "legal") as to, client(to) as ask:

        async def cached(model: str, messages: list[Any], **more: Any) -> tuple[int, str]:
            answer = await ask.chat.completions.create(model=model, messages=messages, max_tokens=64, extra_body=more)
            assert answer.usage is not None
            assert answer.usage.prompt_tokens_details is not None
            tokens = answer.usage.prompt_tokens_details.cached_tokens or 0
            assert tokens <= answer.usage.prompt_tokens
            return tokens, answer.choices[0].message.content or ""

        first = user("x" * 1000)
        none, said = await cached("mock", first)
        again, _ = await cached("mock", first)
        turn = [*first, {"role": "assistant", "content": said}, *user("and more")]
        grown, _ = await cached("mock", turn)
        # the prompt has 264 tokens; the answer 64, the last of which was never computed
        assert (none, again, grown) == (0, 256, 320)
        assert (await cached("legal", first))[0] == 0
        assert (await cached("mock", first, cache_salt="mine"))[0] == 0
        assert (await cached("mock", first, cache_salt="mine"))[0] == 256
        totals = (await to.json("/mock/totals"))["finished"]
        assert totals["cached_tokens"] == again + grown + 256
        seen = read_signals(await to.get("/metrics"))
        assert (seen.cached_prompt_tokens, seen.prompt_tokens) == (totals["cached_tokens"], totals["prompt_tokens"])
        assert seen.generated_tokens == totals["completion_tokens"] == 6 * 64


async def test_lengths() -> None:
    async with engines("--max-model-len", "256", "--answer-tokens", "8") as to:

        async def length(**given: Any) -> Any:
            status, answer = await to.post("/v1/completions", {"prompt": "a", **given})
            if status != 200:
                return status, answer["error"]["message"].partition(":")[0]
            return answer["usage"]["completion_tokens"], answer["choices"][0]["finish_reason"]

        assert await length() == (8, "stop")
        assert await length(max_tokens=5) == (5, "length")
        assert await length(max_tokens=20) == (8, "stop")
        assert await length(max_tokens=20, min_tokens=12) == (20, "length")
        assert await length(max_tokens=20, ignore_eos=True) == (20, "length")
        assert await length(max_tokens=255) == (8, "stop")
        for wrong, field in (
            ({"max_tokens": 256}, "max_tokens"),
            ({"max_tokens": 2, "min_tokens": 3}, "min_tokens"),
            ({"n": 2}, "n"),
            ({"logprobs": 1}, "logprobs"),
            ({"prompt": "a" * 2000}, "max_tokens"),
            ({"prompt": ["a", "b"]}, "prompt"),
            ({"prompt": [1, -1]}, "a token id is an integer of 0 to 4294967295"),
        ):
            assert await length(**wrong) == (400, field)
        status, answer = await to.post("/v1/completions", {"prompt": "a", "model": "other"})
        assert (status, answer["error"]["code"]) == (404, 404)


async def test_what_is_rendered_can_be_sent_as_tokens_and_read_again() -> None:
    async with engines() as to:
        _, chat = await to.post("/v1/chat/completions/render", {"messages": user("Grüße"), "max_tokens": 7})
        assert chat["sampling_params"]["max_tokens"] == 7
        assert chat["request_id"].startswith("chatcmpl-")
        _, text = await to.post("/detokenize", {"tokens": chat["token_ids"]})
        assert text["prompt"] == "<|im_start|>user\nGrüße<|im_end|>\n<|im_start|>assistant\n"
        _, same = await to.post("/tokenize", {"messages": user("Grüße"), "return_token_strs": True})
        assert (same["tokens"], same["count"]) == (chat["token_ids"], len(chat["token_ids"]))
        assert same["count"] == len(same["token_strs"])
        _, plain = await to.post("/v1/completions/render", {"prompt": "a" * 200})
        assert len(plain[0]["token_ids"]) == 50
        await to.post("/v1/completions", {"prompt": "a" * 200})
        _, sent = await to.post("/v1/completions", {"prompt": plain[0]["token_ids"]})
        assert sent["usage"]["prompt_tokens_details"]["cached_tokens"] == 48


async def test_adapters_come_and_go() -> None:
    async with engines("--adapters", "a,b", "--max-loras", "1", "--lora-load", "0.01", "--profile", "h100-8b") as to:

        async def models() -> list[tuple[str, str | None]]:
            return [(each["id"], each["parent"]) for each in (await to.json("/v1/models"))["data"]]

        assert await models() == [("mock", None), ("a", "mock"), ("b", "mock")]
        asked = [to.post("/v1/completions", {"model": name, "prompt": name}) for name in ("a", "b", "a", "mock")]
        assert [status for status, _ in await asyncio.gather(*asked)] == [200] * 4
        load: Any = {"lora_name": "c", "lora_path": "/c"}
        assert (await to.post("/v1/load_lora_adapter", load))[0] == 200
        assert (await to.post("/v1/load_lora_adapter", load))[0] == 400
        assert (await to.post("/v1/load_lora_adapter", {"lora_name": "d"}))[0] == 400
        assert (await to.post("/v1/completions", {"model": "c", "prompt": "x"}))[1]["model"] == "c"
        assert (await to.post("/v1/unload_lora_adapter", {"lora_name": "a"}))[0] == 200
        assert (await to.post("/v1/unload_lora_adapter", {"lora_name": "a"}))[0] == 404
        assert (await to.post("/v1/completions", {"model": "a", "prompt": "x"}))[0] == 404
        assert await models() == [("mock", None), ("b", "mock"), ("c", "mock")]
        info = next(line for line in (await to.get("/metrics")).splitlines() if line.startswith("vllm:lora_requests"))
        assert 'max_lora="1",running_lora_adapters="",waiting_lora_adapters=""' in info


async def test_ranks_scores_and_sleep() -> None:
    async with engines() as to:
        documents = ["a red fox", "a blue whale", "the red fox ran"]
        _, ranked = await to.post("/v1/rerank", {"query": "red fox", "documents": documents, "top_n": 2})
        assert [each["index"] for each in ranked["results"]] == [0, 2]
        _, scores = await to.post("/v1/score", {"text_1": "red fox", "text_2": documents})
        assert [each["score"] for each in scores["data"]] == [0.666667, 0.0, 0.5]
        assert (await to.json("/mock/totals"))["finished"]["requests"] == 2
        assert (await to.json("/is_sleeping")) == {"is_sleeping": False}
        assert (await to.post("/sleep?level=1", None))[0] == 200
        assert (await to.json("/is_sleeping")) == {"is_sleeping": True}
        assert (await to.post("/v1/completions", {"prompt": "a"}))[0] == 503
        assert (await to.post("/wake_up", None))[0] == 200
        assert (await to.post("/v1/completions", {"prompt": "a"}))[0] == 200
        assert "version" in await to.json("/version")


async def test_engines_of_one_process_share_nothing_and_have_their_own_speed() -> None:
    async with engines("--count", "2", "--speeds", "1,0.5", "--profile", "h100-8b", "--time-scale", "20") as to:
        assert len(set(to.ports)) == 2
        await to.post("/v1/completions", {"prompt": "a" * 400, "max_tokens": 40})
        seen = [(await to.json("/mock/totals", index))["finished"]["requests"] for index in (0, 1)]
        assert seen == [1, 0]
        other = Engines(to.process, to.ports[::-1])
        await other.post("/v1/completions", {"prompt": "a" * 400, "max_tokens": 40})
        for index, step in enumerate((0.0058, 0.0116)):
            assert await _between(to, index, time_scale=20) == pytest.approx(39 * step, rel=0.02)


async def test_a_profile_from_a_file_and_flags_over_it(tmp_path: Any) -> None:
    path = tmp_path / "mine.json"
    path.write_text('{"step_base": 0.5, "kv_tokens": 1600}')
    flags = ("--profile", str(path), "--decode-step", "0.001", "--time-scale", "2", "--max-model-len", "9999")
    async with engines(*flags) as to:
        await to.post("/v1/completions", {"prompt": "a", "max_tokens": 11})
        assert await _between(to, 0, time_scale=2) == pytest.approx(0.010)
        assert 'num_gpu_blocks="100"' in await to.get("/metrics")
        assert (await to.json("/v1/models"))["data"][0]["max_model_len"] == 1600


async def _between(to: Engines, index: int, time_scale: float) -> float:
    """All times between tokens in the engine's own seconds, which do not depend on this machine: a step begins when
    the one before was due to end. Only what the clock gave up, stopped for long, is in it, and is told."""
    metrics, totals = await to.get("/metrics", index), await to.json("/mock/totals", index)
    (line,) = [each for each in metrics.splitlines() if each.startswith("vllm:inter_token_latency_seconds_sum")]
    if totals["late_seconds"]:
        pytest.skip(f"this machine stood still for {totals['late_seconds']} s")
    return float(line.rsplit(" ", 1)[1])
