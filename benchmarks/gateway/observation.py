"""One run of one workload against one proxy: what the generator counted and what the machine spent meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["DIRECT", "FIGURES", "Figure", "Observation"]

DIRECT = "direct"
"""No proxy at all: the generator asks the backend."""


@dataclass(frozen=True, slots=True)
class Observation:
    proxy: str
    workload: str
    round: int
    seconds: float
    requests: int
    events: int
    errors: int
    reconnects: int
    late: int
    """Requests of an open loop that were due and not answered in time."""
    streams_open: int
    error: str
    """The first of the errors."""
    times: Mapping[str, float]
    """Milliseconds: latency_p50, latency_p99, ttft_p50, …, gap_p99, as far as the workload has them."""
    proxy_cpu: float
    """Seconds, user and system, of all processes of the proxy."""
    load_cpu: float
    """Of the backend and the generator."""
    strangers: float
    """The larger share of the two cores that went to anybody else."""
    pss: int = 0
    """Bytes of all processes of the proxy; 0 = not looked at."""
    endpoints: int = 0
    """Of the backend's, that were asked for a completion."""
    renders: float = 0.0
    """Asked of the backend for each completion, beside it."""
    fault: str = ""
    """Why the run does not count; empty = it counts."""

    @property
    def share(self) -> float:
        """Of the proxy's core that the proxy had."""
        return self.proxy_cpu / self.seconds

    @property
    def load_share(self) -> float:
        return self.load_cpu / self.seconds


Figure = Callable[[Observation], float]

FIGURES: Mapping[str, Figure] = {
    "requests_per_second": lambda seen: seen.requests / seen.seconds,
    "events_per_second": lambda seen: seen.events / seen.seconds,
    "cpu_us_per_request": lambda seen: seen.proxy_cpu / max(1, seen.requests) * 1e6,
    "cpu_us_per_event": lambda seen: seen.proxy_cpu / max(1, seen.events) * 1e6,
    "latency_p50": lambda seen: seen.times["latency_p50"],
    "latency_p99": lambda seen: seen.times["latency_p99"],
    "ttft_p50": lambda seen: seen.times["ttft_p50"],
    "ttft_p99": lambda seen: seen.times["ttft_p99"],
    "gap_p99": lambda seen: seen.times["gap_p99"],
    "pss_mib": lambda seen: seen.pss / 2**20,
}
