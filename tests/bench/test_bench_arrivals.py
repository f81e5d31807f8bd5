"""When requests come, as the server sees them: even, Poisson, in bursts, or as a trace has them."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headway.bench.record import Record
from headway.engines.mock_arrivals import Arrival
from headway.spec.workload import Workload
from tests.support.bench import bench, exponential_fit, gaps, paired, quantile, variation, workload
from tests.support.mock_engine import engines


async def sent(load: Workload, folder: Path) -> list[tuple[Record, Arrival]]:
    """To a server that answers at once."""
    log = folder / "arrivals.jsonl"
    async with engines("--arrivals", str(log)) as to:
        run = await bench(to, load)
    assert {each.error for each in run.records} == {""}
    return paired(run.records, log)


async def test_constant_arrivals_are_even(tmp_path: Path) -> None:
    pairs = await sent(workload(arrivals={"rate": "10/s", "pattern": "constant"}, lasts="2s", output=1), tmp_path)
    assert len(pairs) == 20
    for seen in gaps(pairs):
        assert statistics.median(seen) == pytest.approx(0.1, rel=0.02)
        assert variation(seen) < 0.02


async def test_poisson_arrivals_are_exponential(tmp_path: Path) -> None:
    pairs = await sent(workload(arrivals={"rate": "150/s"}, lasts="3s", output=1), tmp_path)
    assert len(pairs) == pytest.approx(450, abs=4 * 450**0.5)
    for seen in gaps(pairs):
        assert 0.9 < variation(seen) < 1.1
        assert exponential_fit(seen) > 0.01


async def test_gamma_arrivals_come_in_bursts(tmp_path: Path) -> None:
    load = workload(arrivals={"rate": "150/s", "pattern": "gamma", "cv": 3}, lasts="3s", output=1)
    for seen in gaps(await sent(load, tmp_path)):
        assert 2.2 < variation(seen) < 3.8
        assert exponential_fit(seen) < 0.001


async def test_a_trace_is_replayed_at_its_own_times_and_sizes(tmp_path: Path) -> None:
    """In the format of Azure's, twenty times as fast."""
    began = datetime(2023, 11, 16, 18, 0, tzinfo=UTC)
    at = [round(0.037 * index**1.8, 6) for index in range(40)]
    rows = [
        f"{began + timedelta(seconds=each):%Y-%m-%d %H:%M:%S.%f},{30 + index},{1 + index % 7}"
        for index, each in enumerate(at)
    ]
    (file := tmp_path / "azure.csv").write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows, ""]))
    pairs = sorted(await sent(workload(trace={"file": str(file), "speed": 20}), tmp_path), key=lambda each: each[0].due)
    late = [arrival.came - when / 20 for (_, arrival), when in zip(pairs, at, strict=True)]
    late = [each - min(late) for each in late]
    assert [record.due for record, _ in pairs] == pytest.approx([when / 20 for when in at], abs=1e-6)
    assert quantile(late, 0.25) < 0.2
    assert [arrival.tokens for _, arrival in pairs] == [1 + index % 7 for index in range(40)]
    assert [record.planned_prompt for record, _ in pairs] == [30 + index for index in range(40)]
