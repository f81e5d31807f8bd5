"""Room for keys and values, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headway.errors import ResourceError
from headway.perf.catalog.accelerators import accelerator
from headway.perf.catalog.models import architecture
from headway.perf.limits import BLOCK, admitted, limits, weight_bytes
from headway.perf.setting import Setting
from tests.support.performance import DENSE, GPU, constants_with, setting

CONSTANTS = constants_with()


def test_what_is_left_of_the_share_is_for_keys_and_values() -> None:
    """90 % of 80 GB, less weights and 1 GB; 8,000 bytes for a token."""
    weights = (10 * (2_400_000 + 12_000_000) + 2 * 10_000_000) * 2
    assert weight_bytes(setting()) == weights
    room = (0.9 * 80e9 - weights - 1e9) / (2 * 2 * 100 * 2 * 10)
    assert limits(setting(), CONSTANTS).kv_tokens == int(room) // BLOCK * BLOCK


def test_tensorrt_takes_its_share_of_what_is_free() -> None:
    free = 80e9 - weight_bytes(setting()) - 1e9
    found = limits(setting(engine="trtllm"), CONSTANTS).kv_tokens
    assert found == int(0.9 * free / 8000) // BLOCK * BLOCK


def test_the_setting_wins() -> None:
    found = limits(setting(memory_share=0.5, most_sequences=7, token_budget=99), CONSTANTS)
    assert (found.most_sequences, found.token_budget) == (7, 99)
    assert found.kv_tokens < limits(setting(), CONSTANTS).kv_tokens


def test_what_does_not_fit_is_said_with_numbers() -> None:
    small = replace(GPU, memory=1 * 10**9)
    with pytest.raises(ResourceError, match=r"dense does not fit on 1 x Made: 0\.3 GB of weights.*of 1\.0 GB"):
        limits(setting(accelerator=small), CONSTANTS)


def test_a_sequence_of_windows_and_states_bounds_how_many_run() -> None:
    hybrid = replace(DENSE, linear_layers=9, state_bytes=1 << 30, linear_mixer=1)
    found = limits(setting(hybrid), CONSTANTS)
    assert found.most_sequences < 256


@pytest.mark.parametrize(
    ("model", "system", "tensor", "weights", "gigabytes"),
    [
        ("meta-llama/Llama-3.1-70B", "h200_sxm", 1, "fp8", 72.6),
        ("meta-llama/Llama-3.1-8B", "l40s", 1, "bf16", 16.1),
        ("deepseek-ai/DeepSeek-R1", "h200_sxm", 8, "fp8", 86.0),
    ],
)
def test_weights_of_known_models(model: str, system: str, tensor: int, weights: str, gigabytes: float) -> None:
    """70.6 B parameters, of which 2.1 B of the vocabulary in two bytes; 8.03 B in two; 671 B over eight (the first
    layers and latents replicated)."""
    of = Setting(architecture(model), accelerator(system), weights=weights, tensor=tensor)
    assert weight_bytes(of) / 1e9 == pytest.approx(gigabytes, rel=0.03)


def test_tensorrt_admits_by_the_whole_length() -> None:
    room = limits(setting(engine="trtllm"), CONSTANTS)
    assert admitted(setting(engine="trtllm"), room, room.kv_tokens / 3).most_sequences == 3
    assert admitted(setting(engine="vllm"), room, room.kv_tokens / 3) == room
    assert admitted(setting(engine="trtllm"), room, 10 * room.kv_tokens).most_sequences == 1
