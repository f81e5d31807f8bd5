"""What is counted and what is not: each stage its own requests, warm-up and drain none of the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bench import bench, planned, read_arrivals, workload
from tests.support.mock_engine import engines

SLOW, FAST = {"name": "slow", "rate": "10/s", "for": "1s"}, {"name": "fast", "rate": "60/s", "for": "1s"}


async def test_a_stage_has_its_own_requests_and_none_of_its_neighbours(tmp_path: Path) -> None:
    """Answers take half a second: those of the first stage end amid the second, and belong to the first."""
    log = tmp_path / "arrivals.jsonl"
    load = workload(arrivals={"stages": [SLOW, FAST], "pattern": "constant"}, output=1, warmup="0s")
    async with engines("--ttft", "0.5", "--arrivals", str(log)) as to:
        run = await bench(to, load)
    assert [(each.name, each.rate) for each in run.facts.stages] == [("slow", 10.0), ("fast", 60.0)]
    slow, fast = ([each for each in run.records if each.stage == number] for number in (0, 1))
    assert (len(slow), len(fast)) == (10, 60)
    assert all(each.due < 1 for each in slow)
    assert all(1 <= each.due < 2 for each in fast)
    assert sum(each.ended is not None and each.ended > 1 for each in slow) >= 4
    assert len(read_arrivals(log)) == 70

    summary = run.summary()
    assert [part.name for part in summary.stages] == ["slow", "fast"]
    for part, requests, rate in zip(summary.stages, (10, 60), (10.0, 60.0), strict=True):
        assert part.figures.requests.due == part.figures.requests.answered == requests
        assert part.figures.rate.asked == rate
        assert part.figures.rate.realised == pytest.approx(rate, rel=0.02)
        assert part.figures.latency.ttft_send.p50 == pytest.approx(0.5, abs=0.05)
    assert summary.whole.requests.due == 70


async def test_a_warm_up_is_sent_and_not_counted(tmp_path: Path) -> None:
    """The first second is slow: 0.4 s to the first token, then 0.02 s."""
    log = tmp_path / "arrivals.jsonl"
    load = workload(arrivals={"rate": "20/s", "pattern": "constant"}, lasts="2s", output=1, warmup="1s")
    slow, quick = ["--script", "ttft=400ms"] * 20, ["--script", "ttft=20ms"] * 20
    async with engines("--ttft", "0", *slow, *quick, "--arrivals", str(log)) as to:
        run = await bench(to, load)
    assert len(read_arrivals(log)) == len(run.records) == len(planned(load)) == 40
    summary = run.summary()
    (window,) = summary.windows
    assert (window.rule, window.start) == ("explicit", 1.0)
    assert summary.whole.requests.due == 20
    assert summary.whole.latency.ttft_send.max is not None
    assert summary.whole.latency.ttft_send.p90 == pytest.approx(0.02, abs=0.05)
