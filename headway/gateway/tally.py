"""What is counted, as plain numbers: an increment or two a request, and nothing that a scrape does not need.

A worker counts for itself; the hub adds the workers' counts up, those of dead workers included, so that no sum ever
goes back. Bucket bounds are those of the OpenTelemetry GenAI conventions. Labels are bounded: models as the tables
named them (at most `MODELS_MAX`, then `other`), operations, statuses, and failure reasons from a closed list.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from headway.gateway.record import Record

__all__ = ["DURATION_BOUNDS", "TTFT_BOUNDS", "CacheCounts", "Counts", "Histogram", "Series", "Tally", "add_up"]

DURATION_BOUNDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TTFT_BOUNDS = (*(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),)
MODELS_MAX = 1000
_Key = TypeVar("_Key", int, str)

REASONS = (
    "closed while idle",
    "refused",
    "reset",
    "closed",
    "timeout",
    "malformed",
    "encoded",
    "unreachable",
    "tls",
)


class Histogram(msgspec.Struct):
    """`counts` has one bucket more than there are bounds."""

    bounds: tuple[float, ...]
    counts: list[int]
    total: float = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def add(self, other: Histogram) -> None:
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


def _histogram(bounds: tuple[float, ...]) -> Histogram:
    return Histogram(bounds, [0] * (len(bounds) + 1))


class Series(msgspec.Struct):
    """One model and operation. `statuses`: status of the answer -> how many."""

    model: str
    operation: str
    statuses: dict[int, int] = {}
    duration: Histogram = msgspec.field(default_factory=lambda: _histogram(DURATION_BOUNDS))
    ttft: Histogram = msgspec.field(default_factory=lambda: _histogram(TTFT_BOUNDS))
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    def add(self, other: Series) -> None:
        _add(self.statuses, other.statuses)
        self.duration.add(other.duration)
        self.ttft.add(other.ttft)
        self.prompt_tokens += other.prompt_tokens
        self.cached_tokens += other.cached_tokens
        self.completion_tokens += other.completion_tokens


class CacheCounts(msgspec.Struct):
    """Of one model's responses or embeddings: how requests fared, and tokens that engines need not do again."""

    model: str
    cache: str
    results: dict[str, int] = {}
    saved_input: int = 0
    saved_output: int = 0

    def add(self, other: CacheCounts) -> None:
        _add(self.results, other.results)
        self.saved_input += other.saved_input
        self.saved_output += other.saved_output


class Counts(msgspec.Struct):
    """All that one worker has counted since its start, and what it holds now (`connections` on). By replica:
    failures. `cpu_seconds` and `resident_bytes` are of its process."""

    series: list[Series] = []
    caches: list[CacheCounts] = []
    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    lost_by_reason: dict[str, int] = {}
    refused_heads: dict[int, int] = {}
    endpoint_failures: dict[str, int] = {}
    cpu_seconds: float = 0.0
    connections: int = 0
    running: int = 0
    bodies_bytes: int = 0
    resident_bytes: int = 0
    table_version: int = 0
    waiting: dict[str, int] = {}
    endpoint_running: dict[str, int] = {}

    def of_the_dead(self) -> Counts:
        """What remains of a worker that is gone: what it counted, not what it held."""
        return msgspec.structs.replace(
            self,
            connections=0,
            running=0,
            bodies_bytes=0,
            resident_bytes=0,
            table_version=0,
            waiting={},
            endpoint_running={},
        )


def add_up(parts: Iterable[Counts]) -> Counts:
    """The counts of several workers as one's. `table_version` is the oldest that is still in use."""
    total = Counts()
    series: dict[tuple[str, str], Series] = {}
    caches: dict[tuple[str, str], CacheCounts] = {}
    versions = []
    for part in parts:
        for each in part.series:
            found = series.get((each.model, each.operation))
            if found is None:
                found = series[each.model, each.operation] = Series(each.model, each.operation)
            found.add(each)
        for cache in part.caches:
            caches.setdefault((cache.model, cache.cache), CacheCounts(cache.model, cache.cache)).add(cache)
        for name in _SUMMED:
            setattr(total, name, getattr(total, name) + getattr(part, name))
        for name in _SUMMED_BY_KEY:
            _add(getattr(total, name), getattr(part, name))
        if part.table_version:
            versions.append(part.table_version)
    total.series, total.caches = list(series.values()), list(caches.values())
    total.table_version = min(versions, default=0)
    return total


_SUMMED = (
    "requests",
    "failures",
    "prompt_tokens",
    "completion_tokens",
    "cpu_seconds",
    "connections",
    "running",
    "bodies_bytes",
    "resident_bytes",
)
_SUMMED_BY_KEY = ("lost_by_reason", "refused_heads", "endpoint_failures", "waiting", "endpoint_running")


def _add(mine: dict[_Key, int], theirs: dict[_Key, int]) -> None:
    for key, count in theirs.items():
        mine[key] = mine.get(key, 0) + count


class Tally:
    """A worker's own counting."""

    def __init__(self) -> None:
        self.running = 0
        self.requests = self.failures = 0
        self.prompt_tokens = self.completion_tokens = 0
        self.series: dict[tuple[str, str], Series] = {}
        self.caches: dict[tuple[str, str], CacheCounts] = {}
        self.lost_by_reason: dict[str, int] = {}
        self.refused_heads: dict[int, int] = {}  # answers to what was no whole request
        self._models: set[str] = set()

    def begin(self) -> None:
        self.running += 1
        self.requests += 1

    def lost(self, reason: str) -> None:
        """An endpoint failed a request. `status 503` and the like are kept; details after a colon are not."""
        word = reason.partition(":")[0]
        known = word in REASONS or word.startswith("status ")
        _add(self.lost_by_reason, {word if known else "other": 1})

    def refused(self, status: int) -> None:
        _add(self.refused_heads, {status: 1})

    def cached(self, model: str, cache: str, result: str, saved: tuple[int, int]) -> None:
        """`model` is one of the table, and has a cache: there are not many."""
        found = self.caches.setdefault((model, cache), CacheCounts(model, cache))
        found.add(CacheCounts(model, cache, {result: 1}, *saved))

    def end(self, record: Record, operation: str, known: bool) -> None:
        """`known` = the model is in the table; other names never become labels."""
        self.running -= 1
        failed = record.status >= 500 or (record.status == 200 and bool(record.error))
        self.failures += failed
        series = self._series(record.model if known else "", operation)
        series.statuses[record.status] = series.statuses.get(record.status, 0) + 1
        series.duration.observe(record.duration)
        if record.stream and record.ttft is not None:
            series.ttft.observe(record.ttft)
        prompt, completion = record.prompt_tokens or 0, record.completion_tokens or 0
        series.prompt_tokens += prompt
        series.cached_tokens += record.cached_tokens or 0
        series.completion_tokens += completion
        self.prompt_tokens += prompt
        self.completion_tokens += completion

    def _series(self, model: str, operation: str) -> Series:
        found = self.series.get((model, operation))
        if found is None:
            if model and model not in self._models and len(self._models) >= MODELS_MAX:
                model = "other"
            self._models.add(model)
            found = self.series.setdefault((model, operation), Series(model, operation))
        return found
