"""Models by any name, never the wrong one; counts of parameters as their publishers say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.engines.builtin import CATALOGUE
from headway.errors import UsageError
from headway.perf.catalog import parameters
from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.architecture import Architecture
from headway.perf.catalog.models import architecture, architectures, same_shape, shapes
from headway.perf.catalog.names import words
from headway.perf.setting import Setting
from headway.perf.step.cache import cache_of
from headway.perf.step.layers import layers_of

PUBLISHED: dict[str, tuple[float, float | None]] = {  # billions: all, and for each token as the publisher counts
    "meta-llama/Llama-3.1-8B": (8.03, None),
    "meta-llama/Llama-3.1-70B": (70.6, None),
    "meta-llama/Llama-3.1-405B": (405.9, None),
    "meta-llama/Llama-3.2-1B": (1.24, None),
    "meta-llama/Llama-4-Scout-17B-16E": (109, 17),
    "meta-llama/Llama-4-Maverick-17B-128E": (400, 17),
    "Qwen/Qwen2.5-0.5B": (0.494, None),
    "Qwen/Qwen2.5-7B": (7.62, None),
    "Qwen/Qwen2.5-72B": (72.7, None),
    "Qwen/Qwen3-0.6B": (0.6, None),
    "Qwen/Qwen3-32B": (32.8, None),
    "Qwen/Qwen3-30B-A3B": (30.5, 3.3),
    "Qwen/Qwen3-235B-A22B": (235, 22),
    "Qwen/Qwen3-Coder-480B-A35B-Instruct": (480, 35),
    "Qwen/Qwen3-Next-80B-A3B-Instruct": (80, None),
    "Qwen/Qwen3.5-27B": (27, None),
    "Qwen/Qwen3.5-35B-A3B": (35, None),
    "Qwen/Qwen3.5-122B-A10B": (122, 10),
    "Qwen/Qwen3.5-397B-A17B": (397, 17),
    "deepseek-ai/DeepSeek-V3": (671, 37),
    "deepseek-ai/DeepSeek-V2": (236, 21),
    "deepseek-ai/DeepSeek-V2-Lite": (15.7, None),
    "deepseek-ai/DeepSeek-V4-Flash": (284, None),
    "moonshotai/Kimi-K2-Instruct": (1040, 32),
    "moonshotai/Kimi-K3": (2800, 104),
    "openai/gpt-oss-120b": (116.8, 5.13),
    "openai/gpt-oss-20b": (20.9, 3.61),
    "zai-org/GLM-4.5": (355, 32),
    "zai-org/GLM-4.5-Air": (106, 12),
    "zai-org/GLM-5": (744, 40),
    "MiniMaxAI/MiniMax-M2": (230, None),
    "XiaomiMiMo/MiMo-V2-Flash": (309, 15),
    "google/gemma-2-9b": (9.24, None),
    "google/gemma-3-270m": (0.268, None),
    "google/gemma-3-27b": (27.0, None),
    "google/gemma-4-26B-A4B": (25.2, 3.8),
    "google/gemma-4-31B": (30.7, None),
    "mistralai/Mistral-7B-v0.3": (7.25, None),
    "mistralai/Mixtral-8x7B-v0.1": (46.7, 12.9),
    "mistralai/Mixtral-8x22B-v0.1": (141, 39),
    "nvidia/Llama-3_3-Nemotron-Super-49B-v1": (49.9, None),
    "nvidia/Nemotron-H-56B-Base-8K": (56, None),
    "nvidia/NVIDIA-Nemotron-Nano-9B-v2": (8.89, None),
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": (31.6, 3.6),
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16": (120.6, 12.7),
    "microsoft/phi-4": (14.7, None),
    "microsoft/Phi-3.5-MoE-instruct": (41.9, 6.6),
    "databricks/dbrx-instruct": (132, 36),
    "HuggingFaceTB/SmolLM2-135M": (0.135, None),
    "bigscience/bloom": (176.2, None),
    "openai-community/gpt2": (0.124, None),
    "facebook/opt-175b": (175, None),
    "bigscience/bloom-7b1": (7.07, None),
    "tiiuae/falcon-7b": (6.92, None),
    "tiiuae/falcon-40b": (41.8, None),
    "tiiuae/falcon-180B": (179.5, None),
    "internlm/internlm2_5-20b-chat": (19.9, None),
    "01-ai/Yi-9B": (8.83, None),
    "allenai/OLMo-2-1124-7B": (7.3, None),
    "allenai/OLMo-2-1124-13B": (13.7, None),
    "allenai/OLMo-2-0325-32B": (32.2, None),
    "ibm-granite/granite-3.1-2b-instruct": (2.53, None),
    "Qwen/Qwen2-57B-A14B": (57.4, 14),
    "deepseek-ai/deepseek-llm-67b-base": (67.4, None),
    "deepseek-ai/deepseek-coder-33b-instruct": (33.3, None),
    "deepseek-ai/deepseek-moe-16b-base": (16.4, 2.8),
    "mosaicml/mpt-30b": (30, None),
    "google/gemma-2b": (2.51, None),
    "google/gemma-7b": (8.54, None),
    "CohereForAI/c4ai-command-r7b-12-2024": (8.03, None),
    "CohereForAI/c4ai-command-r-08-2024": (32.3, None),
    "zai-org/GLM-4-9B-0414": (9.4, None),
    "zai-org/GLM-4-32B-0414": (32.6, None),
    "tencent/Hunyuan-A13B-Instruct": (80.4, 13),
    "moonshotai/Kimi-Linear-48B-A3B-Instruct": (49.1, 3),
    "baidu/ERNIE-4.5-21B-A3B-PT": (21.8, 3),
    "baidu/ERNIE-4.5-300B-A47B-PT": (300, 47),
    "nvidia/Nemotron-4-340B-Instruct": (341, None),
    "xai-org/grok-1": (314, None),
    "upstage/SOLAR-10.7B-v1.0": (10.7, None),
}
WITHOUT_EMBEDDING = ("openai/", "zai-org/", "moonshotai/Kimi-K2")
"""Publishers whose active counts leave the embedding out."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_of_parameters_are_the_published_ones(name: str) -> None:
    model, (total, active) = architecture(name), PUBLISHED[name]
    assert parameters.total(model) / 1e9 == pytest.approx(total, rel=0.03)
    if active:
        counted = parameters.active(model, embedded=not name.startswith(WITHOUT_EMBEDDING))
        if active == round(active):  # a name's "A12B" may stand for anything that begins with 12, or is nearest to it
            assert active - 0.5 <= counted / 1e9 < active + max(1, 0.03 * active)
        else:
            assert counted / 1e9 == pytest.approx(active, rel=0.03)


@pytest.mark.parametrize("name", shapes())
def test_one_accelerator_holds_all_of_it(name: str) -> None:
    """What the step model splits over ranks is what is counted here, and its cache, too."""
    model, whole = architecture(name), accelerator("H200")
    setting = Setting(model, whole)
    layers = layers_of(setting)
    held = layers.split + layers.experts * layers.expert + layers.router + layers.head + layers.embedding
    assert held == pytest.approx(parameters.total(model), rel=0.005)
    cache = cache_of(setting)
    windows = model.windowed_layers and parameters.kv_bytes(model, model.window) - model.window * cache.token
    assert cache.token * 1e6 + windows == pytest.approx(parameters.kv_bytes(model, 1e6), rel=0.05)


@pytest.mark.parametrize(
    ("name", "size"),
    [  # bytes a token in bf16: layers x KV heads x head width x 2 x 2, as engines report them
        ("meta-llama/Llama-3.1-8B", 131_072),
        ("meta-llama/Llama-3.1-70B", 327_680),
        ("Qwen/Qwen2.5-7B", 57_344),
        ("deepseek-ai/DeepSeek-V3", 70_272),
        ("Qwen/Qwen3-235B-A22B", 192_512),
        ("mistralai/Mixtral-8x7B-v0.1", 131_072),
        ("google/gemma-3-27b", 507_904),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 6_144),
    ],
)
def test_bytes_of_keys_and_values(name: str, size: int) -> None:
    model = architecture(name)
    assert parameters.kv_bytes_per_token(model) == size
    assert parameters.kv_bytes_per_token(model, "fp8") == size / 2


def test_a_windowed_layer_keeps_its_window() -> None:
    model = architecture("openai/gpt-oss-120b")
    a_token = 18 * 2 * 8 * 64 * 2
    assert parameters.kv_bytes(model, 100) == 2 * 100 * a_token
    assert parameters.kv_bytes(model, 10_000) == (10_000 + 128) * a_token


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [  # of the published files
        ("meta-llama/Llama-3.1-8B", 16.1),
        ("openai/gpt-oss-120b", 65.3),
        ("openai/gpt-oss-20b", 13.8),
        ("deepseek-ai/DeepSeek-V3", 674),
        ("Qwen/Qwen3-32B-FP8", 34.3),
        ("builtin://smollm2-135m-instruct", 0.0984),
        ("builtin://gemma-3-270m", 0.253),
    ],
)
def test_bytes_of_published_weights(name: str, gigabytes: float) -> None:
    assert parameters.weight_bytes(architecture(name)) / 1e9 == pytest.approx(gigabytes, rel=0.06)


@pytest.mark.parametrize(
    ("asked", "found", "native"),
    [
        ("Qwen/Qwen3-32B", "Qwen/Qwen3-32B", "bf16"),
        ("qwen3-32b", "Qwen/Qwen3-32B", "bf16"),
        ("qwen2-5-0-5b-instruct", "Qwen/Qwen2.5-0.5B-Instruct", "bf16"),
        ("nvidia/Llama-3.3-70B-Instruct-FP8", "nvidia/Llama-3.3-70B-Instruct-FP8", "fp8"),
        ("hf://Qwen/Qwen2.5-7B-Instruct@main", "Qwen/Qwen2.5-7B-Instruct", "bf16"),
        ("https://huggingface.co/Qwen/Qwen3-8B", "Qwen/Qwen3-8B", "bf16"),
        ("meta-llama/Llama-3.1-70B", "meta-llama/Llama-3.1-70B", "bf16"),
        ("meta-llama/Llama-3.1-405B-Instruct", "meta-llama/Llama-3.1-405B-Instruct", "bf16"),
        ("zhipuai/GLM-5", "zai-org/GLM-5", "bf16"),
        ("TheBloke/Llama-2-7B-Chat-AWQ", "meta-llama/Llama-2-7b-hf", "int4"),
        ("TheBloke/Mixtral-8x7B-Instruct-v0.1-GPTQ", "mistralai/Mixtral-8x7B-Instruct-v0.1", "int4"),
        ("RedHatAI/Qwen2.5-72B-Instruct-quantized.w8a8", "Qwen/Qwen2.5-72B", "int8"),
        ("RedHatAI/Llama-3.1-8B-Instruct-quantized.w4a16", "meta-llama/Llama-3.1-8B", "int4"),
        ("RedHatAI/Qwen2.5-72B-Instruct-w8a8", "Qwen/Qwen2.5-72B-Instruct", "int8"),
        ("unsloth/Llama-3.1-8B-Instruct-bnb-4bit", "meta-llama/Llama-3.1-8B-Instruct", "int4"),
        ("unsloth/Qwen3-30B-A3B-UD-Q4_K_XL.gguf", "Qwen/Qwen3-30B-A3B", "q4_k"),
        ("bartowski/Qwen2.5-7B-Instruct-Q4_K_M.gguf", "Qwen/Qwen2.5-7B-Instruct", "q4_k_m"),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "Qwen/Qwen2.5-Coder-7B", "bf16"),
        ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1", "fp8"),
        ("deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-V3", "fp8"),
        ("openai/gpt-oss-120b", "openai/gpt-oss-120b", "mxfp4"),
        ("moonshotai/Kimi-K2.5", "moonshotai/Kimi-K2.5", "int4"),
        ("nvidia/Kimi-K2.5-NVFP4", "nvidia/Kimi-K2.5-NVFP4", "nvfp4"),
        ("nvidia/DeepSeek-R1-0528-FP4", "deepseek-ai/DeepSeek-R1-0528", "nvfp4"),
        ("nvidia/DeepSeek-R1-0528-FP4-v2", "nvidia/DeepSeek-R1-0528-FP4-v2", "nvfp4"),
        ("amd/DeepSeek-R1-0528-MXFP4-Preview", "deepseek-ai/DeepSeek-R1-0528", "mxfp4"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "Qwen/Qwen3-235B-A22B-Instruct-2507", "fp8"),
        ("nvidia/Llama-3.3-70B-Instruct-FP4", "meta-llama/Llama-3.3-70B-Instruct", "nvfp4"),
        ("llama3.1:8b", "meta-llama/Llama-3.1-8B", "bf16"),
        ("smollm2-135m-instruct", "builtin://smollm2-135m-instruct", "q4_1"),
        ("builtin://gemma-3-270m", "builtin://gemma-3-270m", "q4_k_m"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M", "bf16"),
        ("google/gemma-3-270m", "google/gemma-3-270m", "bf16"),
    ],
)
def test_names_are_forgiven(asked: str, found: str, native: str) -> None:
    model = architecture(asked)
    assert (model.name, model.native) == (found, native)


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("Qwen3-1.4B", "Qwen/Qwen3-1.7B"),
        ("Qwen/Qwen3-33B", "Qwen/Qwen3-32B"),
        ("meta-llama/Llama-3.1-9B", "meta-llama/Llama-3.1-8B"),
        ("mistralai/Mistral-7B", "mistralai/Mistral-7B-v0.1"),
        ("microsoft/Phi-4-multimodal-instruct", "microsoft/Phi-4-mini-instruct"),
        ("builtin://gemma-3-271m", "builtin://gemma-3-270m"),
        ("DeepSeek-R1-Distill-Llama-7B", "deepseek-ai/DeepSeek-R1-Distill-Llama-70B"),
        ("fp8", ""),
        ("", ""),
    ],
)
def test_another_model_is_never_taken_for_it(asked: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        architecture(asked)
    assert near in str(caught.value)
    assert "ive its config.json" in str(caught.value)


def shape(model: Architecture) -> Architecture:
    return replace(model, name="", native="", source="", context=0)


def test_words_that_are_passed_over_never_join_two_shapes() -> None:
    for name, model in architectures().items():
        bare = name.rpartition("/")[2]
        for asked in (bare, f"someone/{bare}-Instruct", f"{bare.lower()}-AWQ", f"{bare}-GGUF"):
            assert shape(architecture(asked)) == shape(model), asked


@given(st.text("qwenlamdeps3-.25078b/", max_size=20))
def test_any_text_is_a_model_or_one_error(text: str) -> None:
    try:
        found = architecture(text)
    except UsageError:
        return
    assert set(words(found.name.rpartition("/")[2])) & set(words(text))


def test_every_row_is_whole() -> None:
    assert len(architectures()) >= 300
    assert len(shapes()) >= 117
    for name, model in architectures().items():
        assert model.name == name
        assert model.source
        assert model.context
        assert name in same_shape(name)
        mixers = model.windowed_layers + model.linear_layers
        assert max(mixers, model.dense_layers + model.bare_layers) <= model.layers
        assert bool(model.experts) == bool(model.moe_ffn) == bool(model.top_k)
        assert model.ffn or model.experts


def test_the_built_in_models_are_there() -> None:
    for name, built_in in CATALOGUE.items():
        assert architecture(f"builtin://{name}").context == built_in.context
