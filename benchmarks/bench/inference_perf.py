"""inference-perf (kubernetes-sigs): a YAML file, a folder of reports. Its random prompts are for /v1/completions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.bench.asked import MODEL, Asked, Command, Place, Told
from benchmarks.bench.pythons import newer_python
from benchmarks.gateway.environments import virtual_environment
from benchmarks.gateway.process import BenchError

__all__ = ["InferencePerf"]

VERSION = "0.7.0"
LEAST_PYTHON = (3, 12)
MANY = 1000
"""Callers of its one process: more than are ever in flight, so that its own default (100) limits nothing."""


class InferencePerf:
    name = "inference-perf"
    limits = True

    def set_up(self, cache: Path) -> str:
        self._bin = virtual_environment(cache, "inference-perf", VERSION, python=newer_python(LEAST_PYTHON))
        return f"inference-perf {VERSION}"

    def command(self, asked: Asked, place: Place) -> Command:
        (file := place.folder / "asked.json").write_text(json.dumps(_configuration(asked, place)))  # JSON is YAML
        return Command((str(self._bin / "inference-perf"), "-c", str(file)), {"HF_HUB_OFFLINE": "1"})

    def told(self, place: Place, output: str) -> Told:
        found = list((place.folder / "out").rglob("summary_lifecycle_metrics.json"))
        if not found:
            raise BenchError(f"inference-perf wrote no summary: {output[-300:]}")
        summary: dict[str, Any] = json.loads(found[0].read_text())
        latency = summary["successes"]["latency"]
        first, between = latency.get("time_to_first_token") or {}, latency.get("inter_token_latency") or {}
        load = summary.get("load_summary") or {}
        goodput = summary.get("goodput_metrics") or summary["successes"].get("goodput_metrics") or {}
        share = goodput.get("goodput_percentage")
        warned = (line.partition(" - WARNING - ")[2] for line in output.splitlines() if "Validation" in line)
        return Told(
            ttft_p50=first.get("median"),
            ttft_p99=first.get("p99"),
            itl=between.get("mean"),
            rate=load.get("achieved_rate") or summary["successes"]["throughput"]["requests_per_sec"],
            good=None if share is None else share / 100,
            words="; ".join(warned)[:600],
        )


def _configuration(asked: Asked, place: Place) -> dict[str, Any]:
    def lengths(tokens: int) -> dict[str, Any]:
        return {"min": tokens, "max": tokens, "mean": tokens, "std_dev": 0, "total_count": asked.requests}

    return {
        "api": {"type": "completion", "streaming": asked.stream},
        "server": {"type": "vllm", "model_name": MODEL, "base_url": place.url, "ignore_eos": True},
        "tokenizer": {"pretrained_model_name_or_path": str(place.tokenizer)},
        "data": {
            "type": "random",
            "input_distribution": lengths(asked.prompt),
            "output_distribution": lengths(asked.output),
        },
        "load": {
            "type": asked.pattern,
            "stages": [{"rate": asked.rate, "duration": round(asked.seconds)}],
            "num_workers": 1,
            "worker_max_concurrency": asked.in_flight or MANY,
            "base_seed": asked.seed,
        },
        "report": {
            "request_lifecycle": {"summary": True, "per_stage": True, "per_request": False},
            "goodput": {"constraints": {"ttft": asked.ttft}},
        },
        "storage": {"local_storage": {"path": str(place.folder / "out")}},
    }
