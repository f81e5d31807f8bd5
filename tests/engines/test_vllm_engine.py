"""vLLM without vLLM: its command line, environment, pin and signals. The real one runs in tests/vllm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headway.engines import registry, vllm
from headway.engines.base import Prepared, Slot
from headway.errors import EngineError, SourceError, SpecError
from headway.spec.model import Model
from headway.spec.revision import Revision

CPU = Slot("m-0", "127.0.0.1", 4000, 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    (made / "model.safetensors").write_bytes(b"weights" * 1000)
    (made / "tokenizer_config.json").write_text(json.dumps({"chat_template": "x"}))
    (made / "modeling_own.py").write_text("import os")
    return made


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "vllm"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setenv(vllm.SETTING, str(path))
    return path


def revise(folder: Path, **more: object) -> Revision:
    return registry.revise(Model(name="m", source=f"file://{folder}", **more)).revision


def test_a_folder_of_safetensors_is_for_vllm_when_there_is_one(folder: Path, program: Path) -> None:
    revised = registry.revise(Model(name="m", source=f"file://{folder}"))
    assert revised.revision.engine == "vllm"
    assert revised.revision.source.files == ("config.json", "model.safetensors", "tokenizer_config.json")
    assert revised.derived["task"] == "chat: it has a chat template"


def test_without_one_it_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SourceError, match="there is no vLLM here"):
        revise(folder)
    with pytest.raises(EngineError, match="no vLLM here"):
        registry.get("vllm").prepare(revise(folder, engine="vllm"), lambda _: None)
    monkeypatch.setenv(vllm.SETTING, "/nowhere/vllm")
    with pytest.raises(EngineError, match="HEADWAY_VLLM=/nowhere/vllm: no such program"):
        revise(folder)


def test_the_digest_is_of_the_tokenizer_and_settings_too(folder: Path, program: Path) -> None:
    revision = revise(folder)
    registry.get("vllm").prepare(revision, lambda _: None)
    (folder / "tokenizer_config.json").write_text("{}")
    assert revise(folder).source.digest != revision.source.digest
    with pytest.raises(SourceError, match="has changed since it was pinned"):
        registry.get("vllm").prepare(revision, lambda _: None)


def test_the_command_line(folder: Path, program: Path) -> None:
    engine = registry.get("vllm")
    revision = revise(folder, args={"max_model_len": 1024, "enforce-eager": True})
    launch = engine.launch(revision, engine.prepare(revision, lambda _: None), CPU)
    line = " ".join(launch.argv)
    assert line.startswith(f"{program} serve {folder} --host 127.0.0.1 --port 4000 --served-model-name m ")
    for part in ("--load-format safetensors", "--max-model-len 1024", "--enforce-eager"):
        assert part in line
    assert "trust" not in line
    assert "tensor-parallel" not in line
    assert launch.env["VLLM_NO_USAGE_STATS"] == "1"
    assert launch.env["HF_HUB_OFFLINE"] == "1"
    assert launch.env["OMP_NUM_THREADS"] == "3"
    assert launch.env["VLLM_CPU_KVCACHE_SPACE"] == "1"


def test_by_a_python_and_on_gpus(folder: Path, program: Path) -> None:
    revision = revise(folder, env={"VLLM_LOGGING_LEVEL": "DEBUG"})
    slot = Slot("m-0", "127.0.0.1", 4000, 3, ("GPU-1", "GPU-2"))
    launch = registry.get("vllm").launch(revision, Prepared(Path("/v/bin/python3.11"), folder), slot)
    start = ("/v/bin/python3.11", "-m", "vllm.entrypoints.openai.api_server", "--model", str(folder))
    assert launch.argv[:5] == start
    assert "--tensor-parallel-size 2" in " ".join(launch.argv)
    assert launch.env["VLLM_LOGGING_LEVEL"] == "DEBUG"
    assert "VLLM_CPU_KVCACHE_SPACE" not in launch.env


@pytest.mark.parametrize("args", [{"trust-remote-code": True}, {"trust_remote_code": False}])
def test_foreign_code_is_never_run(folder: Path, program: Path, args: dict[str, bool]) -> None:
    with pytest.raises(SpecError, match="never run") as caught:
        revise(folder, args=args)
    assert caught.value.field == "args.trust-remote-code"


@pytest.mark.parametrize("flag", ["host", "served-model-name", "load-format", "revision"])
def test_flags_that_headway_owns(folder: Path, program: Path, flag: str) -> None:
    with pytest.raises(SpecError, match="Headway sets"):
        revise(folder, args={flag: "x"})


@pytest.mark.parametrize(("absent", "said"), [("config.json", "config.json"), ("model.safetensors", "safetensors")])
def test_a_folder_that_is_not_whole(folder: Path, program: Path, absent: str, said: str) -> None:
    (folder / absent).unlink()
    with pytest.raises(SourceError, match=said):
        revise(folder, engine="vllm")


def test_embedding_by_vllm(folder: Path, program: Path) -> None:
    revision = revise(folder, engine="vllm", task="embedding")
    assert revision.args == {"runner": "pooling"}


def test_memory_on_cpu_and_gpu(folder: Path, program: Path) -> None:
    engine = registry.get("vllm")
    small = engine.need(revise(folder), Prepared(program, folder))
    large = engine.need(revise(folder, env={"VLLM_CPU_KVCACHE_SPACE": "4"}), Prepared(program, folder))
    assert large.memory_bytes - small.memory_bytes == 3 << 30
    assert "KV cache" in small.why
    assert "weights go to the GPU" in engine.need(revise(folder, gpu="1"), Prepared(program, folder)).why
