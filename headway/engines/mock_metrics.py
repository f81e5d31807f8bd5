"""What a mock engine has counted, under vLLM's names and in vLLM's buckets, and the ledger of /mock/totals.

Times are the engine's: with `--time-scale 10` a request that took 0.1 s of yours is reported as 1 s.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from collections.abc import Sequence as Row

from headway.engines.mock_kv import BLOCK_TOKENS
from headway.engines.mock_lora import LoraSlots
from headway.engines.mock_sequence import Scheduler, Sequence

__all__ = ["Counts", "exposition"]

_FIRST = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
    160.0, 640.0, 2560.0,
)  # fmt: skip
_BETWEEN = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
_WHOLE = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0,
    1920.0, 7680.0,
)  # fmt: skip
_TOKENS = tuple(float(digit * 10**power) for power in range(6) for digit in (1, 2, 5))


class Histogram:
    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Row[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: str) -> Iterator[str]:
        yield f"# TYPE {name} histogram\n"
        below = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            below += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {below}\n'
        yield f"{name}_count{{{labels}}} {below}\n{name}_sum{{{labels}}} {self._sum:.9g}\n"


class Counts:
    """Everything since the start. `finished` and `aborted` are the ledger: requests and their tokens."""

    def __init__(self) -> None:
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.generated_tokens = 0
        self.finished: Counter[str] = Counter()
        self.aborted: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter(stop=0, length=0, abort=0)
        self.faults: Counter[str] = Counter()
        self.first = Histogram(_FIRST)
        self.between = Histogram(_BETWEEN)
        self.whole = Histogram(_WHOLE)
        self.queue = Histogram(_WHOLE)
        self.prefill = Histogram(_WHOLE)
        self.decode = Histogram(_WHOLE)
        self.prompt = Histogram(_TOKENS)
        self.generated = Histogram(_TOKENS)

    def token(self, sequence: Sequence, now: float) -> None:
        """One token more of this sequence."""
        self.generated_tokens += 1
        if sequence.produced == 1:
            self.prompt_tokens += sequence.prompt_tokens
            self.cached_tokens += sequence.cached
            self.first.observe(now - sequence.arrived)
        else:
            self.between.observe(now - sequence.last)
        sequence.last = now

    def finish(self, sequence: Sequence, reason: str) -> None:
        started, first = sequence.started or 0.0, sequence.first or 0.0
        self.reasons[reason] += 1
        self.whole.observe(sequence.last - sequence.arrived)
        self.queue.observe(started - sequence.arrived)
        self.prefill.observe(first - started)
        self.decode.observe(sequence.last - first)
        self.prompt.observe(sequence.prompt_tokens)
        self.generated.observe(sequence.produced)
        _enter(self.finished, sequence)

    def abort(self, sequence: Sequence) -> None:
        self.reasons["abort"] += 1
        _enter(self.aborted, sequence)

    def pooled(self, tokens: int) -> None:
        """A request that generates nothing: embeddings, scores."""
        self.prompt_tokens += tokens
        self.finished.update(requests=1, prompt_tokens=tokens)

    def totals(self) -> dict[str, dict[str, int]]:
        names = ("requests", "prompt_tokens", "cached_tokens", "completion_tokens")
        return {
            "finished": {name: self.finished[name] for name in names},
            "aborted": {name: self.aborted[name] for name in names},
            "faults": dict(self.faults),
        }


def _enter(ledger: Counter[str], sequence: Sequence) -> None:
    """A prompt counts once it was computed, which its first token shows."""
    ledger["requests"] += 1
    if sequence.produced:
        ledger["prompt_tokens"] += sequence.prompt_tokens
        ledger["cached_tokens"] += sequence.cached
        ledger["completion_tokens"] += sequence.produced


def exposition(counts: Counts, scheduler: Scheduler, slots: LoraSlots, model: str) -> str:
    """The text of /metrics."""
    labels = f'model_name="{model}",engine="0"'
    text: list[str] = []
    for kind, numbers in (("gauge", _gauges(scheduler)), ("counter", _counters(counts, scheduler))):
        text += [f"# TYPE vllm:{name} {kind}\nvllm:{name}{{{labels}}} {value}\n" for name, value in numbers.items()]
    text.append("# TYPE vllm:request_success_total counter\n")
    for reason, value in counts.reasons.items():
        text.append(f'vllm:request_success_total{{{labels},finished_reason="{reason}"}} {value}\n')
    text += _facts(scheduler, slots)
    for name, histogram in _histograms(counts).items():
        text += histogram.lines(f"vllm:{name}", labels)
    return "".join(text)


def _gauges(scheduler: Scheduler) -> dict[str, float]:
    return {
        "num_requests_running": scheduler.running,
        "num_requests_waiting": scheduler.waiting,
        "kv_cache_usage_perc": round(scheduler.cache.used / scheduler.cache.blocks, 6),
    }


def _counters(counts: Counts, scheduler: Scheduler) -> dict[str, int]:
    return {
        "prefix_cache_queries_total": scheduler.queried,
        "prefix_cache_hits_total": scheduler.hits,
        "num_preemptions_total": scheduler.preemptions,
        "prompt_tokens_total": counts.prompt_tokens,
        "prompt_tokens_cached_total": counts.cached_tokens,
        "generation_tokens_total": counts.generated_tokens,
    }


def _histograms(counts: Counts) -> dict[str, Histogram]:
    return {
        "time_to_first_token_seconds": counts.first,
        "inter_token_latency_seconds": counts.between,
        "e2e_request_latency_seconds": counts.whole,
        "request_queue_time_seconds": counts.queue,
        "request_prefill_time_seconds": counts.prefill,
        "request_decode_time_seconds": counts.decode,
        "request_prompt_tokens": counts.prompt,
        "request_generation_tokens": counts.generated,
    }


def _facts(scheduler: Scheduler, slots: LoraSlots) -> Iterator[str]:
    size, blocks = BLOCK_TOKENS, scheduler.cache.blocks
    yield "# TYPE vllm:cache_config_info gauge\n"
    yield f'vllm:cache_config_info{{block_size="{size}",enable_prefix_caching="True",num_gpu_blocks="{blocks}"}} 1\n'
    running, waiting = ",".join(slots.running), ",".join(sorted(scheduler.waiting_adapters()))
    yield "# TYPE vllm:lora_requests_info gauge\n"
    yield (
        f'vllm:lora_requests_info{{max_lora="{slots.slots}",running_lora_adapters="{running}",'
        f'waiting_lora_adapters="{waiting}"}} {time.time():.3f}\n'
    )
