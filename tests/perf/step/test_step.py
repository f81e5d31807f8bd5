"""Each term of a step against the same by hand, with units, and what must hold of all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.perf.constants import constants
from headway.perf.step.attention import attention_of
from headway.perf.step.cache import cache_of
from headway.perf.step.layers import attention_parameters, layers_of
from headway.perf.step.links import latency, links_of
from headway.perf.step.step import PASSES, step_of
from tests.support.performance import DENSE, GPU, MIXTURE, constants_with, setting

EXACT = constants_with(sharpness=60.0)
"""So sharp that the smooth maximum is the maximum."""


def test_a_decode_step_reads_the_weights_once() -> None:
    """Attention 2.4 M and MLP 12 M parameters a layer, 10 layers, 2 bytes, 1 TB/s; the head 10 M parameters."""
    step = step_of(setting(), EXACT)
    attention, mlp, head = 1000 * 100 * (2 * 10 + 2 * 2), 3 * 1000 * 4000, 10_000 * 1000
    around = PASSES * 10 * 1000 * 2 / 1e12
    expected = (10 * (attention + mlp) + head) * 2 / 1e12 + around
    assert step.seconds(0, 0.0, 0, 1, 0.0) == pytest.approx(expected, rel=1e-3)


def test_a_long_prompt_takes_its_arithmetic() -> None:
    """2 FLOP for a parameter and token at 100 TFLOP/s, and 4 x heads x width x layers for a pair that attends."""
    step = step_of(setting(), EXACT)
    new, attended = 4000, 4000 * 2000.0
    products = 2 * 10 * (2_400_000 + 12_000_000) * new / 1e14
    pairs = 4 * 10 * 100 * 10 * attended / 1e14
    around = PASSES * 10 * 1000 * 2 * new / 1e12
    head = 10_000 * 1000 * 2 / 1e12  # one row: its reading
    assert step.seconds(new, attended, 1, 0, 0.0) == pytest.approx(products + pairs + around + head, rel=1e-3)


def test_the_smooth_maximum_is_above_both_and_below_their_sum() -> None:
    sharp, smooth = step_of(setting(), EXACT), step_of(setting(), constants_with(sharpness=2.0))
    for new in (50, 200, 800):
        one, other = sharp.seconds(new, 0.0, 0, 0, 0.0), smooth.seconds(new, 0.0, 0, 0, 0.0)
        assert one <= other <= one * 2**0.5 + 1e-12


def test_decoding_reads_keys_and_values() -> None:
    """2 x 2 heads x 100 values x 2 bytes x 10 layers for each token of context."""
    attention = attention_of(setting(), EXACT.kernels)
    assert attention.context == pytest.approx(2 * 2 * 100 * 2 * 10 / 1e12)
    assert attention_of(setting(kv="fp8"), EXACT.kernels).context == pytest.approx(attention.context / 2)


def test_kv_heads_are_replicated_beyond_their_number() -> None:
    two, four = (cache_of(setting(tensor=each)).token for each in (2, 4))
    assert two == four == cache_of(setting()).token / 2


def test_latents_are_on_every_rank() -> None:
    latent = replace(DENSE, kv_lora=512, rope_dim=64, query_lora=300, kv_heads=10)
    assert cache_of(setting(latent, tensor=8)).token == cache_of(setting(latent)).token == 10 * 576 * 2
    per_head = 100 + 64
    queries = 300 * (1000 + 10 * per_head)
    assert attention_parameters(latent) == queries + 1000 * 576 + 512 * 10 * 200 + 10 * 100 * 1000


def test_a_window_bounds_what_a_layer_keeps_and_reads() -> None:
    windowed = replace(DENSE, window=128, windowed_layers=5)
    cache = cache_of(setting(windowed))
    assert cache.token == cache_of(setting()).token / 2
    assert cache.sequence == 5 * 2 * 2 * 100 * 2 * 128
    assert attention_of(setting(windowed), EXACT.kernels).sequence == pytest.approx(cache.sequence / 1e12)


def test_linear_layers_keep_a_state_and_no_tokens() -> None:
    hybrid = replace(DENSE, linear_layers=9, state_bytes=1 << 20, linear_mixer=2_000_000)
    cache = cache_of(setting(hybrid))
    assert cache.token == cache_of(setting()).token / 10
    assert cache.state == cache.sequence == 9 << 20
    assert attention_of(setting(hybrid), EXACT.kernels).sequence == pytest.approx(2 * (9 << 20) / 1e12)


def test_a_mixture_reads_the_experts_that_its_tokens_hit() -> None:
    """16 (1 - (1 - 2/16)^n) of 16 experts of 1.5 M parameters, in 10 layers."""
    step = step_of(setting(MIXTURE), EXACT)
    none = step_of(setting(replace(MIXTURE, moe_ffn=0)), EXACT)
    for tokens in (1, 4, 1000):
        hit = 16 * (1 - (7 / 8) ** tokens)
        read = hit * 10 * 3 * 1000 * 500 * 2 / 1e12
        computed = tokens * 2 * 2 * 10 * 3 * 1000 * 500 / 1e14
        took = step.seconds(0, 0.0, 0, tokens, 0.0) - none.seconds(0, 0.0, 0, tokens, 0.0)
        assert took == pytest.approx(max(read, computed), rel=0.02)


def test_a_skewed_router_hits_fewer() -> None:
    even, skewed = (step_of(setting(MIXTURE), constants_with(skew=each)) for each in (1.0, 0.5))
    assert skewed.seconds(0, 0.0, 0, 4, 0.0) < even.seconds(0, 0.0, 0, 4, 0.0)


def test_experts_are_split_whole_or_each_over_ranks() -> None:
    whole, each = (layers_of(setting(MIXTURE, tensor=4, expert=expert)) for expert in (4, 1))
    assert (whole.experts, each.experts) == (4, 16)
    assert whole.expert * whole.experts == each.expert * each.experts


def test_collectives_of_tensor_parallelism() -> None:
    """Twice a layer: 2 us, and 2 (t - 1) / t of 1000 values of 2 bytes over 100 GB/s for each token."""
    links = links_of(setting(tensor=4), constants_with(gather={"2": 2e-6, "8": 2e-6}).kernels)
    assert links.fixed == pytest.approx(20 * 2e-6)
    assert links.token == pytest.approx(20 * 2 * 3 / 4 * 2000 / 1e11)
    assert links_of(setting(), EXACT.kernels).token == 0


def test_without_a_fast_link_they_go_over_pcie_and_between_nodes_over_the_fabric() -> None:
    pcie = links_of(setting(accelerator=replace(GPU, link=0.0), tensor=4), EXACT.kernels)
    linked = links_of(setting(tensor=4), EXACT.kernels)
    assert pcie.token == pytest.approx(10 * linked.token)
    assert links_of(setting(tensor=16), EXACT.kernels).token > 9 * linked.token


def test_latency_is_between_the_measured_ones() -> None:
    kernels = constants_with(gather={"2": 2e-6, "8": 6e-6}).kernels
    assert latency(4, kernels, GPU) == pytest.approx(4e-6)
    assert latency(16, kernels, replace(GPU, node=72)) > 6e-6
    assert latency(16, kernels, GPU) == kernels.gather_fabric


def test_work_on_the_cpu_is_added() -> None:
    engine = {"step": 1e-3, "sequence": 1e-5, "layer": 2e-6, "prompt_layer": 3e-6}
    busy, idle = step_of(setting(), constants_with(engine)), step_of(setting(), constants_with())
    decode = busy.seconds(0, 0.0, 0, 8, 0.0) - idle.seconds(0, 0.0, 0, 8, 0.0)
    assert decode == pytest.approx(1e-3 + 8e-5 + 2e-5)
    prompt = busy.seconds(100, 0.0, 0, 0, 0.0) - idle.seconds(100, 0.0, 0, 0, 0.0)
    assert prompt == pytest.approx(1e-3 + 2e-5 + 3e-5)


def test_stages_of_a_pipeline_take_turns() -> None:
    one, two = (step_of(setting(pipeline=each), EXACT) for each in (1, 2))
    assert two.seconds(0, 0.0, 0, 4, 1e5) == pytest.approx(one.seconds(0, 0.0, 0, 4, 1e5), rel=1e-2)


MODELS = st.sampled_from([DENSE, MIXTURE, replace(DENSE, window=64, windowed_layers=5)])
SETTINGS = st.builds(
    setting,
    MODELS,
    tensor=st.sampled_from([1, 2, 8]),
    weights=st.sampled_from(["bf16", "fp8", "int4"]),
    kv=st.sampled_from(["bf16", "fp8"]),
    engine=st.sampled_from(["vllm", "sglang", "trtllm"]),
)
COUNT = st.integers(0, 4000)


@given(SETTINGS, COUNT, COUNT, st.integers(1, 500), st.integers(0, 10**6), st.integers(1, 10**6))
def test_affine_in_context_and_in_attended(  # noqa: PLR0917 # what hypothesis draws
    of: object, new: int, finishing: int, decodes: int, context: int, more: int
) -> None:
    step = step_of(of, constants())  # type: ignore[arg-type]
    base = step.seconds(new, 0.0, finishing, decodes, float(context))
    longer = step.seconds(new, 0.0, finishing, decodes, float(context + more))
    assert longer - base == pytest.approx(more * step.growth(decodes), rel=1e-6, abs=1e-12)
    once = step.seconds(new, float(more), finishing, decodes, float(context)) - base
    twice = step.seconds(new, 2.0 * more, finishing, decodes, float(context)) - base
    assert twice == pytest.approx(2 * once, rel=1e-6, abs=1e-12)


@given(SETTINGS, COUNT, COUNT, st.integers(1, 500), st.integers(0, 10**6))
def test_more_never_takes_less(of: object, new: int, finishing: int, decodes: int, context: int) -> None:
    step = step_of(of, constants())  # type: ignore[arg-type]
    base = step.seconds(new, float(new), finishing, decodes, float(context))
    assert base > 0
    assert step.seconds(new + 1, float(new), finishing, decodes, float(context)) >= base
    assert step.seconds(new, float(new), finishing + 1, decodes, float(context)) >= base
    assert step.seconds(new, float(new), finishing, decodes + 1, float(context)) >= base


@given(SETTINGS, st.integers(1, 500), st.integers(0, 10**6))
def test_a_better_accelerator_is_never_slower(of: object, decodes: int, context: int) -> None:
    better = replace(GPU, bandwidth=2e12, flops={"bf16": 2e14, "fp8": 4e14}, link=2e11)
    slow = step_of(of, constants())  # type: ignore[arg-type]
    fast = step_of(replace(of, accelerator=better), constants())  # type: ignore[type-var]
    assert fast.seconds(64, 4096.0, 1, decodes, float(context)) < slow.seconds(64, 4096.0, 1, decodes, float(context))
