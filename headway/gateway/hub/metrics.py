"""`GET /metrics`: the counts of all workers, and what the hub knows, in the Prometheus text format.

prometheus-client is imported at the first scrape: it takes as much memory as the rest of the hub and a third of its
start, and nobody scrapes a laptop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headway.gateway.counts import Counts, Histogram, Series
from headway.gateway.hub.cache_figures import caches
from headway.gateway.hub.facts import Facts
from headway.gateway.hub.families import PREFIX, bounded, counter, gauge, histograms
from headway.gateway.hub.fleet import fleet
from headway.gateway.hub.llmd import llmd

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["scrape"]

_NOBODY = Facts()


def scrape(counts: Counts, workers: int, facts: Facts = _NOBODY, names: str = "") -> bytes:
    """`names`: "llm-d" tells the same also under the names of its endpoint picker."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415
    from prometheus_client.registry import Collector  # noqa: PLC0415

    class Gathered(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from _requests(counts)
            yield from _routing(counts)
            yield from _tenants(counts)
            yield from _by_label(counts)
            yield from _numbers(counts, workers)
            yield from fleet(counts, facts)
            yield from caches(counts, facts)
            if names == "llm-d":
                yield from llmd(counts, facts)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Gathered())
    return generate_latest(registry)


def _requests(counts: Counts) -> Iterator[Metric]:
    series = counts.series
    yield counter(
        "requests",
        "Requests answered; 499 = the caller left.",
        ("model", "operation", "status"),
        (([*_of(each), str(status)], count) for each in series for status, count in each.statuses.items()),
    )
    for name, help_text, found in (
        (
            "request_duration_seconds",
            "From the head of a request to the end of its answer.",
            [each.duration for each in series],
        ),
        (
            "time_to_first_token_seconds",
            "From the head of a request to the first event of its stream.",
            [each.ttft for each in series],
        ),
        (
            "inter_token_latency_seconds",
            "Mean time between two tokens of a stream.",
            [each.itl for each in series],
        ),
        (
            "queue_seconds",
            "Time that a request waited in the gateway before it was sent.",
            [_with_the_unwaiting(each) for each in series],
        ),
    ):
        yield histograms(name, help_text, ("model", "operation"), zip(map(_of, series), found, strict=True))
    yield counter(
        "tokens",
        "Tokens of finished requests; cached is a part of input.",
        ("model", "operation", "type"),
        (
            ([*_of(each), kind], count)
            for each in series
            for kind, count in (
                ("input", each.prompt_tokens),
                ("cached", each.cached_tokens),
                ("output", each.completion_tokens),
            )
        ),
    )


def _routing(counts: Counts) -> Iterator[Metric]:
    decisions: dict[tuple[str, str], int] = {}
    retries: dict[str, int] = {}
    for each in counts.series:
        retries[each.model] = retries.get(each.model, 0) + each.retries
        for reason, count in each.decisions.items():
            decisions[each.model, reason] = decisions.get((each.model, reason), 0) + count
    yield counter("decisions", "Requests sent to an endpoint, by why it.", ("model", "reason"), decisions.items())
    yield counter("retries", "Requests sent again.", ("model",), (([model], n) for model, n in retries.items()))


def _tenants(counts: Counts) -> Iterator[Metric]:
    used = counts.used
    labels = ("model", "tenant")
    yield counter("tenant_requests", "Requests answered.", labels, (([u.model, u.tenant], u.requests) for u in used))
    yield counter(
        "tenant_tokens",
        "Tokens of finished requests; cached is a part of input.",
        (*labels, "type"),
        (
            ([u.model, u.tenant, kind], count)
            for u in used
            for kind, count in (
                ("input", u.prompt_tokens),
                ("cached", u.cached_tokens),
                ("output", u.completion_tokens),
            )
        ),
    )
    yield counter(
        "tenant_cost", "What was charged, in money.", labels, (([u.model, u.tenant], u.micros / 1e6) for u in used)
    )
    yield counter(
        "errors",
        "Refusals and failures told to callers, by code.",
        ("tenant", "code"),
        (([tenant, code], count) for tenant, codes in counts.errors.items() for code, count in codes.items()),
    )


def _by_label(counts: Counts) -> Iterator[Metric]:
    yield gauge("requests_waiting", "Held for an endpoint.", ("model",), bounded(counts.waiting))
    yield gauge("endpoint_requests_running", "Running there.", ("replica",), bounded(counts.endpoint_running))
    for name, help_text, label, numbers in (
        ("endpoint_failures", "Requests that the endpoint failed.", "replica", counts.endpoint_failures),
        ("endpoint_ejections", "Times that a worker ejected it.", "replica", counts.endpoint_ejections),
        ("attempts_failed", "Tries that an endpoint failed.", "reason", counts.lost_by_reason),
        ("heads_refused", "Answers to what was no whole request.", "status", counts.refused_heads),
        ("shadows", "Copies of requests, by what became of them.", "outcome", counts.shadows),
    ):
        yield counter(name, help_text, (label,), bounded({str(key): count for key, count in numbers.items()}))


def _numbers(counts: Counts, workers: int) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415

    for name, help_text, value in (
        (f"{PREFIX}requests_running", "Accepted and not yet answered.", counts.running),
        (f"{PREFIX}connections", "Open connections of callers.", counts.connections),
        (f"{PREFIX}bodies_bytes", "Bodies of requests held in memory.", counts.bodies_bytes),
        (f"{PREFIX}table_version", "Oldest routing table in use by a worker.", counts.table_version),
        (f"{PREFIX}workers", "Processes that answer callers.", workers),
        (f"{PREFIX}index_blocks", "Blocks of prompts whose endpoints are remembered.", counts.index_blocks),
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
    yield histograms("event_loop_lag_seconds", "How late a worker's event loop was.", (), [([], counts.lag)])


def _of(series: Series) -> list[str]:
    return [series.model, series.operation]


def _with_the_unwaiting(series: Series) -> Histogram:
    """Workers count only those that waited; all others waited no time at all."""
    waited = series.queue
    rest = sum(series.duration.counts) - sum(waited.counts)
    return Histogram(waited.bounds, [waited.counts[0] + rest, *waited.counts[1:]], waited.total)
