"""aiperf (NVIDIA): flags, a folder of artifacts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.bench.asked import MODEL, Asked, Command, Place, Told
from benchmarks.gateway.environments import virtual_environment
from benchmarks.gateway.process import BenchError

__all__ = ["AiPerf"]

VERSION = "0.13.0"


class AiPerf:
    """A tokenizer in a folder fails where HF_HUB_OFFLINE is set: it is left unset for this one."""

    name = "aiperf"
    limits = True

    def set_up(self, cache: Path) -> str:
        self._bin = virtual_environment(cache, "aiperf", VERSION)
        return f"aiperf {VERSION}"

    def command(self, asked: Asked, place: Place) -> Command:
        flags: dict[str, object] = {
            "model": MODEL,
            "url": place.url,
            "endpoint-type": "chat",
            "tokenizer": place.tokenizer,
            "request-rate": asked.rate,
            "arrival-pattern": asked.pattern,
            "request-count": asked.requests,
            "synthetic-input-tokens-mean": asked.prompt,
            "synthetic-input-tokens-stddev": 0,
            "output-tokens-mean": asked.output,
            "output-tokens-stddev": 0,
            "random-seed": asked.seed,
            "extra-inputs": "ignore_eos:true",
            "artifact-dir": place.folder / "out",
            "ui": "simple",
        }
        if asked.stream:
            flags["goodput"] = f"time_to_first_token:{asked.ttft * 1000:g}"
        if asked.in_flight is not None:
            flags["concurrency"] = asked.in_flight
        words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
        streaming = ["--streaming"] if asked.stream else []
        return Command((str(self._bin / "aiperf"), "profile", *words, *streaming))

    def told(self, place: Place, output: str) -> Told:
        found = list((place.folder / "out").rglob("profile_export_aiperf.json"))
        if not found:
            raise BenchError(f"aiperf wrote no summary: {output[-300:]}")
        summary: dict[str, Any] = json.loads(found[0].read_text())
        records = summary.get("records") if isinstance(summary.get("records"), dict) else summary

        def figure(name: str, part: str) -> float | None:
            value = (records.get(name) or {}).get(part)
            return None if value is None else float(value)

        def milliseconds(name: str, part: str) -> float | None:
            value = figure(name, part)
            return None if value is None else value / 1000

        good, rate = figure("goodput", "avg"), figure("request_throughput", "avg")
        return Told(
            ttft_p50=milliseconds("time_to_first_token", "p50"),
            ttft_p99=milliseconds("time_to_first_token", "p99"),
            itl=milliseconds("inter_token_latency", "avg"),
            rate=rate,
            good=good / rate if good is not None and rate else None,
            words=" ".join(line.strip() for line in output.splitlines() if "WARNING" in line)[:600],
        )
