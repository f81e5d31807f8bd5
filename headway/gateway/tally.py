"""What is counted, as plain numbers: an increment or two a request, and nothing that a scrape does not need.

Bucket bounds are those of the OpenTelemetry GenAI conventions. Labels are bounded: models as the tables named
them (at most `MODELS_MAX`, then `other`), operations, statuses, and failure reasons from a closed list.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from headway.gateway.record import Record

__all__ = ["DURATION_BOUNDS", "TTFT_BOUNDS", "Histogram", "Series", "Tally"]

DURATION_BOUNDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TTFT_BOUNDS = (*(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),)
MODELS_MAX = 1000
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


class Histogram:
    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class Series:
    """One model and operation."""

    statuses: Counter[int] = field(default_factory=Counter)
    duration: Histogram = field(default_factory=lambda: Histogram(DURATION_BOUNDS))
    ttft: Histogram = field(default_factory=lambda: Histogram(TTFT_BOUNDS))
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


class Tally:
    def __init__(self) -> None:
        self.running = 0
        self.requests = self.failures = 0
        self.prompt_tokens = self.completion_tokens = 0
        self.series: dict[tuple[str, str], Series] = {}
        self.lost_by_reason: Counter[str] = Counter()
        self.refused_heads: Counter[int] = Counter()  # answers to what was no whole request
        self._models: set[str] = set()

    def begin(self) -> None:
        self.running += 1
        self.requests += 1

    def lost(self, reason: str) -> None:
        """An endpoint failed a request. `status 503` and the like are kept; details after a colon are not."""
        word = reason.partition(":")[0]
        known = word in REASONS or word.startswith("status ")
        self.lost_by_reason[word if known else "other"] += 1

    def end(self, record: Record, operation: str, known: bool) -> None:
        """`known` = the model is in the table; other names never become labels."""
        self.running -= 1
        failed = record.status >= 500 or (record.status == 200 and bool(record.error))
        self.failures += failed
        series = self._series(record.model if known else "", operation)
        series.statuses[record.status] += 1
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
            found = self.series.setdefault((model, operation), Series())
        return found
