"""What is counted, as plain numbers: nothing that a scrape does not need.

A worker counts for itself; the hub adds the workers' counts up, those of dead workers included, so that no sum ever
goes back. Bucket bounds are those of the OpenTelemetry GenAI conventions, with some more where engines are quicker or
waits longer. Labels are bounded: models as the tables named them (at most `MODELS_MAX`, then `other`), pairs of model
and tenant (`PAIRS_MAX`), operations, statuses, and reasons and codes from closed lists.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import TypeVar

import msgspec

__all__ = [
    "DURATION_BOUNDS",
    "ITL_BOUNDS",
    "LAG_BOUNDS",
    "OTHER",
    "TTFT_BOUNDS",
    "CacheCounts",
    "Counts",
    "Histogram",
    "Series",
    "Used",
    "add_counts",
    "add_up",
    "histogram",
]

DURATION_BOUNDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TTFT_BOUNDS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    *(20.0, 40.0, 80.0),
)
ITL_BOUNDS = (0.0025, 0.005, *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5))
LAG_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
OTHER = "other"
_Key = TypeVar("_Key", int, str)


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


def histogram(bounds: tuple[float, ...]) -> Histogram:
    return Histogram(bounds, [0] * (len(bounds) + 1))


class Used(msgspec.Struct):
    """By one tenant, of one model. `micros`: what it was charged, in millionths of money."""

    model: str
    tenant: str
    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    micros: int = 0

    def add(self, other: Used) -> None:
        self.requests += other.requests
        self.prompt_tokens += other.prompt_tokens
        self.cached_tokens += other.cached_tokens
        self.completion_tokens += other.completion_tokens
        self.micros += other.micros


class Series(msgspec.Struct):
    """One model and operation. `statuses`: status of the answer -> how many. `queue` has only those that waited.
    `decisions`: policy.routing.Why -> requests sent so; `retries`: those sent again."""

    model: str
    operation: str
    statuses: dict[int, int] = {}
    duration: Histogram = msgspec.field(default_factory=lambda: histogram(DURATION_BOUNDS))
    ttft: Histogram = msgspec.field(default_factory=lambda: histogram(TTFT_BOUNDS))
    itl: Histogram = msgspec.field(default_factory=lambda: histogram(ITL_BOUNDS))
    queue: Histogram = msgspec.field(default_factory=lambda: histogram(TTFT_BOUNDS))
    decisions: dict[str, int] = {}
    retries: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0

    def add(self, other: Series) -> None:
        add_counts(self.statuses, other.statuses)
        add_counts(self.decisions, other.decisions)
        self.retries += other.retries
        self.duration.add(other.duration)
        self.ttft.add(other.ttft)
        self.itl.add(other.itl)
        self.queue.add(other.queue)
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
        add_counts(self.results, other.results)
        self.saved_input += other.saved_input
        self.saved_output += other.saved_output


class Counts(msgspec.Struct):
    """All that one worker has counted since its start, and what it holds now (`connections` on). By replica:
    failures. `cpu_seconds` and `resident_bytes` are of its process."""

    series: list[Series] = []
    caches: list[CacheCounts] = []
    used: list[Used] = []
    errors: dict[str, dict[str, int]] = {}  # tenant -> code told to the caller -> how many
    lag: Histogram = msgspec.field(default_factory=lambda: histogram(LAG_BOUNDS))
    requests: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    lost_by_reason: dict[str, int] = {}
    refused_heads: dict[int, int] = {}
    shadows: dict[str, int] = {}
    endpoint_failures: dict[str, int] = {}
    endpoint_ejections: dict[str, int] = {}
    cpu_seconds: float = 0.0
    connections: int = 0
    running: int = 0
    bodies_bytes: int = 0
    resident_bytes: int = 0
    table_version: int = 0
    waiting: dict[str, int] = {}
    endpoint_running: dict[str, int] = {}
    endpoint_avoided: dict[str, int] = {}  # workers that pass over it now, because it failed
    index_blocks: int = 0

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
            endpoint_avoided={},
            index_blocks=0,
        )


def add_up(parts: Iterable[Counts]) -> Counts:
    """The counts of several workers as one's. `table_version` is the oldest that is still in use."""
    total = Counts()
    series: dict[tuple[str, str], Series] = {}
    caches: dict[tuple[str, str], CacheCounts] = {}
    used: dict[tuple[str, str], Used] = {}
    versions = []
    for part in parts:
        total.lag.add(part.lag)
        for one in part.used:
            used.setdefault((one.model, one.tenant), Used(one.model, one.tenant)).add(one)
        for tenant, codes in part.errors.items():
            add_counts(total.errors.setdefault(tenant, {}), codes)
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
            add_counts(getattr(total, name), getattr(part, name))
        if part.table_version:
            versions.append(part.table_version)
    total.series, total.used, total.caches = list(series.values()), list(used.values()), list(caches.values())
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
    "index_blocks",
)
_SUMMED_BY_KEY = (
    "shadows",
    "lost_by_reason",
    "refused_heads",
    "endpoint_failures",
    "endpoint_ejections",
    "waiting",
    "endpoint_running",
    "endpoint_avoided",
)


def add_counts(mine: dict[_Key, int], theirs: dict[_Key, int]) -> None:
    for key, count in theirs.items():
        mine[key] = mine.get(key, 0) + count
