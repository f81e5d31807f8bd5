"""A real vLLM on this CPU, by our Engine, behind the whole of Headway: `make test-vllm`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.support.running import Headway, eventually

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.skipif("HEADWAY_VLLM" not in os.environ, reason="run by: make test-vllm"),
]

ARGS = "{enforce-eager: true, dtype: bfloat16, max-model-len: 1024}"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headway]:
    folder = tmp_path_factory.mktemp("vllm")
    weights = folder / "tiny"
    subprocess.run([os.environ["HEADWAY_VLLM"], Path(__file__).with_name("make_tiny.py"), weights], check=True)
    made = Headway(folder)
    made.env["HF_HUB_OFFLINE"] = "1"
    text = f"kind: Model\nname: tiny\nsource: file://{weights}\nengine: vllm\ngpu: cpu\nargs: {ARGS}\n"
    done = made.up(made.model_file("tiny.yaml", text), timeout=800)
    assert done.returncode == 0, f"{done.stderr}\n{made.run('logs', 'tiny').stdout}"
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(serving: Headway) -> Iterator[openai.OpenAI]:
    address = serving.status("tiny")["address"]
    with openai.OpenAI(base_url=address, api_key="unused", max_retries=0, timeout=300) as made:
        yield made


def test_it_answers_whole(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "w1 w2"}], max_tokens=8)
    assert answer.usage
    assert answer.usage.completion_tokens == 8 or answer.choices[0].finish_reason == "stop"


def test_it_streams_what_it_answers_whole(client: openai.OpenAI) -> None:
    question = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "w1 w2 w3"}],
        "max_tokens": 8,
        "temperature": 0,
    }
    whole = client.chat.completions.create(**question)
    pieces = list(client.chat.completions.create(**question, stream=True, stream_options={"include_usage": True}))
    said = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert said == whole.choices[0].message.content
    assert pieces[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_its_signals_are_read(client: openai.OpenAI, serving: Headway) -> None:
    client.completions.create(model="tiny", prompt="w1 w2 w3", max_tokens=4)

    def told() -> object:
        signals = serving.status("tiny")["replicas"][0]["signals"]
        return signals and signals["generated_tokens"] and signals

    signals = eventually(told)
    assert signals["running"] == 0
    assert signals["waiting"] == 0
    assert 0 <= signals["kv_used"] <= 1
    assert signals["prompt_tokens"] >= 3
