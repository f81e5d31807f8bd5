"""The architecture of what the user names: a catalogue's name, a config.json, a GGUF file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.engines import builtin, gguf
from headway.engines.shape import shape_of
from headway.errors import SourceError, UsageError
from headway.perf.catalog import parameters
from headway.perf.catalog.gguf_header import from_header
from headway.perf.catalog.models import architecture
from tests.support.gguf_files import write_gguf
from tests.support.model_configs import CONFIGS


def test_a_name_of_the_catalogue() -> None:
    assert shape_of("Qwen/Qwen3-32B") == architecture("Qwen/Qwen3-32B")


def test_a_config_or_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIGS["deepseek-ai/DeepSeek-V3"]))
    expected = replace(architecture("DeepSeek-V3"), name="mine", source=str(folder / "config.json"))
    assert shape_of(str(folder / "config.json")) == expected
    assert shape_of(str(folder)) == expected
    assert shape_of(f"file://{folder}") == expected


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [("{", UsageError, "is not JSON"), ("[]", UsageError, "holds no JSON object"), ("{}", UsageError, "does not say")],
)
def test_a_file_that_is_no_config(text: str, error: type[Exception], said: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(error, match=said):
        shape_of(str(tmp_path / "config.json"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        shape_of(str(tmp_path / "config.json"))


def test_a_gguf_file(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny.gguf")
    with pytest.raises(UsageError, match=r"tiny: its GGUF header does not say llama\.feed_forward_length"):
        shape_of(str(path))


BUILT_IN = [each for each in builtin.CATALOGUE.values() if each.weights.endswith(".gguf")]


@pytest.mark.parametrize("model", BUILT_IN, ids=lambda model: model.name)
def test_the_header_of_a_built_in_model_is_its_row(model: builtin.Builtin, shared_cache: Path) -> None:
    path = model.folder / model.weights
    if not path.is_file():
        pytest.skip(f"{model.name} has not been fetched here")
    found, row = shape_of(str(path)), architecture(f"builtin://{model.name}")
    assert found == replace(row, name=found.name, source=found.source)
    assert parameters.weight_bytes(found) == pytest.approx(gguf.header(path).file_bytes, rel=0.06)


def keys(kind: str, pairs: dict[str, Any]) -> dict[str, Any]:
    return {"general.architecture": kind, "general.file_type": 15} | {
        f"{kind}.{key}": value for key, value in pairs.items()
    }


HEADERS = {
    "Qwen/Qwen3-30B-A3B": keys(
        "qwen3moe",
        {
            "block_count": 48, "context_length": 40960, "embedding_length": 2048, "feed_forward_length": 6144,
            "attention.head_count": 32, "attention.head_count_kv": 4, "attention.key_length": 128,
            "attention.value_length": 128, "expert_count": 128, "expert_used_count": 8,
            "expert_feed_forward_length": 768, "vocab_size": 151936,
        },
    ),
    "openai/gpt-oss-20b": keys(
        "gpt-oss",
        {
            "block_count": 24, "context_length": 131072, "embedding_length": 2880, "feed_forward_length": 2880,
            "attention.head_count": 64, "attention.head_count_kv": 8, "attention.key_length": 64,
            "attention.value_length": 64, "attention.sliding_window": 128, "expert_count": 32,
            "expert_used_count": 4, "expert_feed_forward_length": 2880, "vocab_size": 201088,
        },
    ),
    "deepseek-ai/DeepSeek-V3": keys(
        "deepseek2",
        {
            "block_count": 61, "context_length": 163840, "embedding_length": 7168, "feed_forward_length": 18432,
            "attention.head_count": 128, "attention.head_count_kv": 1, "attention.key_length": 576,
            "attention.value_length": 512, "attention.key_length_mla": 192, "attention.value_length_mla": 128,
            "attention.q_lora_rank": 1536, "attention.kv_lora_rank": 512, "rope.dimension_count": 64,
            "expert_count": 256, "expert_used_count": 8, "expert_shared_count": 1,
            "expert_feed_forward_length": 2048, "leading_dense_block_count": 3, "vocab_size": 129280,
        },
    ),
    "Qwen/Qwen3-Next-80B-A3B-Instruct": keys(
        "qwen3next",
        {
            "block_count": 48, "context_length": 262144, "embedding_length": 2048, "feed_forward_length": 5120,
            "attention.head_count": 16, "attention.head_count_kv": 2, "attention.key_length": 256,
            "attention.value_length": 256, "expert_count": 512, "expert_used_count": 10,
            "expert_feed_forward_length": 512, "expert_shared_feed_forward_length": 512, "ssm.inner_size": 4096,
            "ssm.state_size": 128, "ssm.group_count": 16, "ssm.time_step_rank": 32, "ssm.conv_kernel": 4,
            "full_attention_interval": 4, "vocab_size": 151936,
        },
    ),
    "google/gemma-3-12b": keys(
        "gemma3",
        {
            "block_count": 48, "context_length": 131072, "embedding_length": 3840, "feed_forward_length": 15360,
            "attention.head_count": 16, "attention.head_count_kv": 8, "attention.key_length": 256,
            "attention.value_length": 256, "attention.sliding_window": 1024, "vocab_size": 262208,
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_the_row_of_the_catalogue(name: str) -> None:
    row = architecture(name)
    tensors = {"token_embd.weight"} | (set() if row.tied else {"output.weight"})
    found = from_header(HEADERS[name], tensors, name)
    ffn = row.ffn if row.dense_layers or not row.experts else found.ffn
    assert found == replace(row, native="q4_k_m", source=found.source, ffn=ffn)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gemma3.block_count": 0}, "does not say gemma3.block_count"),
        ({"gemma3.ssm.inner_size": 4096}, "layers of the kind 'gemma3' are not known"),
        ({"gemma3.attention.head_count": [16, 0, 16]}, "some of its layers have no attention"),
        ({"general.file_type": 31}, "file type 31, which is not known"),
    ],
)
def test_what_a_header_cannot_tell(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        from_header(HEADERS["google/gemma-3-12b"] | changed)


@settings(max_examples=200)
@given(name=st.sampled_from(sorted(HEADERS)), data=st.data())
def test_any_header_is_an_architecture_or_one_error(name: str, data: st.DataObject) -> None:
    pairs = dict(HEADERS[name])
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from(sorted(pairs)))
        pairs[key] = data.draw(st.sampled_from((None, "", "x", 0, -1, 1.5, 2**70, True, [], [None], ["x"], [3, "y"])))
    try:
        model = from_header(pairs, (), "mine")
    except UsageError:
        return
    assert parameters.total(model) > 0
    assert parameters.kv_bytes(model, 1000) >= 0
