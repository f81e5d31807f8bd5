"""What vLLM says of itself in /metrics, as Signals: names of V1 first, then those of older versions.

The mock engine speaks the same names and is read by the same function.
"""

from __future__ import annotations

from headway.engines.base import Signals
from headway.engines.exposition import mean, samples, total

__all__ = ["signals"]


def signals(metrics: str) -> Signals:
    found = samples(metrics)
    return Signals(
        running=total(found, "vllm:num_requests_running"),
        waiting=total(found, "vllm:num_requests_waiting"),
        kv_used=mean(found, "vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc", "vllm:cpu_cache_usage_perc"),
        prompt_tokens=total(found, "vllm:prompt_tokens_total"),
        cached_prompt_tokens=total(
            found,
            "vllm:prompt_tokens_cached_total",
            "vllm:prefix_cache_hits_total",
            "vllm:gpu_prefix_cache_hits_total",
        ),
        generated_tokens=total(found, "vllm:generation_tokens_total"),
    )
