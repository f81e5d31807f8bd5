"""hf:// sources with the real client of the hub: against a hub on loopback, without one, and offline."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.engines import hub, hub_cache, hub_child, registry
from headway.engines.base import Progress
from headway.errors import Cancelled, ResourceError, SecretError, SourceError, UnreachableError
from headway.spec.model import Model
from headway.spec.revision import Revision
from tests.support.engines import Reports
from tests.support.fake_hub import COMMIT, FakeHub, sha256
from tests.support.gguf_files import write_gguf

ABOUT = {"gguf": {"context_length": 2048, "architecture": "llama", "chat_template": "{{ x }}"}}


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    hub.forget()


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return write_gguf(tmp_path / "written.gguf", template="{{ x }}").read_bytes()


@pytest.fixture
def served(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    files = {"m-Q4_K_M.gguf": content, "m-Q8_0.gguf": content + b"8", "README.md": b"#"}
    with FakeHub(files, ABOUT).serve() as one:
        monkeypatch.setenv("HF_ENDPOINT", one.url)
        yield one


def revise(source: str = "hf://org/model", **more: object) -> Revision:
    return registry.revise(Model(name="m", source=source, **more)).revision


def bring(revision: Revision, reports: Reports | None = None) -> Path:
    weights = registry.get(revision.engine).prepare(revision, Reports() if reports is None else reports).weights
    assert weights is not None
    return weights


@pytest.mark.usefixtures("llama_server")
def test_pinned_to_a_commit_and_fetched_once(served: FakeHub, content: bytes) -> None:
    revised = registry.revise(Model(name="m", source="hf://org/model"))
    pinned = revised.revision.source
    assert revised.derived["engine"] == "llamacpp: the repository has GGUF files"
    assert (revised.revision.task, revised.revision.args["ctx-size"]) == ("chat", 4 * 2048)
    assert pinned.commit == COMMIT
    assert pinned.files == ("m-Q4_K_M.gguf",)
    assert pinned.digest == f"sha256:{sha256(content)}"
    assert pinned.size_bytes == len(content)
    reports = Reports()
    weights = bring(revised.revision, reports)
    assert weights.read_bytes() == content
    assert weights.parent == hub_cache.snapshot("org/model", COMMIT)
    assert {each.stage for each in reports} == {"download", "verify"}
    served.asked.clear()
    again = Reports()
    assert bring(revised.revision, again) == weights
    assert (served.asked, again) == ([], [])


def test_one_file_of_it(served: FakeHub, content: bytes) -> None:
    pinned = revise("hf://org/model@main/m-Q8_0.gguf").source
    assert pinned.files == ("m-Q8_0.gguf",)
    assert pinned.digest == f"sha256:{sha256(content + b'8')}"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("hf://org/absent", "no such repository, or it is private"),
        ("hf://org/model@gone", "no revision 'gone'"),
        ("hf://org/model/x.gguf", "has no file 'x.gguf'"),
    ],
)
def test_what_the_hub_has_not(served: FakeHub, source: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        revise(source, engine="llamacpp")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("llama_server")
def test_a_private_repository_by_its_token(served: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    served.token = "hf_right"
    with pytest.raises(SourceError, match="private"):
        revise()
    env = {"HF_TOKEN": "secret:hf/token"}
    with pytest.raises(SecretError, match="secret:hf/token"):
        revise(env=env)
    monkeypatch.setenv("HEADWAY_SECRET_HF_TOKEN", "hf_right")
    revision = revise(env=env)
    assert "hf_right" not in str(revision.to_dict())
    assert bring(revision).exists()


def test_a_hub_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(UnreachableError) as caught:
            revise()
    assert "does not answer, nor has its cache main" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_hub_that_accepts_and_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "RESOLVE_SECONDS", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(UnreachableError, match="no answer within 2 s"):
            revise()


@pytest.mark.usefixtures("llama_server")
@pytest.mark.parametrize("how", ["offline", "unreachable"])
def test_without_the_hub_its_cache_answers(served: FakeHub, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = revise()
    weights = bring(before)
    (weights.parents[2] / "refs").mkdir(exist_ok=True)
    (weights.parents[2] / "refs/main").write_text(COMMIT)
    hub.forget()
    if how == "offline":
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    else:
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    after = revise()
    assert after.id == before.id
    assert bring(after) == weights
    by_commit = revise(f"hf://org/model@{COMMIT}")
    assert by_commit.source.digest == before.source.digest


@pytest.mark.usefixtures("llama_server")
def test_without_the_hub_and_without_our_notes(
    served: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that another program filled."""
    weights = bring(revise())
    monkeypatch.setenv("HEADWAY_CACHE_DIR", str(tmp_path / "another"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.forget()
    revision = revise(f"hf://org/model@{COMMIT}")
    assert revision.source.digest == f"sha256:{sha256(weights.read_bytes())}"
    assert bring(revision) == weights


def test_offline_and_never_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UnreachableError, match="HF_HUB_OFFLINE is set"):
        revise()


@pytest.mark.usefixtures("llama_server")
def test_other_bytes_than_the_hub_says(served: FakeHub, content: bytes) -> None:
    revision = revise()
    weights = bring(revision)
    weights.resolve().write_bytes(content[:-1] + b"!")
    with pytest.raises(SourceError, match="other bytes than the hub's digest says"):
        bring(revision)


@pytest.mark.usefixtures("llama_server")
def test_a_cancelled_download_puts_nothing_into_the_snapshot(served: FakeHub) -> None:
    revision = revise()

    def report(progress: Progress) -> None:
        if progress.stage == "download":
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        registry.get("llamacpp").prepare(revision, report)
    assert not (hub_cache.snapshot("org/model", COMMIT) / "m-Q4_K_M.gguf").exists()
    assert bring(revision).exists()


@pytest.mark.usefixtures("llama_server")
def test_a_download_that_cannot_fit(served: FakeHub) -> None:
    fields = revise().to_dict()
    fields["source"]["size_bytes"] = 10**18
    with pytest.raises(ResourceError, match="disk full in the hub's cache: needs 1000000000000 MB"):
        bring(Revision.from_dict(fields))


@pytest.mark.parametrize(
    ("files", "about", "engine", "said"),
    [
        ({"model.safetensors": b"", "config.json": b"{}"}, {}, None, "there is no vLLM here"),
        ({"pytorch_model.bin": b""}, {}, None, "neither GGUF nor safetensors"),
        ({"model.safetensors": b""}, {"config": {"architectures": ["BertModel"]}}, None, "has no config.json"),
        ({"model.safetensors": b""}, {"config": {"architectures": ["LlamaForCausalLM"]}}, "embed", "LlamaForCausalLM"),
    ],
)
def test_what_no_engine_serves(
    files: dict[str, bytes], about: dict[str, object], engine: str | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with FakeHub(files, about).serve() as one:
        monkeypatch.setenv("HF_ENDPOINT", one.url)
        with pytest.raises(SourceError, match=said):
            revise(engine=engine)


def test_vllm_is_given_the_model_and_no_code(served: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served.files = {
        "model.safetensors": b"weights",
        "config.json": b"{}",
        "tokenizer_config.json": b'{"chat_template": "x"}',
        "chat_template.jinja": b"x",
        "modeling_own.py": b"import os",
        "pytorch_model.bin": b"pickle",
        "consolidated.safetensors": b"again",
        "onnx/model.safetensors": b"another format",
    }
    program = tmp_path / "vllm"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("HEADWAY_VLLM", str(program))
    revision = revise()
    assert revision.engine == "vllm"
    assert revision.task == "chat"
    kept = ("chat_template.jinja", "config.json", "model.safetensors", "tokenizer_config.json")
    assert revision.source.files == kept
    folder = bring(revision)
    assert sorted(path.name for path in folder.iterdir()) == list(kept)


def test_no_word_of_the_hub_is_lost() -> None:
    assert hub_child.kind_of(OSError(28, "No space left on device")) == "disk_full"
    assert hub_child.kind_of(ConnectionResetError()) == "unreachable"
    assert hub_child.kind_of(ValueError("x")) == "failed"
