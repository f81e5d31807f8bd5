"""A Summary in the shape of llm-d's benchmark report, version 0.2, so that its tools read our runs beside others'.

The shape is that of llm-d/llm-d-benchmark (its benchmark report's schema_v0_2.py, read in November 2026): closed, a
mean in every statistic, and units by name. TTFT and request latency are the ones from when a request was due: that is
what "as seen by users" says there. What the shape has no place for (the verdict, TTFT from sent, goodput) is under
`results.observability.headway`, which it leaves open.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from headway.bench.schema import Distribution, Figures, Summary

__all__ = ["VERSION", "report"]

VERSION = "0.2"
_PERCENTILES = ("p50", "p75", "p90", "p95", "p99", "max")

Json = dict[str, Any]


def report(summary: Summary) -> Json:
    """As plain JSON values."""
    whole = summary.whole
    return {
        "version": VERSION,
        "run": _run(summary),
        "scenario": {"load": _load(summary)},
        "results": {
            "request_performance": {"aggregate": _aggregate(whole)},
            "observability": {"headway": _ours(summary)},
        },
    }


def _aggregate(whole: Figures) -> Json:
    return {"requests": _requests(whole), "latency": _latency(whole), "throughput": _throughput(whole)}


def _run(summary: Summary) -> Json:
    end = summary.started_at + summary.seconds
    identity = f"{summary.target} {summary.workload} {summary.seed} {summary.started_at!r}"
    return {
        "uid": hashlib.sha256(identity.encode()).hexdigest()[:32],
        "time": {"start": _moment(summary.started_at), "end": _moment(end), "duration": f"PT{summary.seconds:.6f}S"},
        "description": summary.verdict.text,
    }


def _load(summary: Summary) -> Json:
    tokens, answered = summary.whole.tokens, max(1, summary.whole.requests.answered)
    config = {"workload": summary.workload, "seed": summary.seed, "target": summary.target}
    told = hashlib.sha256(msgspec.json.encode(config, order="sorted")).hexdigest()
    window = summary.windows[0] if len(summary.windows) == 1 else None
    standardized: Json = {
        "tool": "headway bench",
        "tool_version": summary.headway,
        "parallelism": max(1, summary.generator.processes),
        "source": "random",
        "stage": 0,
        "input_seq_len": {"distribution": "other", "value": tokens.input / answered},
        "output_seq_len": {"distribution": "other", "value": tokens.output / answered},
    }
    if summary.whole.rate.asked:
        standardized["rate_qps"] = summary.whole.rate.asked
    if window is not None and window.concurrency is not None:
        standardized["concurrency"] = window.concurrency
    return {"metadata": {"cfg_id": told}, "standardized": standardized, "native": {"config": config}}


def _requests(whole: Figures) -> Json:
    answered = max(1, whole.requests.answered)
    return {
        "total": whole.requests.due,
        "failures": whole.requests.failed,
        "incomplete": whole.requests.cancelled,
        "input_length": {"units": "count", "mean": whole.tokens.input / answered},
        "output_length": {"units": "count", "mean": whole.tokens.output / answered},
    }


def _latency(whole: Figures) -> Json:
    rows = {
        "time_to_first_token": (whole.latency.ttft_sched, "s"),
        "normalized_time_per_output_token": (whole.latency.ntpot, "s/token"),
        "time_per_output_token": (whole.latency.tpot, "s/token"),
        "inter_token_latency": (whole.latency.itl, "s/token"),
        "request_latency": (whole.latency.e2e_sched, "s"),
    }
    return {name: _statistics(of, unit) for name, (of, unit) in rows.items() if of.mean is not None}


def _statistics(of: Distribution, unit: str) -> Json:
    told = {name: value for name in _PERCENTILES if (value := getattr(of, name)) is not None}
    return {"units": unit, "mean": of.mean} | told


def _throughput(whole: Figures) -> Json:
    tokens = whole.tokens
    rates = {
        "input_token_rate": (tokens.input_rate, "tokens/s"),
        "output_token_rate": (tokens.output_rate, "tokens/s"),
        "total_token_rate": (tokens.input_rate + tokens.output_rate, "tokens/s"),
        "request_rate": (whole.rate.answered, "queries/s"),
    }
    return {name: {"units": unit, "mean": rate} for name, (rate, unit) in rates.items()}


def _ours(summary: Summary) -> Json:
    sent = summary.whole.latency.ttft_send
    told: Json = {
        "verdict": msgspec.to_builtins(summary.verdict),
        "goodput": msgspec.to_builtins(summary.whole.goodput),
        "rate": msgspec.to_builtins(summary.whole.rate),
        "slo": msgspec.to_builtins(summary.slo),
        "windows": msgspec.to_builtins(summary.windows),
    }
    if sent.mean is not None:
        told["time_to_first_token_from_sent"] = _statistics(sent, "s")
    return told


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
