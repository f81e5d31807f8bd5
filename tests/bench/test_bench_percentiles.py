"""Percentiles are samples: those of all processes together, never a mean of percentiles, and known ones are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway.bench.measures import measured
from tests.support.bench import bench, quantile, workload
from tests.support.mock_engine import engines

TIMES = [20 + 5 * (index * 37 % 80) for index in range(80)]
"""Milliseconds: each of 20, 25 .. 415 once, in no order."""


async def test_the_percentiles_of_two_processes_are_those_of_all_samples(tmp_path: Path) -> None:
    """Every request has a TTFT of its own; what each process sees alone has other percentiles than both together."""
    scripts = [word for each in TIMES for word in ("--script", f"ttft={each}ms")]
    load = workload(arrivals={"rate": "80/s", "pattern": "constant"}, requests=80, output=1, warmup="0s")
    async with engines("--ttft", "0", *scripts) as to:
        run = await bench(to, load, workers=2)
    assert len(run.facts.generators) >= 2
    latency = run.summary().whole.latency.ttft_send
    samples = list(measured(run.records).ttft_send)
    for name, part in (("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
        assert getattr(latency, name) == pytest.approx(quantile(samples, part), abs=1e-9), name
        assert getattr(latency, name) == pytest.approx(quantile(TIMES, part) / 1000, abs=0.03), name
    assert latency.mean == pytest.approx(sum(samples) / 80)
    assert latency.p50 == pytest.approx(0.215, abs=0.01)
