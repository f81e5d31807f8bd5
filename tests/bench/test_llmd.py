"""Our Summary in the shape of llm-d's benchmark report, checked against what its schema allows."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from headway.bench.llmd import report
from headway.bench.schema import Slo
from headway.bench.summary import summarise
from tests.support.bench_records import answer, facts, failed, served

STATISTICS = {
    "units",
    "mean",
    "mode",
    "stddev",
    "min",
    "p0p1",
    "p1",
    "p5",
    "p10",
    "p25",
    "p50",
    "p75",
    "p90",
    "p95",
    "p99",
    "p99p9",
    "max",
}
"""Of benchmark_report/schema_v0_2.py: closed, `units` and `mean` required, no null that is not left out."""
UNITS = {
    "time_to_first_token": {"ms", "s"},
    "request_latency": {"ms", "s"},
    "normalized_time_per_output_token": {"ms/token", "s/token"},
    "time_per_output_token": {"ms/token", "s/token"},
    "inter_token_latency": {"ms/token", "s/token"},
    "input_token_rate": {"tokens/s"},
    "output_token_rate": {"tokens/s"},
    "total_token_rate": {"tokens/s"},
    "request_rate": {"queries/s"},
    "input_length": {"count"},
    "output_length": {"count"},
}
REQUESTS = {"total", "failures", "incomplete", "input_length", "output_length"}
LATENCY = {name for name, units in UNITS.items() if units & {"s", "s/token"}}
THROUGHPUT = {name for name in UNITS if name.endswith("_rate")}
LOAD = {
    "tool", "tool_version", "parallelism", "source", "stage", "input_seq_len", "output_seq_len", "prefix", "multi_turn",
    "rate_qps", "concurrency",
}  # fmt: skip


def check_statistics(name: str, found: dict[str, Any]) -> None:
    assert {"units", "mean"} <= set(found) <= STATISTICS, name
    assert found["units"] in UNITS[name]
    assert all(isinstance(value, int | float) for key, value in found.items() if key != "units")


def check(found: dict[str, Any]) -> None:
    assert set(found) == {"version", "run", "scenario", "results"}
    assert found["version"] == "0.2"
    assert set(found["run"]) <= {"uid", "eid", "cid", "pid", "time", "user", "description", "keywords"}
    assert len(found["run"]["uid"]) == 32
    for moment in ("start", "end"):
        datetime.fromisoformat(found["run"]["time"][moment])
    assert set(found["scenario"]) <= {"stack", "load"}
    load = found["scenario"]["load"]
    assert set(load) == {"metadata", "standardized", "native"}
    standardized = load["standardized"]
    assert {"tool", "tool_version", "source", "input_seq_len"} <= set(standardized) <= LOAD
    assert standardized["source"] in {"random", "sampled", "unknown"}
    assert standardized.get("rate_qps", 1) > 0
    assert standardized.get("concurrency", 1) >= 1
    for length in ("input_seq_len", "output_seq_len"):
        assert standardized[length]["distribution"] in {"fixed", "gaussian", "uniform", "other"}
        assert standardized[length]["value"] >= 0
    assert set(found["results"]) == {"request_performance", "observability"}
    aggregate = found["results"]["request_performance"]["aggregate"]
    assert set(aggregate) == {"requests", "latency", "throughput"}
    assert set(aggregate["requests"]) <= REQUESTS
    assert set(aggregate["latency"]) <= LATENCY
    assert set(aggregate["throughput"]) <= THROUGHPUT
    for part in ("latency", "throughput"):
        for name, each in aggregate[part].items():
            check_statistics(name, each)


@pytest.mark.parametrize(
    ("records", "run"),
    [
        (served(20, 30, 20, 1), facts(20.0, 20.0, cv=1.0)),
        ([failed(n, n * 0.1) for n in range(100)], facts(10.0, 10.0)),
        ([answer(n, (n // 4) * 0.2) for n in range(200)], facts(10.0, None, concurrency=4)),
        ([answer(n, n * 0.1, operation="embedding", stream=False, gaps=[]) for n in range(100)], facts(10.0, 10.0)),
        ([], facts(1.0, None)),
    ],
)
def test_every_run_has_the_shape(records, run) -> None:
    found = report(summarise(records, run, Slo(ttft=0.2)))
    check(found)
    json.dumps(found, allow_nan=False)


def test_the_numbers_are_those_of_the_summary() -> None:
    summary = summarise(served(20, 8, 60, 1), facts(60.0, 20.0, cv=1.0), Slo(ttft=0.2))
    found = report(summary)
    aggregate = found["results"]["request_performance"]["aggregate"]
    ttft = summary.whole.latency.ttft_sched
    assert aggregate["latency"]["time_to_first_token"]["p99"] == ttft.p99
    assert aggregate["latency"]["time_to_first_token"]["mean"] == ttft.mean
    assert aggregate["throughput"]["request_rate"]["mean"] == summary.whole.rate.answered
    assert aggregate["requests"]["total"] == summary.whole.requests.due
    assert found["run"]["description"] == summary.verdict.text
    assert found["results"]["observability"]["headway"]["verdict"]["word"] == "OVERLOADED"
    assert found["scenario"]["load"]["standardized"]["rate_qps"] == pytest.approx(20.0)
