"""A worker's own counting: an increment or two a request."""

from __future__ import annotations

from typing import Final

from headway.gateway.counts import LAG_BOUNDS, OTHER, CacheCounts, Series, Used, add_counts, histogram
from headway.gateway.record import Record

__all__ = ["MODELS_MAX", "PAIRS_MAX", "Tally"]

MODELS_MAX: Final = 1000
PAIRS_MAX: Final = 1000

REASONS: Final = (
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


class Tally:
    """A worker's own counting."""

    def __init__(self) -> None:
        self.running = 0
        self.requests = self.failures = 0
        self.prompt_tokens = self.completion_tokens = 0
        self.series: dict[tuple[str, str], Series] = {}
        self.caches: dict[tuple[str, str], CacheCounts] = {}
        self.used: dict[tuple[str, str], Used] = {}
        self.errors: dict[str, dict[str, int]] = {}
        self.lag = histogram(LAG_BOUNDS)
        self.lost_by_reason: dict[str, int] = {}
        self.shadows: dict[str, int] = {}  # copies of requests: answered, failed, cancelled
        self.ejections: dict[str, int] = {}  # by replica
        self.refused_heads: dict[int, int] = {}  # answers to what was no whole request
        self._models: set[str] = set()

    def begin(self) -> None:
        self.running += 1
        self.requests += 1

    def lost(self, reason: str) -> None:
        """An endpoint failed a request. `status 503` and the like are kept; details after a colon are not."""
        word = reason.partition(":")[0]
        known = word in REASONS or word.startswith("status ")
        add_counts(self.lost_by_reason, {word if known else OTHER: 1})

    def ejected(self, replica: str) -> None:
        add_counts(self.ejections, {replica: 1})

    def refused(self, status: int) -> None:
        add_counts(self.refused_heads, {status: 1})

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
        prompt, completion = record.prompt_tokens or 0, record.completion_tokens or 0
        if record.stream and record.ttft is not None:
            series.ttft.observe(record.ttft)
            if completion > 1:
                series.itl.observe((record.duration - record.ttft) / (completion - 1))
        decisions = series.decisions
        for attempt in record.attempts:
            decisions[attempt.why] = decisions.get(attempt.why, 0) + 1
        series.prompt_tokens += prompt
        series.cached_tokens += record.cached_tokens or 0
        series.completion_tokens += completion
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        if record.tenant:
            self._use(record, series.model)
        if failed or record.status >= 400 or record.waits or len(record.attempts) > 1:
            self._odd(record, series)

    def _use(self, record: Record, model: str) -> None:
        used = self.used.get((model, record.tenant)) or self._used(model, record.tenant)
        used.requests += 1
        used.prompt_tokens += record.prompt_tokens or 0
        used.cached_tokens += record.cached_tokens or 0
        used.completion_tokens += record.completion_tokens or 0
        if record.charge is not None:
            used.micros += record.charge.micros

    def _used(self, model: str, tenant: str) -> Used:
        if len(self.used) >= PAIRS_MAX:
            tenant = OTHER
        return self.used.setdefault((model, tenant), Used(model, tenant))

    def _odd(self, record: Record, series: Series) -> None:
        """What few requests have."""
        series.retries += max(0, len(record.attempts) - 1)
        if record.waits:
            series.queue.observe(record.waited)
        if record.error:
            tenant = record.tenant if record.tenant in self.errors or len(self.errors) < PAIRS_MAX else OTHER
            add_counts(self.errors.setdefault(tenant, {}), {record.error: 1})

    def _series(self, model: str, operation: str) -> Series:
        found = self.series.get((model, operation))
        if found is None:
            if model and model not in self._models and len(self._models) >= MODELS_MAX:
                model = OTHER
            self._models.add(model)
            found = self.series.setdefault((model, operation), Series(model, operation))
        return found
