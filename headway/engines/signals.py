"""What an engine says of itself in its /metrics, whatever engine it is.

Engines' names differ and change; which engine wrote a text is plain from the names in it, so nobody has to say. The
first name that is there counts: those of vLLM's V1 engine before older ones (docs.vllm.ai, design/metrics), SGLang
(docs.sglang.ai, references/production_metrics), llama.cpp (tools/server/README.md), TensorRT-LLM and TGI.

It imports next to nothing: the gateway's hub reads Signals too.
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.engines.exposition import labels, mean, samples, total

__all__ = ["Signals", "read_signals"]


@dataclass(frozen=True, slots=True)
class Signals:
    """None = unsaid. Tokens are totals since the engine's start; kv_used is 0..1; kv_tokens is what the KV cache
    holds in all; adapters are those loaded now."""

    running: int | None = None
    waiting: int | None = None
    kv_used: float | None = None
    kv_tokens: int | None = None
    prompt_tokens: int | None = None
    cached_prompt_tokens: int | None = None
    generated_tokens: int | None = None
    adapters: tuple[str, ...] | None = None


_RUNNING = (
    "vllm:num_requests_running",
    "sglang:num_running_reqs",
    "llamacpp:requests_processing",
    "tgi_batch_current_size",
)
_WAITING = (
    "vllm:num_requests_waiting",
    "sglang:num_queue_reqs",
    "llamacpp:requests_deferred",
    "trtllm_num_requests_waiting",
    "tgi_queue_size",
)
_KV_USED = (
    "vllm:kv_cache_usage_perc",
    "vllm:gpu_cache_usage_perc",
    "vllm:cpu_cache_usage_perc",
    "sglang:token_usage",
    "trtllm_kv_cache_utilization",
    "llamacpp:kv_cache_usage_ratio",  # newer ones say nothing of their KV cache
)
_PROMPT = ("vllm:prompt_tokens_total", "sglang:prompt_tokens_total", "llamacpp:prompt_tokens_total")
_CACHED = (
    "vllm:prompt_tokens_cached_total",
    "vllm:prefix_cache_hits_total",
    "vllm:gpu_prefix_cache_hits_total",
    "sglang:cached_tokens_total",
    "llamacpp:prompt_tokens_cached_total",
)
_GENERATED = (
    "vllm:generation_tokens_total",
    "sglang:generation_tokens_total",
    "llamacpp:tokens_predicted_total",
)
_LORA = "vllm:lora_requests_info"
_CACHE = "vllm:cache_config_info"


def read_signals(metrics: str) -> Signals:
    """`metrics` is Prometheus text."""
    found = samples(metrics)
    return Signals(
        running=total(found, *_RUNNING),
        waiting=total(found, *_WAITING),
        kv_used=mean(found, *_KV_USED),
        kv_tokens=_kv_tokens(metrics) if _CACHE in found else None,
        prompt_tokens=total(found, *_PROMPT),
        cached_prompt_tokens=total(found, *_CACHED),
        generated_tokens=total(found, *_GENERATED),
        adapters=_adapters(metrics) if _LORA in found else None,
    )


def _kv_tokens(metrics: str) -> int | None:
    """Blocks times their size, added up over the ranks of one server."""
    sizes = [(each.get("block_size", ""), each.get("num_gpu_blocks", "")) for each, _ in labels(metrics, _CACHE)]
    return sum(int(size) * int(blocks) for size, blocks in sizes if size.isdigit() and blocks.isdigit()) or None


def _adapters(metrics: str) -> tuple[str, ...]:
    """vLLM leaves a line for every state it has been in, and the time as its value: the newest holds."""
    lines = labels(metrics, _LORA)
    newest = max(lines, key=lambda line: line[1])[0] if lines else {}
    return tuple(sorted(filter(None, newest.get("running_lora_adapters", "").split(","))))
