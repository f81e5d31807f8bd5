"""Engines and Revisions for a cluster: from what is written alone, the same on every machine."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from headway.engines import elsewhere, hub, registry, sglang
from headway.engines.base import Prepared, Slot
from headway.engines.container import Container, PodShape, Vendor
from headway.engines.signals import read_signals
from headway.errors import EngineError, HeadwayError, SpecError
from headway.spec.check import from_json
from headway.spec.revision import Revision

QWEN = "hf://Qwen/Qwen2.5-7B-Instruct@main"


def revised(**written: Any) -> registry.Revised:
    return registry.revise_elsewhere(from_json({"name": "m", **written}))


def contained(shape: PodShape, **written: Any) -> Container:
    revision = revised(**written).revision
    found = registry.get(revision.engine).container(revision, shape)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(hub, "look", refuse)


# Source and what else is written -> engine and task.
CHOSEN: list[tuple[dict[str, Any], str, str]] = [
    ({"source": QWEN}, "vllm", "chat"),
    ({"source": "Qwen/Qwen2.5-0.5B-Instruct-GGUF"}, "llamacpp", "chat"),
    ({"source": "hf://a/b/c-q4_k_m.gguf"}, "llamacpp", "chat"),
    ({"source": "s3://bucket/a.gguf"}, "llamacpp", "chat"),
    ({"source": "ollama://llama3:8b"}, "llamacpp", "chat"),
    ({"source": "hf://BAAI/bge-m3"}, "vllm", "embedding"),
    ({"source": "hf://sentence-transformers/all-MiniLM-L12-v2", "gpu": "cpu"}, "embed", "embedding"),
    ({"source": "hf://org/name", "gpu": "cpu", "task": "embedding"}, "embed", "embedding"),
    ({"source": "builtin://smollm2-135m-instruct"}, "llamacpp", "chat"),
    ({"source": "builtin://gemma-3-270m"}, "llamacpp", "completion"),
    ({"source": "builtin://all-minilm-l6-v2"}, "embed", "embedding"),
    ({"source": "builtin://mock"}, "mock", "chat"),
    ({"source": "openai://gpt-4o"}, "openai", "chat"),
    ({"source": QWEN, "engine": "sglang"}, "sglang", "chat"),
    ({"source": QWEN, "task": "completion"}, "vllm", "completion"),
]


@pytest.mark.parametrize(("written", "engine", "task"), CHOSEN, ids=[each[0]["source"] for each in CHOSEN])
def test_engine_and_task_by_what_is_written(written: dict[str, Any], engine: str, task: str) -> None:
    found = revised(**written)
    assert (found.revision.engine, found.revision.task) == (engine, task)
    assert ("engine" in found.derived) is ("engine" not in written)
    assert ("task" in found.derived) is ("task" not in written)


def test_a_commit_that_is_written_is_pinned_and_a_branch_is_not() -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert revised(source=f"hf://a/b@{commit}").revision.source.commit == commit
    assert revised(source="hf://a/b@main").revision.source.commit == ""


def test_a_revision_is_stored_and_read_back() -> None:
    found = revised(source=QWEN, image="vllm/vllm-openai:v0.31.0", cost={"spot": "only"}).revision
    assert found.place == {"image": "vllm/vllm-openai:v0.31.0", "spot": "only"}
    assert Revision.from_dict(json.loads(json.dumps(found.to_dict()))).id == found.id


def test_a_revision_that_no_cluster_knows_has_the_id_it_always_had() -> None:
    """`place` is new: Revisions of laptops must not all change with the release that brought it."""
    found = revised(source="builtin://mock").revision
    assert found.place == {}
    assert found.id == "b3c0296074" or found.model != "chat"


SIZES = [(QWEN, 15.2e9), ("hf://Qwen/Qwen2.5-7B-Instruct-GGUF/q-q4_k_m.gguf", 4.7e9), ("hf://who/knows", 0)]


@pytest.mark.parametrize(("source", "size"), SIZES)
def test_how_large_the_weights_are_so_far_as_the_catalogue_knows(source: str, size: float) -> None:
    assert elsewhere.weights_bytes(source) == pytest.approx(size, rel=0.1)


IMAGES: list[tuple[str, Vendor, str]] = [
    ("vllm", "nvidia", "vllm/vllm-openai:v"), ("vllm", "amd", "vllm/vllm-openai-rocm:v"),
    ("vllm", "google", "vllm/vllm-tpu:v"), ("vllm", "", "vllm/vllm-openai-cpu:v"),
    ("sglang", "nvidia", "lmsysorg/sglang:v"), ("sglang", "amd", "lmsysorg/sglang:v"),
]  # fmt: skip


@pytest.mark.parametrize(("engine", "vendor", "image"), IMAGES)
def test_the_image_is_of_the_maker_of_the_gpu(engine: str, vendor: Vendor, image: str) -> None:
    assert contained(PodShape(1 if vendor else 0, vendor), source=QWEN, engine=engine).image.startswith(image)


@pytest.mark.parametrize("engine", ["llamacpp", "vllm", "sglang", "embed", "mock"])
def test_every_image_has_a_tag_of_its_own(engine: str) -> None:
    source = {"llamacpp": "hf://a/b-GGUF", "embed": "hf://a/b", "mock": "builtin://mock"}.get(engine, QWEN)
    found = contained(PodShape(1, "nvidia"), source=source, engine=engine)
    assert re.search(r":[\w.-]+$", found.image)
    assert not found.image.endswith(":latest")


@pytest.mark.parametrize("engine", ["vllm", "sglang", "llamacpp"])
def test_what_the_drain_hook_waits_for_is_what_signals_reads(engine: str) -> None:
    source = "hf://a/b-GGUF" if engine == "llamacpp" else QWEN
    found = contained(PodShape(1, "nvidia"), source=source, engine=engine)
    assert read_signals(f"{found.busy} 3.0\n").running == 3


def test_gpus_of_a_pod_split_the_model() -> None:
    vllm = contained(PodShape(4, "nvidia"), source=QWEN).args
    assert vllm[vllm.index("--tensor-parallel-size") + 1] == "4"
    sglang_args = contained(PodShape(4, "nvidia"), source=QWEN, engine="sglang").args
    assert sglang_args[sglang_args.index("--tp-size") + 1] == "4"


def test_pods_of_a_replica_join() -> None:
    vllm = contained(PodShape(8, "nvidia", pods=2), source=QWEN)
    text = " ".join(vllm.args)
    assert "--tensor-parallel-size 8 --pipeline-parallel-size 2 --nnodes 2 --node-rank $(HEADWAY_INDEX)" in text
    assert vllm.worker_args == ("--headless",)
    text = " ".join(contained(PodShape(8, "nvidia", pods=2), source=QWEN, engine="sglang").args)
    assert "--tp-size 16 --nnodes 2 --node-rank $(HEADWAY_INDEX) --dist-init-addr $(HEADWAY_LEADER):5757" in text


def test_what_is_written_in_args_wins() -> None:
    args = contained(PodShape(2, "nvidia"), source=QWEN, args={"tensor-parallel-size": 1, "max-model-len": 4096}).args
    assert args[args.index("--tensor-parallel-size") + 1] == "1"
    assert args[args.index("--max-model-len") + 1] == "4096"


@pytest.mark.parametrize(
    ("engine", "flag"), [("vllm", "node-rank"), ("sglang", "model-path"), ("sglang", "trust-remote-code")]
)
def test_flags_that_are_headways_are_refused(engine: str, flag: str) -> None:
    with pytest.raises(SpecError) as told:
        revised(source=QWEN, engine=engine, args={flag: "x"})
    assert told.value.field == f"args.{flag}"


def test_sglang_serves_no_task_it_cannot() -> None:
    assert revised(source="hf://BAAI/bge-m3", engine="sglang").revision.args == {"is-embedding": True}
    with pytest.raises(HeadwayError):
        contained(PodShape(0, ""), source=QWEN, engine="sglang")


def test_sglang_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its command line, where a Python that has it is named."""
    monkeypatch.setenv(sglang.SETTING, sys.executable)
    assert sglang.find() == Path(sys.executable)
    revision = revised(source=QWEN, engine="sglang", args={"context-length": 4096}).revision
    slot = Slot("m-1", "127.0.0.1", 4000, 2, ("GPU-1", "GPU-2"))
    argv = registry.get("sglang").launch(revision, Prepared(Path(sys.executable), tmp_path), slot).argv
    assert argv[:3] == (sys.executable, "-m", "sglang.launch_server")
    text = " ".join(argv)
    assert f"--model-path {tmp_path} --served-model-name m --host 127.0.0.1 --port 4000" in text
    assert "--enable-metrics --tp-size 2 --context-length 4096" in text


def test_sglang_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sglang.SETTING, "/nowhere/python")
    with pytest.raises(EngineError, match="no such program"):
        sglang.find()
