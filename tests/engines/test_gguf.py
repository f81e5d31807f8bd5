"""The header of a GGUF file: read right, and every way of being broken told in one line."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import gguf as reference
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.engines import gguf, gguf_choice, registry
from headway.errors import SourceError, SpecError
from headway.spec.model import Model
from tests.support.gguf_files import write_gguf


def test_facts(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", kv_heads=2, template="{{ x }}")
    facts = gguf.read(path)
    assert (facts.architecture, facts.layers, facts.context, facts.embedding) == ("llama", 3, 2048, 64)
    assert (facts.kv_heads, facts.key_length, facts.value_length) == (6, 16, 16)
    assert (facts.vocabulary, facts.chat_template, facts.embeds) == (5000, True, False)
    assert facts.file_bytes == path.stat().st_size


def test_heads_that_differ_by_layer_are_summed(tmp_path: Path) -> None:
    assert gguf.read(write_gguf(tmp_path / "m.gguf", kv_heads=[1, 2, 4])).kv_heads == 7


@pytest.mark.parametrize("architecture", sorted(gguf.ENCODERS))
def test_encoders_embed(architecture: str, tmp_path: Path) -> None:
    assert gguf.read(write_gguf(tmp_path / "m.gguf", architecture=architecture)).embeds


def test_type_sizes_are_those_of_the_reference() -> None:
    known = {int(kind): sizes for kind, sizes in reference.GGML_QUANT_SIZES.items()}
    assert {kind: known[kind] for kind in gguf.TYPES} == gguf.TYPES


def test_facts_are_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    before = gguf.read(path)
    with monkeypatch.context() as patch:
        patch.setattr(gguf, "_read", lambda path: pytest.fail("read again"))
        assert gguf.read(path) == before
    write_gguf(path, kv_heads=4)
    assert gguf.read(path).kv_heads == 12


def _numbers(*, version: int = 3, tensors: int = 0, pairs: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, pairs)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"PK\x03\x04rest", "begins with"),
        (b"GGUF\x03", "cut off in the header"),
        (_numbers(version=1), "version 1"),
        (_numbers(version=3 << 24), "version"),
        (_numbers(pairs=2**40), "claims"),
        (_numbers(tensors=2**40), "claims"),
        (_numbers(pairs=1), "cut off in the header"),
        (_numbers(), "general.architecture is missing"),
        (_numbers(pairs=1) + struct.pack("<Q", 2**60), "cut off in the header"),
        (_numbers(pairs=1) + struct.pack("<Q1sII", 1, b"k", 9, 4) + struct.pack("<Q", 2**50), "claims an array"),
        (_numbers(pairs=1) + struct.pack("<Q1sI", 1, b"k", 99), "unknown value type 99"),
    ],
)
def test_what_is_wrong_is_said(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="is not a usable GGUF file") as caught:
        gguf.read(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused_when_it_is_applied(kept: float, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(SourceError, match="cut off"):
        registry.revise(Model(name="m", source=f"file://{path}"))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_broken_byte_is_an_error_of_ours_or_harmless(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    content = bytearray(write_gguf(path, vocabulary=4).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(SourceError):
        gguf.read(path)


def test_a_changed_file_is_not_served_under_its_old_digest(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    revision = registry.revise(Model(name="m", source=f"file://{path}")).revision
    write_gguf(path, kv_heads=4)
    with pytest.raises(SourceError, match="has changed since it was pinned"):
        registry.get("llamacpp").prepare(revision, lambda _: None)


def test_the_task_follows_the_header(tmp_path: Path) -> None:
    def derived(**more: object) -> tuple[str, str]:
        revised = registry.revise(Model(name="m", source=f"file://{path}", **more))
        return revised.revision.task, revised.derived.get("task", "")

    path = write_gguf(tmp_path / "base.gguf")
    assert derived() == ("completion", "completion: it has no chat template")
    assert derived(args={"chat-template": "chatml"})[0] == "chat"
    with pytest.raises(SpecError, match="no chat template"):
        derived(task="chat")
    path = write_gguf(tmp_path / "chat.gguf", template="{{ x }}")
    assert derived()[0] == "chat"
    assert derived(task="completion") == ("completion", "")
    path = write_gguf(tmp_path / "bert.gguf", architecture="bert")
    assert derived()[0] == "embedding"


def test_a_split_model_is_pinned_whole(tmp_path: Path) -> None:
    for part in (1, 2):
        write_gguf(tmp_path / f"big-0000{part}-of-00002.gguf", kv_heads=part)
    write_gguf(tmp_path / "other.gguf")
    first = tmp_path / "big-00001-of-00002.gguf"
    pinned = registry.revise(Model(name="m", source=f"file://{first}")).revision.source
    assert pinned.files == ("big-00001-of-00002.gguf", "big-00002-of-00002.gguf")
    assert pinned.size_bytes == sum(path.stat().st_size for path in gguf_choice.parts(first))


@pytest.mark.parametrize(
    ("files", "wanted", "chosen"),
    [
        (["a.gguf", "README.md"], "", ("a.gguf",)),
        (["a-Q8_0.gguf", "a-q4_k_m.gguf"], "", ("a-q4_k_m.gguf",)),
        (["a-Q8_0.gguf", "a-Q4_K_M.gguf"], "a-Q8_0.gguf", ("a-Q8_0.gguf",)),
        (["m.gguf", "mmproj-m.gguf"], "", ("m.gguf",)),
        (["x-00002-of-00002.gguf", "x-00001-of-00002.gguf"], "", ("x-00001-of-00002.gguf", "x-00002-of-00002.gguf")),
        (["q/x-00001-of-00001.gguf"], "q/x-00001-of-00001.gguf", ("q/x-00001-of-00001.gguf",)),
    ],
)
def test_which_file_of_a_repository(files: list[str], wanted: str, chosen: tuple[str, ...]) -> None:
    assert gguf_choice.choose("org/name", files, wanted) == chosen


@pytest.mark.parametrize(
    ("files", "wanted", "said"),
    [
        (["a-Q8_0.gguf", "a-Q6_K.gguf"], "", "name one: hf://org/name/FILE of a-Q6_K.gguf, a-Q8_0.gguf"),
        (["a-Q4_K_M.gguf", "b-Q4_K_M.gguf"], "", "several GGUF files"),
        (["a.gguf"], "b.gguf", "has no file 'b.gguf'"),
        (["model.safetensors"], "", "has no GGUF file"),
        ([f"m-{number}.gguf" for number in range(30)], "", "and 18 more"),
    ],
)
def test_which_file_is_asked_back(files: list[str], wanted: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        gguf_choice.choose("org/name", files, wanted)
    assert said in str(caught.value)
