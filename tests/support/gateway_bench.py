"""Runs of the gateway benchmark as they might have been."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.gateway.observation import Observation

__all__ = ["seen"]

TIMES = {f"{what}_{part}": 1.0 for what in ("latency", "ttft", "gap") for part in ("p50", "p99", "max")}


def seen(proxy: str, workload: str, number: int, **differs: Any) -> Observation:
    """One second in which 1,000 requests were answered and the proxy had all of its core."""
    usual = Observation(
        proxy, workload, number, 1.0, 1000, 0, 0, 0, 0, 0, "", TIMES, proxy_cpu=1.0, load_cpu=0.5, strangers=0.0
    )
    return replace(usual, **differs)
