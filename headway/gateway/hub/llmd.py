"""The same figures under the names of llm-d's endpoint picker (`llm_d_epp_…`), for what was made for it, dashboards and
scalers: `GET /metrics?names=llm-d`. Only those that mean the same here; what it calls a pool is a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from headway.gateway.counts import Counts, Series
from headway.gateway.hub.facts import Facts
from headway.gateway.hub.families import bounded, counter, gauge, histograms

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["llmd"]

_PREFIX = "llm_d_epp_"
_LABELS = ("model_name", "target_model_name")


def llmd(counts: Counts, facts: Facts) -> Iterator[Metric]:
    models: dict[str, Series] = {}
    for series in counts.series:
        models.setdefault(series.model, Series(series.model, "")).add(series)
    both = [(model, model) for model in models]
    statuses = [each.statuses for each in models.values()]
    count = partial(counter, prefix=_PREFIX)
    requests = zip(both, (sum(each.values()) for each in statuses), strict=True)
    yield count("request", "Requests.", _LABELS, requests)
    errors = [
        ((*names, str(status)), found)
        for names, by_status in zip(both, statuses, strict=True)
        for status, found in by_status.items()
        if status >= 400
    ]
    yield count("request_error", "Requests answered with an error.", (*_LABELS, "error_code"), errors)
    for name, help_text, times in (
        ("request_ttft_seconds", "Time to first token.", [each.ttft for each in models.values()]),
        ("request_streaming_tpot_seconds", "Time per output token.", [each.itl for each in models.values()]),
    ):
        yield histograms(name, help_text, _LABELS, zip(both, times, strict=True), prefix=_PREFIX)
    yield from _pools(facts)


def _pools(facts: Facts) -> Iterator[Metric]:
    queues, caches, ready = dict[str, float](), dict[str, float](), dict[str, float]()
    for model in facts.models:
        ready[model.name] = len(model.endpoints)
        said = [facts.engines[each.id] for each in model.endpoints if each.id in facts.engines]
        queues[model.name] = _mean([each.waiting for each in said])
        caches[model.name] = _mean([each.kv_used for each in said])
    for name, help_text, found in (
        ("average_queue_size", "Mean of requests waiting in the engines.", queues),
        ("average_kv_cache_utilization", "Mean use of the engines' KV caches.", caches),
        ("ready_endpoints", "Endpoints that may be picked.", ready),
    ):
        yield gauge(name, help_text, ("name",), bounded(found), prefix=_PREFIX)


def _mean(said: Sequence[float | None]) -> float:
    known = [each for each in said if each is not None]
    return sum(known) / len(known) if known else 0.0
