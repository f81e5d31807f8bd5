"""An open loop waits for nobody: what the server does moves no send time, and what users wait is counted from the time
at which they would have asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from headway.bench.schema import Slo
from tests.support.bench import bench, in_flight, lags, paired, planned, quantile, waits, workload
from tests.support.mock_engine import engines

FROM, UNTIL, TTFT = 0.4, 1.6, 0.05
STALL = ("--ttft", str(TTFT), "--itl", "0.005", "--stall", "400ms..1600ms")
NOISE = 0.002
"""Seconds between a moment and the reading of the clock for it."""


async def test_a_stall_of_the_server_moves_no_send_time_and_is_all_counted(tmp_path: Path) -> None:
    log = tmp_path / "arrivals.jsonl"
    load = workload(arrivals={"rate": "50/s", "pattern": "constant"}, lasts="2s", output=4)
    async with engines(*STALL, "--arrivals", str(log)) as to:
        run = await bench(to, load, slo=Slo(ttft=0.2))
    pairs = paired(run.records, log)
    assert [each.due for each in run.records] == pytest.approx([each.at for each in planned(load)])
    began = pairs[0][1].came
    during = [lag for lag, (_, each) in zip(lags(pairs), pairs, strict=True) if FROM < each.came - began < UNTIL]
    assert len(during) > 55
    assert quantile(during, 0.5) < 0.2  # of whoever waits for answers: half of the stall
    assert quantile(during, 0.9) < 0.4  # and nearly all of it

    for record, truth in pairs:
        assert record.error == ""
        assert record.first is not None
        assert truth.first is not None
        assert record.first - record.due >= truth.first - truth.came - NOISE
        if FROM < truth.came - began < UNTIL:
            assert truth.first >= began + UNTIL + TTFT - NOISE  # the engine kept its promise,
            assert record.first - record.due >= began + UNTIL + TTFT - truth.came - NOISE  # and all of it was waited

    latency = run.summary().whole.latency
    assert latency.ttft_sched.p99 is not None
    assert latency.ttft_sched.p99 >= 0.9 * (UNTIL - FROM)
    assert latency.ttft_sched.max == pytest.approx(max((each.first or 0) - each.due for each in run.records))


async def test_an_overloaded_server_is_not_called_good(tmp_path: Path) -> None:
    """Asked 100/s, it serves 40/s: the line follows from its arrivals (Lindley), and what each waited from that."""
    log = tmp_path / "arrivals.jsonl"
    load = workload(arrivals={"rate": "100/s", "pattern": "constant"}, lasts="2s", output=1, warmup="0s")
    async with engines("--ttft", "0.01", "--capacity", "40", "--arrivals", str(log)) as to:
        run = await bench(to, load, slo=Slo(ttft=0.2))
    pairs, let_in = paired(run.records, log), 0.0
    for _, each in pairs:
        let_in = max(each.came, let_in + 1 / 40)
        assert (each.first or 0) >= let_in + 0.01 - NOISE
    truth = waits(pairs)
    summary = run.summary(undisturbed=True)
    figures, waited = summary.whole, summary.whole.latency.ttft_sched
    assert (summary.verdict.word, summary.verdict.exit_code) == ("OVERLOADED", 1)
    assert figures.rate.asked == 100
    assert figures.rate.realised == pytest.approx(100, rel=0.02)
    assert figures.rate.answered == pytest.approx(40, rel=0.1)
    assert waited.p50 == pytest.approx(quantile(truth, 0.5), rel=0.1, abs=0.1)
    assert waited.p99 == pytest.approx(quantile(truth, 0.99), rel=0.1, abs=0.1)
    inside = sum(each <= 0.2 for each in truth) / len(truth)
    assert inside < 0.15
    assert figures.goodput is not None
    assert figures.goodput.inside.share == pytest.approx(inside, abs=0.05)


async def test_a_server_that_keeps_up_is_valid(tmp_path: Path) -> None:
    log = tmp_path / "arrivals.jsonl"
    load = workload(arrivals={"rate": "40/s", "pattern": "constant"}, lasts="2s", output=4)
    async with engines("--ttft", "0.1", "--itl", "0.005", "--arrivals", str(log)) as to:
        run = await bench(to, load, slo=Slo(ttft=0.5))
    seen = [each for _, each in paired(run.records, log)]
    assert len(seen) == 80
    summary = run.summary(undisturbed=True)
    assert summary.verdict.word == "VALID", summary.verdict
    generator = summary.generator
    assert generator.cpu > 0
    assert generator.send_lag.count == summary.whole.requests.due > 0
    mean, _ = in_flight(seen, seen[10].came, seen[-1].came)
    assert mean == pytest.approx(40 * 0.115, rel=0.25)  # Little's law
