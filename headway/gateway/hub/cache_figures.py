"""The part of `/metrics` that is of caches of answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from headway.gateway.counts import Counts
from headway.gateway.hub.facts import Facts
from headway.gateway.hub.families import counter, gauge

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["caches"]

_LABELS = ("model", "cache")


def caches(counts: Counts, facts: Facts) -> Iterator[Metric]:
    """Only models that have one are named: they are in the table, and were written there by somebody."""
    results = [
        ([each.model, each.cache, result], count) for each in counts.caches for result, count in each.results.items()
    ]
    saved = [
        ([each.model, each.cache, type_], count)
        for each in counts.caches
        for type_, count in (("input", each.saved_input), ("output", each.saved_output))
    ]
    dropped = [
        ([each.model, each.cache, reason], count)
        for each in facts.shelves
        for reason, count in (("room", each.evicted), ("age", each.expired))
    ]
    yield counter("cache_requests", "How requests fared with caches.", (*_LABELS, "result"), results)
    yield counter("cache_tokens_saved", "Tokens of answers given again.", (*_LABELS, "type"), saved)
    yield gauge("cache_entries", "Answers kept now.", _LABELS, [([s.model, s.cache], s.entries) for s in facts.shelves])
    yield gauge("cache_bytes", "Memory of them.", _LABELS, [([s.model, s.cache], s.bytes) for s in facts.shelves])
    yield counter("cache_dropped", "Answers kept no more.", (*_LABELS, "reason"), dropped)
