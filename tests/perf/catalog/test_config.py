"""A config.json leads to the architecture that the catalogue has for it, and says what it lacks."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.errors import UsageError
from headway.perf.catalog import parameters
from headway.perf.catalog.config import from_config
from headway.perf.catalog.models import architecture
from tests.support.model_configs import CONFIGS


@pytest.mark.parametrize("name", CONFIGS)
def test_a_published_config_is_the_row_of_the_catalogue(name: str) -> None:
    found, listed = from_config(CONFIGS[name], name), architecture(name)
    assert found == replace(listed, name=name, source=found.source)
    assert "config.json" in found.source


def without(name: str, *fields: str) -> dict[str, Any]:
    return {key: value for key, value in CONFIGS[name].items() if key not in fields}


@pytest.mark.parametrize(
    ("config", "missing"),
    [
        ({}, "hidden_size, num_attention_heads"),
        ({"model_type": "llama"}, "intermediate_size"),
        (without("meta-llama/Llama-3.1-8B-Instruct", "vocab_size"), "does not say vocab_size"),
        (without("meta-llama/Llama-3.1-8B-Instruct", "num_hidden_layers"), "does not say num_hidden_layers"),
        (without("Qwen/Qwen3-235B-A22B-FP8", "num_experts_per_tok"), "does not say num_experts_per_tok"),
    ],
)
def test_what_a_config_lacks_is_named(config: dict[str, Any], missing: str) -> None:
    with pytest.raises(UsageError, match=missing):
        from_config(config, "mine")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model_type": "t5"}, "'t5' are not supported"),
        ({"block_configs": [{"attention": {"no_op": True}}]}, "its block_configs are not known"),
        ({"quantization_config": {"quant_method": "quark"}}, "method 'quark', which is not known"),
        ({"layer_types": ["mamba"] * 32}, "32 of its layers are linear ones whose widths"),
        ({"hybrid_override_pattern": "MXM-"}, "'MXM-' is not known"),
    ],
)
def test_what_cannot_be_told_is_an_error_and_no_guess(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        from_config(CONFIGS["meta-llama/Llama-3.1-8B-Instruct"] | changed, "mine")


@pytest.mark.parametrize(
    ("told", "native"),
    [
        ({}, "bf16"),
        ({"torch_dtype": "float32"}, "f32"),
        ({"dtype": "float16"}, "bf16"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}}, "int4"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 8}}, "int8"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}, "int4"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}, "int8"),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4"}}, "nvfp4"),
        ({"quantization_config": {"quant_method": "modelopt", "quant_algo": "FP8"}}, "fp8"),
        ({"quantization_config": {"quant_method": "fbgemm_fp8"}}, "fp8"),
        (
            {
                "quantization_config": {
                    "quant_method": "compressed-tensors",
                    "format": "float-quantized",
                    "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}},
                }
            },
            "fp8",
        ),
        ({"quantization_config": {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}}, "nvfp4"),
        ({"quantization": {"bits": 4, "group_size": 64}}, "int4"),
    ],
)
def test_the_dtype_of_the_weights_is_read(told: dict[str, Any], native: str) -> None:
    config = without("meta-llama/Llama-3.1-8B-Instruct", "torch_dtype") | told
    assert from_config(config).native == native


def test_pruned_blocks_are_shared_out() -> None:
    """Two of three blocks have attention, one MLP is half as wide, one is gone; the weights are those of the blocks."""
    llama = CONFIGS["meta-llama/Llama-3.1-8B-Instruct"]
    attention, gone = {"n_heads_in_group": 4, "no_op": False}, {"no_op": True}
    blocks = [
        {"attention": attention, "ffn": {"ffn_mult": 5.25}},
        {"attention": {"n_heads_in_group": None, "no_op": True}, "ffn": {"ffn_mult": 2.625}},
        {"attention": attention, "ffn": gone},
    ]
    config = llama | {"model_type": "nemotron-nas", "block_configs": blocks, "intermediate_size": None}
    model = from_config(config, "pruned")
    assert (model.layers, model.kv_heads) == (2, 8)
    mlps = 3 * 4096 * (14336 + 7168)
    attentions = 2 * 4096 * (2 * 4096 + 2 * 1024)
    assert parameters.total(model) == attentions + mlps + 2 * 128256 * 4096
    assert parameters.kv_bytes_per_token(model) == 2 * 8 * 128 * 2 * 2


JUNK = (
    None, "", "7", "x", 0, -1, 1.5, 2**70, True, [], [None], ["x"], [3, "y"], {}, {"x": None}, [{}],
    {"kda_layers": [1]}, {"config_groups": {"g": None}}, {"quant_method": "compressed-tensors", "config_groups": []},
)  # fmt: skip


def places(config: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = [place for key, value in config.items() if isinstance(value, dict) for place in places(value, (*path, key))]
    return [*((*path, key) for key in config), *below]


@settings(max_examples=300)
@given(name=st.sampled_from(sorted(CONFIGS)), data=st.data())
def test_any_config_is_an_architecture_or_one_error(name: str, data: st.DataObject) -> None:
    config = copy.deepcopy(CONFIGS[name])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places(config)))
        where = config
        for key in place[:-1]:
            where = where[key]
        where[place[-1]] = copy.deepcopy(data.draw(st.sampled_from(JUNK)))
    try:
        model = from_config(config, "mine")
    except UsageError:
        return
    assert parameters.total(model) > 0
    assert parameters.kv_bytes(model, 1000) >= 0


def test_blocks_may_be_listed_by_name() -> None:
    name = "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"
    kinds = {"M": "mamba", "E": "moe", "*": "attention"}
    listed = [kinds[each] for each in CONFIGS[name]["hybrid_override_pattern"]]
    config = without(name, "hybrid_override_pattern") | {"layers_block_type": listed}
    assert from_config(config, "x") == from_config(CONFIGS[name], "x")
