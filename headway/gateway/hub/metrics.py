"""`GET /metrics`: the counts of all workers in the Prometheus text format.

prometheus-client is imported at the first scrape: it takes as much memory as the rest of the hub and a third of its
start, and nobody scrapes a laptop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from headway.gateway.hub.vault import ShelfFigures
from headway.gateway.tally import Counts, Histogram

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["scrape"]

_PREFIX = "headway_gateway_"


def scrape(counts: Counts, workers: int, shelves: Iterable[ShelfFigures] = ()) -> bytes:
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415
    from prometheus_client.registry import Collector  # noqa: PLC0415

    class Gathered(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from _requests(counts)
            yield from _by_label(counts)
            yield from _numbers(counts, workers)
            yield from _caches(counts, shelves)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Gathered())
    return generate_latest(registry)


def _requests(counts: Counts) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily  # noqa: PLC0415

    labels = ["model", "operation"]
    requests = CounterMetricFamily(
        f"{_PREFIX}requests", "Requests answered; 499 = the caller left.", labels=[*labels, "status"]
    )
    duration = HistogramMetricFamily(
        f"{_PREFIX}request_duration_seconds",
        "From the head of a request to the end of its answer.",
        labels=labels,
    )
    ttft = HistogramMetricFamily(
        f"{_PREFIX}time_to_first_token_seconds",
        "From the head of a request to the first event of its stream.",
        labels=labels,
    )
    tokens = CounterMetricFamily(
        f"{_PREFIX}tokens",
        "Tokens of finished requests; cached is a part of input.",
        labels=[*labels, "type"],
    )
    for series in counts.series:
        values = [series.model, series.operation]
        for status, count in series.statuses.items():
            requests.add_metric([*values, str(status)], count)
        duration.add_metric(values, *_buckets(series.duration))
        ttft.add_metric(values, *_buckets(series.ttft))
        tokens.add_metric([*values, "input"], series.prompt_tokens)
        tokens.add_metric([*values, "cached"], series.cached_tokens)
        tokens.add_metric([*values, "output"], series.completion_tokens)
    yield from (requests, duration, ttft, tokens)


def _by_label(counts: Counts) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    waiting = GaugeMetricFamily(f"{_PREFIX}requests_waiting", "Held for an endpoint.", labels=["model"])
    running = GaugeMetricFamily(f"{_PREFIX}endpoint_requests_running", "Running there.", labels=["replica"])
    failures = CounterMetricFamily(
        f"{_PREFIX}endpoint_failures", "Requests that the endpoint failed.", labels=["replica"]
    )
    lost = CounterMetricFamily(f"{_PREFIX}attempts_failed", "Tries that an endpoint failed.", labels=["reason"])
    refused = CounterMetricFamily(f"{_PREFIX}heads_refused", "Answers to what was no whole request.", labels=["status"])
    families = (
        (waiting, counts.waiting),
        (running, counts.endpoint_running),
        (failures, counts.endpoint_failures),
        (lost, counts.lost_by_reason),
        (refused, counts.refused_heads),
    )
    for family, numbers in families:
        for label, count in numbers.items():
            family.add_metric([str(label)], count)
        yield family


def _numbers(counts: Counts, workers: int) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    for name, help_text, value in (
        (f"{_PREFIX}requests_running", "Accepted and not yet answered.", counts.running),
        (f"{_PREFIX}connections", "Open connections of callers.", counts.connections),
        (f"{_PREFIX}bodies_bytes", "Bodies of requests held in memory.", counts.bodies_bytes),
        (f"{_PREFIX}table_version", "Oldest routing table in use by a worker.", counts.table_version),
        (f"{_PREFIX}workers", "Processes that answer callers.", workers),
        (
            "process_resident_memory_bytes",
            "Of all workers, shared pages in each.",
            counts.resident_bytes,
        ),
    ):
        yield GaugeMetricFamily(name, help_text, value=value)
    yield CounterMetricFamily(
        "process_cpu_seconds", "User and system time of all workers, those that ended included.", counts.cpu_seconds
    )


def _caches(counts: Counts, shelves: Iterable[ShelfFigures]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    labels = ["model", "cache"]
    requests = CounterMetricFamily(f"{_PREFIX}cache_requests", "How they fared.", labels=[*labels, "result"])
    saved = CounterMetricFamily(f"{_PREFIX}cache_tokens_saved", "Given again, not made.", labels=[*labels, "type"])
    entries = GaugeMetricFamily(f"{_PREFIX}cache_entries", "Kept now.", labels=labels)
    held = GaugeMetricFamily(f"{_PREFIX}cache_bytes", "Memory of what is kept now.", labels=labels)
    gone = CounterMetricFamily(f"{_PREFIX}cache_dropped", "Kept no more.", labels=[*labels, "reason"])
    for each in counts.caches:
        for result, count in each.results.items():
            requests.add_metric([each.model, each.cache, result], count)
        saved.add_metric([each.model, each.cache, "input"], each.saved_input)
        saved.add_metric([each.model, each.cache, "output"], each.saved_output)
    for shelf in shelves:
        values = [shelf.model, shelf.cache]
        entries.add_metric(values, shelf.entries)
        held.add_metric(values, shelf.bytes)
        gone.add_metric([*values, "room"], shelf.evicted)
        gone.add_metric([*values, "age"], shelf.expired)
    yield from (requests, saved, entries, held, gone)


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets, as the format wants them, and the sum."""
    total, buckets = 0, []
    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
        total += count
        buckets.append((str(bound), float(total)))
    return buckets, histogram.total
