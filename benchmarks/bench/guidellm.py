"""guidellm (vLLM project): flags, a folder of results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.bench.asked import MODEL, Asked, Command, Place, Told
from benchmarks.gateway.environments import virtual_environment
from benchmarks.gateway.process import BenchError

__all__ = ["GuideLlm"]

VERSION = "0.8.1"


class GuideLlm:
    name = "guidellm"

    def set_up(self, cache: Path) -> str:
        self._bin = virtual_environment(cache, "guidellm", VERSION)
        return f"guidellm {VERSION}"

    def command(self, asked: Asked, place: Place) -> Command:
        flags: dict[str, object] = {
            "target": place.url,
            "model": MODEL,
            "profile": asked.pattern,
            "rate": asked.rate,
            "max-requests": asked.requests,
            "data": f"prompt_tokens={asked.prompt},output_tokens={asked.output}",
            "processor": place.tokenizer,
            "request-type": "chat_completions",
            "random-seed": asked.seed,
            "output-dir": place.folder / "out",
            "outputs": "json",
        }
        if not asked.stream:
            flags["backend-kwargs"] = json.dumps({"stream": False})
        if asked.in_flight is not None:
            flags["max-concurrency"] = asked.in_flight
        words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
        return Command((str(self._bin / "guidellm"), "benchmark", "run", *words), {"HF_HUB_OFFLINE": "1"})

    def told(self, place: Place, output: str) -> Told:
        found = list((place.folder / "out").rglob("*.json"))
        if not found:
            raise BenchError(f"guidellm wrote no result: {output[-300:]}")
        (run,) = json.loads(found[0].read_text())["benchmarks"]
        metrics: dict[str, Any] = run["metrics"]

        def of(name: str) -> dict[str, Any]:
            return (metrics.get(name) or {}).get("successful") or {}

        first, between = of("time_to_first_token_ms"), of("inter_token_latency_ms")
        return Told(
            ttft_p50=_seconds(first.get("median")),
            ttft_p99=_seconds((first.get("percentiles") or {}).get("p99")),
            itl=_seconds(between.get("mean")),
            rate=of("requests_per_second").get("mean"),
            words=" ".join(line.strip() for line in output.splitlines() if "saturat" in line.lower())[:300],
        )


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
