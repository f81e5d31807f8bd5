"""Signals out of what engines write, and what is not there stays unsaid."""

from __future__ import annotations

import pytest

from headway.engines.signals import Signals, read_signals


def signals(running: int, waiting: int, prompt: int, cached: int, generated: int) -> Signals:
    return Signals(running, waiting, 0.25, None, prompt, cached, generated)


NEW = """
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 2.0
vllm:num_requests_waiting{engine="0",model_name="m"} 3.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:prompt_tokens_total{engine="0",model_name="m"} 100.0
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 32.0
vllm:generation_tokens_total{engine="0",model_name="m"} 7.0
vllm:e2e_request_latency_seconds_bucket{le="0.3",model_name="m"} 1.0
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (NEW, signals(2, 3, 100, 32, 7)),
        (NEW + NEW.replace('engine="0"', 'engine="1"'), signals(4, 6, 200, 64, 14)),
        (NEW.replace("kv_cache_usage_perc", "gpu_cache_usage_perc"), signals(2, 3, 100, 32, 7)),
        (NEW + "vllm:prompt_tokens_cached_total 48\n", signals(2, 3, 100, 48, 7)),
        ("", Signals()),
        ("rubbish {{{\nvllm:num_requests_running NaN\n", Signals()),
    ],
)
def test_by_new_and_old_names(text: str, expected: Signals) -> None:
    assert read_signals(text) == expected


SGLANG = """
sglang:num_running_reqs{model_name="m"} 4.0
sglang:num_queue_reqs{model_name="m"} 1.0
sglang:token_usage{model_name="m"} 0.5
sglang:prompt_tokens_total{model_name="m"} 10.0
sglang:cached_tokens_total{model_name="m"} 8.0
sglang:generation_tokens_total{model_name="m"} 2.0
"""

ADAPTERS = """
vllm:cache_config_info{block_size="16",cache_dtype="auto",num_gpu_blocks="1000"} 1.0
vllm:lora_requests_info{max_lora="4",running_lora_adapters="legal",waiting_lora_adapters=""} 1.7e9
vllm:lora_requests_info{max_lora="4",running_lora_adapters="tax,legal",waiting_lora_adapters="hr"} 1.8e9
"""


def test_other_engines_and_what_only_vllm_says() -> None:
    assert read_signals(SGLANG) == Signals(4, 1, 0.5, None, 10, 8, 2)
    assert read_signals("tgi_queue_size 3\ntgi_batch_current_size 2\n") == Signals(2, 3)
    found = read_signals(ADAPTERS)
    assert (found.kv_tokens, found.adapters) == (16000, ("legal", "tax"))
