"""The server's own counters, once a second, asked for by the process that sends nothing.

Of a server with several models only the series of those that are measured count, where it labels them by model.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Collection
from time import monotonic
from typing import Final

from headway.bench.ask import ask
from headway.bench.facts import ServerSample
from headway.bench.target import Address, Heads
from headway.engines.exposition import labels, samples
from headway.errors import UnreachableError

__all__ = ["COUNTERS", "Scraper", "counters"]

_EVERY: Final = 1.0
_SECONDS: Final = 5.0

COUNTERS: Final = (
    # vLLM, V1 and before (docs.vllm.ai, design/metrics); the mock engine has these names too
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:gpu_cache_usage_perc",
    "vllm:prompt_tokens_total",
    "vllm:prompt_tokens_cached_total",
    "vllm:generation_tokens_total",
    "vllm:request_success_total",
    "vllm:num_preemptions_total",
    "vllm:prefix_cache_queries_total",
    "vllm:prefix_cache_hits_total",
    # SGLang, see its page on production metrics
    "sglang:num_running_reqs",
    "sglang:num_queue_reqs",
    "sglang:token_usage",
    "sglang:prompt_tokens_total",
    "sglang:cached_tokens_total",
    "sglang:generation_tokens_total",
    "sglang:num_requests_total",
    # llama.cpp, as its server's README has them
    "llamacpp:requests_processing",
    "llamacpp:requests_deferred",
    "llamacpp:kv_cache_usage_ratio",
    "llamacpp:prompt_tokens_total",
    "llamacpp:prompt_tokens_cached_total",
    "llamacpp:tokens_predicted_total",
    # Headway's gateway (docs/metrics.md)
    "headway_gateway_requests_running",
    "headway_gateway_requests_waiting",
    "headway_gateway_line_length",
    "headway_gateway_requests_total",
    "headway_gateway_retries_total",
)

_TOKENS: Final = "headway_gateway_tokens_total"
"""Split by type, which must not be added up: each type becomes a name of its own, `..._total{type=input}`."""


def counters(text: str, models: Collection[str]) -> dict[str, float]:
    """What is known of Prometheus text."""
    there = samples(text)
    found: dict[str, float] = {}
    for name in COUNTERS:
        if name in there:
            lines = _ours(labels(text, name), models)
            found[name] = sum(value for _, value in lines) if lines else sum(there[name])
    if _TOKENS in there:
        for said, value in _ours(labels(text, _TOKENS), models):
            name = f"{_TOKENS}{{type={said.get('type', '')}}}"
            found[name] = found.get(name, 0.0) + value
    return {name: value for name, value in found.items() if value == value}  # noqa: PLR0124 (no NaN)


def _ours(lines: list[tuple[dict[str, str], float]], models: Collection[str]) -> list[tuple[dict[str, str], float]]:
    named = [line for line in lines if {line[0].get("model"), line[0].get("model_name")} & set(models)]
    return named or lines


class Scraper:
    """`where` and `path`: the page."""

    def __init__(
        self, where: Address, heads: Heads, path: str, trust: ssl.SSLContext | None, models: Collection[str]
    ) -> None:
        self._where, self._trust, self._models = where, trust, models
        self._request = heads.get(path)
        self._task: asyncio.Task[None] | None = None
        self.samples: list[ServerSample] = []

    async def look(self) -> dict[str, float]:
        """What the page says now. Raises UnreachableError where there is none."""
        head, body = await ask(self._where, self._trust, self._request, _SECONDS)
        found = counters(body.decode(errors="replace"), self._models) if head.status == 200 else {}
        if not found:
            raise UnreachableError(f"{self._where.authority}: no metrics that are known ({head.status})")
        return found

    def start(self, zero: float) -> None:
        self._task = asyncio.get_running_loop().create_task(self._go_on(zero))

    async def stop(self, zero: float) -> None:
        """One last look."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await self._note(zero)

    async def _go_on(self, zero: float) -> None:
        while True:
            await self._note(zero)
            await asyncio.sleep(_EVERY)

    async def _note(self, zero: float) -> None:
        with contextlib.suppress(UnreachableError):  # a gap in the samples says it
            at = monotonic() - zero
            values = await self.look()
            self.samples.append(ServerSample(round(at, 6), values))
