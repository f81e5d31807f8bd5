"""What the operator counts of itself, for /metrics. docs/operator.md lists them; a test compares the two."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Figures"]

SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Figures:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.passes = self._counter("passes", "Passes that ended.", ("kind", "result"))
        self.writes = self._counter("writes", "Writes to the API server, by what they were for.", ("purpose",))
        self.repairs = self._counter("repairs", "Objects that somebody else had changed and that were put back.", ())
        self.seconds = Histogram(
            "headway_operator_pass_seconds", "How long a pass took.", registry=self.registry, buckets=SECONDS
        )
        self.waiting = self._gauge("waiting_objects", "Objects that wait for a pass.")
        self.failing = self._gauge("failing_objects", "Objects whose last pass failed; they are in back-off.")
        self.leads = self._gauge("leads", "1 while this operator holds the lease.")
        self.silent = self._gauge("silent_seconds", "Since the API server was last heard.")

    def text(self) -> bytes:
        return generate_latest(self.registry)

    def _counter(self, name: str, words: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"headway_operator_{name}", words, labels, registry=self.registry)

    def _gauge(self, name: str, words: str) -> Gauge:
        return Gauge(f"headway_operator_{name}", words, registry=self.registry)
