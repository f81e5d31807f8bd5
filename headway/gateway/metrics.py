"""`GET /metrics`: the worker's counts in the Prometheus text format.

prometheus-client is imported at the first scrape: it takes as much memory as the rest of the worker and a
third of its start, and nobody scrapes a laptop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headway.gateway.tally import Histogram

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from headway.gateway.core import Gateway

__all__ = ["CONTENT_TYPE", "scrape"]

CONTENT_TYPE = b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n"
_PREFIX = "headway_gateway_"


def scrape(gateway: Gateway) -> bytes:
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # noqa: PLC0415
    from prometheus_client.registry import Collector  # noqa: PLC0415

    class Gathered(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from _requests(gateway)
            yield from _state(gateway)

    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(Gathered())
    return generate_latest(registry)


def _requests(gateway: Gateway) -> Iterator[Metric]:
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
    for (model, operation), series in gateway.tally.series.items():
        values = [model, operation]
        for status, count in series.statuses.items():
            requests.add_metric([*values, str(status)], count)
        duration.add_metric(values, *_buckets(series.duration))
        ttft.add_metric(values, *_buckets(series.ttft))
        tokens.add_metric([*values, "input"], series.prompt_tokens)
        tokens.add_metric([*values, "cached"], series.cached_tokens)
        tokens.add_metric([*values, "output"], series.completion_tokens)
    yield from (requests, duration, ttft, tokens)


def _state(gateway: Gateway) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    waiting = GaugeMetricFamily(f"{_PREFIX}requests_waiting", "Held for an endpoint.", labels=["model"])
    counts = gateway.lobby.counts()
    for model in gateway.catalog.routes:
        waiting.add_metric([model], counts.get(model, 0))
    running = GaugeMetricFamily(f"{_PREFIX}endpoint_requests_running", "Running there.", labels=["replica"])
    failures = CounterMetricFamily(
        f"{_PREFIX}endpoint_failures", "Requests that the endpoint failed.", labels=["replica"]
    )
    by_replica: dict[str, tuple[int, int]] = {}
    for upstream in gateway.catalog.upstreams():
        before = by_replica.get(upstream.replica, (0, 0))
        by_replica[upstream.replica] = (before[0] + upstream.running, before[1] + upstream.failures)
    for replica, (now, failed) in by_replica.items():
        running.add_metric([replica], now)
        failures.add_metric([replica], failed)
    lost = CounterMetricFamily(f"{_PREFIX}attempts_failed", "Tries that an endpoint failed.", labels=["reason"])
    for reason, count in gateway.tally.lost_by_reason.items():
        lost.add_metric([reason], count)
    refused = CounterMetricFamily(f"{_PREFIX}heads_refused", "Answers to what was no whole request.", labels=["status"])
    for status, count in gateway.tally.refused_heads.items():
        refused.add_metric([str(status)], count)
    yield from (waiting, running, failures, lost, refused)
    numbers = (
        ("requests_running", "Accepted and not yet answered.", gateway.tally.running),
        ("connections", "Open connections of callers.", len(gateway.connections)),
        ("bodies_bytes", "Bodies of requests held in memory.", gateway.bodies.held),
        ("table_version", "Version of the routing table in use.", gateway.catalog.version),
    )
    for name, help_text, value in numbers:
        yield GaugeMetricFamily(_PREFIX + name, help_text, value=value)


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets, as the format wants them, and the sum."""
    total, buckets = 0, []
    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
        total += count
        buckets.append((str(bound), float(total)))
    return buckets, histogram.total
